//! Whole renders of the embedded model on the device, and on the CPU.

use std::path::Path;
use std::sync::Arc;

use percept::ascent::cuda::GpuModel;
use percept::ascent::{Job, Rendered, Settings, Trace, ascend};
use percept::backend::cuda::Gpu;
use percept::device::Dtype;
use percept::model::{Model, Options};
use percept::objective::Sources;
use percept::param::Basis;
use percept::seed::Key;
use percept::size::Size;
use percept::transform::preset::preset;

use super::gpu;

pub fn jobs(model: &Model, objectives: &[&str]) -> Vec<Job> {
    // The folder of a vector has another name in every run, and would draw another first image.
    let stable = |text: &str| text.split(", /").next().unwrap().to_owned();
    let job = |text: &&str| {
        let key = Key::new(0, stable(text), 0);
        Job::new(&text.parse().unwrap(), &Sources::new(model), key).unwrap()
    };
    objectives.iter().map(job).collect()
}

pub fn settings(steps: usize, basis: Basis) -> Settings {
    let preset = preset("lucid").unwrap();
    Settings {
        basis,
        size: Size::square(64),
        steps,
        learning_rate: preset.learning_rate,
        preset: String::new(),
        transforms: preset.transforms,
        redirect_steps: 3,
        checkpoints: vec![1],
    }
}

fn pixels(rendered: &Rendered) -> Vec<f32> {
    rendered.image.flatten_all().unwrap().to_vec1().unwrap()
}

pub fn unwrap(results: Vec<percept::error::Result<Rendered>>) -> Vec<Rendered> {
    let one = |result: percept::error::Result<Rendered>| {
        result.unwrap_or_else(|error| panic!("{}", error.report()))
    };
    results.into_iter().map(one).collect()
}

/// The root of the mean square of a difference.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let squares: f32 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    (squares / a.len() as f32).sqrt()
}

pub const DECAY_1: Basis = Basis::Fourier { decay: 1.0 };

/// Units of several taps, a sum of units, a position, texts, a mean square, a direction and a penalty. A ReLU that rounding
/// turns sends a picture another way, in some units after a few steps: those that are climbed for ten
/// have none that close.
#[test]
fn pictures_are_those_of_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let vector = folder.path().join("v.npy");
    write_vector(&vector, 768);
    let model = Model::load("mini", Options::default()).unwrap();
    let direction = format!("direction(layer4.0.sum, {}, power=2)", vector.display());
    let objectives = [
        "layer4.0.sum:697",
        "layer4.0.sum:697 - 2*l2",
        "layer4.0.sum:158@0,1",
        "layer3:12 + 0.5*layer4.0.sum:40",
        "embedding:5",
        "text(\"a drawing of a dog\") - text(\"a cat\")",
        "deepdream(layer3)",
        &direction,
    ];
    let square = Size::square(64);
    let wide = Size {
        height: 32,
        width: 70,
    };
    for (basis, size, steps, objectives, within) in [
        (
            DECAY_1,
            square,
            10,
            &["layer4.0.sum:697", "layer4.0.sum:112", "layer4.0.sum:164"][..],
            1e-3,
        ),
        (DECAY_1, square, 3, &objectives, 3e-3),
        (Basis::Pixel, square, 2, &objectives, 3e-3),
        (DECAY_1, wide, 2, &objectives, 3e-3),
    ] {
        let jobs = jobs(&model, objectives);
        let settings = Settings {
            size,
            ..settings(steps, basis)
        };
        let here = unwrap(ascend(&model, &settings, &jobs, &()));
        let there = GpuModel::upload(&model, gpu.clone(), Dtype::F32).unwrap();
        let there = unwrap(there.ascend(&settings, &jobs, &()));
        for ((here, there), name) in here.iter().zip(&there).zip(objectives) {
            assert_eq!(there.steps_done, steps);
            assert!(distance(&pixels(here), &pixels(there)) < within, "{name}");
            let (step, kept) = &there.checkpoints[0];
            assert_eq!(
                (*step, kept.dims()),
                (1, &[1, 3, size.height, size.width][..])
            );
            for (which, here, there) in [
                ("objective", &here.trace.objective, &there.trace.objective),
                (
                    "norm",
                    &here.trace.gradient_norm,
                    &there.trace.gradient_norm,
                ),
            ] {
                assert_eq!(here.len(), there.len());
                for (here, there) in here.iter().zip(there) {
                    let close = (here - there).abs() <= 1e-3 * here.abs().max(1.0);
                    assert!(close, "{which} of {name}: {there}, not {here}");
                }
            }
        }
    }
}

/// Total variation's gradient is a sum of signs, of which rounding turns some: its first step alone
/// can be compared.
#[test]
fn a_step_against_total_variation_is_that_of_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let model = Model::load("mini", Options::default()).unwrap();
    let (jobs, settings) = (
        jobs(&model, &["-3*tv", "layer4.0.sum:139 - 2*tv"]),
        settings(1, DECAY_1),
    );
    let here = unwrap(ascend(&model, &settings, &jobs, &()));
    let there = GpuModel::upload(&model, gpu, Dtype::F32).unwrap();
    let there = unwrap(there.ascend(&settings, &jobs, &()));
    for (here, there) in here.iter().zip(&there) {
        for (here, there) in [
            (&here.trace.objective, &there.trace.objective),
            (&here.trace.gradient_norm, &there.trace.gradient_norm),
        ] {
            assert!(
                (here[0] - there[0]).abs() <= 1e-3 * here[0].abs(),
                "{there:?}, not {here:?}"
            );
        }
    }
}

pub fn write_vector(path: &Path, length: usize) {
    let vector = ndarray::Array1::from_shape_fn(length, |i| (i as f32 * 0.7).sin());
    ndarray_npy::write_npy(path, &vector).unwrap();
}

fn render(gpu: &Arc<Gpu>, dtype: Dtype, names: &[&str]) -> Vec<Vec<f32>> {
    let model = Model::load("mini", Options::default()).unwrap();
    let there = GpuModel::upload(&model, gpu.clone(), dtype).unwrap();
    let rendered = unwrap(there.ascend(&settings(4, DECAY_1), &jobs(&model, names), &()));
    rendered.iter().map(pixels).collect()
}

/// Also in types of 16 bits, whose pictures go another way by and by.
#[test]
fn a_second_run_makes_the_same_bytes() {
    let Some(gpu) = gpu() else { return };
    let names = ["layer4.0.sum:117", "layer4.0.sum:139"];
    let single = render(&gpu, Dtype::F32, &names);
    assert_eq!(single, render(&gpu, Dtype::F32, &names));
    for (dtype, within) in [(Dtype::F16, 0.03), (Dtype::Bf16, 0.1)] {
        let rendered = render(&gpu, dtype, &names);
        assert_eq!(rendered, render(&gpu, dtype, &names));
        for (ours, gold) in rendered.iter().zip(&single) {
            let distance = distance(ours, gold);
            assert!(distance < within, "{dtype}: {distance}");
        }
    }
}

/// Steps that were recorded and are launched again make the bytes that steps by themselves make: with redirected
/// ReLUs first, with several taps, and with penalties; and so do they in `f16`, whose scales change on the way.
#[test]
fn recorded_steps_make_the_same_bytes() {
    let Some(gpu) = gpu() else { return };
    let model = Model::load("mini", Options::default()).unwrap();
    let jobs = jobs(
        &model,
        &[
            "layer4.0.sum:117",
            "layer3:12 + 0.5*layer4.0.sum:40 - 2*tv - 0.5*l2",
            "-3*tv",
        ],
    );
    for (dtype, steps) in [(Dtype::F32, 7), (Dtype::F16, 19)] {
        let run = |records| {
            let there = GpuModel::upload(&model, gpu.clone(), dtype).unwrap();
            let there = there.recording(records);
            let rendered = unwrap(there.ascend(&settings(steps, DECAY_1), &jobs, &()));
            let traced = |rendered: &Rendered| {
                let Trace {
                    objective,
                    gradient_norm,
                    ..
                } = &rendered.trace;
                (pixels(rendered), objective.clone(), gradient_norm.clone())
            };
            rendered.iter().map(traced).collect::<Vec<_>>()
        };
        assert!(run(true) == run(false), "{dtype}");
    }
}

/// An objective that goes out of bounds does not stop the others.
#[test]
fn one_that_fails_does_not_stop_the_others() {
    let Some(gpu) = gpu() else { return };
    let model = Model::load("mini", Options::default()).unwrap();
    let there = GpuModel::upload(&model, gpu, Dtype::F32).unwrap();
    let names = ["layer4.0.sum:117", "layer4.0.sum:7 + 3e38*l2"];
    let results = there.ascend(&settings(2, DECAY_1), &jobs(&model, &names), &());
    assert!(results[0].is_ok());
    assert!(results[1].is_err());
}
