//! What `f16` can hold: numbers between 6e-8 and 65504.

use std::path::Path;
use std::sync::Arc;

use half::f16;
use percept::ascent::cuda::GpuModel;
use percept::ascent::{Job, Rendered, Settings};
use percept::backend::cuda::{Gpu, GpuField};
use percept::backend::field::{Extent, Field};
use percept::device::Dtype;
use percept::encoder::layer::Rules;
use percept::encoder::tap::TapId;
use percept::model::{Model, Options};
use percept::objective::Sources;
use percept::param::Basis;
use percept::seed::Key;
use percept::size::Size;
use percept::transform::Transform;
use percept::transform::preset::lucid;

use super::common::fixture;
use super::{gpu, wave};

/// The image gradient of a channel's mean from cotangents that are multiplied by `scale` on their way.
fn gradient(gpu: &Arc<Gpu>, model: &Model, (tap, channel): (TapId, usize), scale: f32) -> Vec<f32> {
    let program = model.encoder.upload::<f16>(gpu).unwrap();
    let side = model.encoder.resolution();
    let mut x = Field::any(Extent {
        images: 1,
        height: side,
        width: side,
        channels: 3,
    });
    x.elements.copy_from_slice(&wave(3 * side * side, 0.4));
    let run = program
        .run(GpuField::upload(gpu, &x).unwrap(), &[tap])
        .unwrap();
    let mut dy = Field::any(run.activation(tap).unwrap().extent);
    let positions = dy.extent.positions() as f32;
    for (index, dy) in dy.elements.iter_mut().enumerate() {
        let is_read = index % run.activation(tap).unwrap().extent.channels == channel;
        *dy = if is_read { scale / positions } else { 0.0 };
    }
    let dy = GpuField::upload(gpu, &dy).unwrap();
    let back = program
        .pullback(&run, vec![(tap, dy)], Rules::default())
        .unwrap();
    let elements = back.download().unwrap().elements;
    elements.iter().map(|x| x / scale).collect()
}

/// The norm of a difference as a share of the second's.
fn apart(ours: &[f32], gold: &[f32]) -> f32 {
    let norm = |numbers: Vec<f32>| numbers.iter().map(|x| x * x).sum::<f32>().sqrt();
    let differences = ours.iter().zip(gold).map(|(a, b)| a - b).collect();
    norm(differences) / norm(gold.to_vec())
}

/// Between what would be too small and what would be too large there is room on both sides of the scale:
/// with 64 times less, or 8 times more, gradients are the same but for the rounding of the smallest numbers.
/// With a million times less they vanish: so the test would see it.
#[test]
fn the_scale_of_cotangents_has_room_on_both_sides() {
    let Some(gpu) = gpu() else { return };
    let mut with_little = 0.0f32;
    for name in [
        "mini".into(),
        fixture("rn/openai.pt"),
        fixture("vit/openai.pt"),
    ] {
        let model = Model::load(&name.display().to_string(), Options::default()).unwrap();
        let encoder = &model.encoder;
        let (last, first) = (encoder.default_tap(), TapId(encoder.taps().len() / 3));
        for unit in [(last, 3), (last, 17), (first, 5)] {
            let [little, less, own, more] = [1.0 / 1024.0, 16.0, 1024.0, 8192.0]
                .map(|scale| gradient(&gpu, &model, unit, scale));
            assert!(own.iter().all(|x| x.is_finite()) && own.iter().any(|x| *x != 0.0));
            for (which, other) in [("less", less), ("more", more)] {
                let apart = apart(&other, &own);
                eprintln!(
                    "{}, {unit:?}: with {which} of a scale, {apart:.1e} apart",
                    model.name
                );
                assert!(apart <= 1e-3, "{}, {unit:?}, {which}: {apart}", model.name);
            }
            with_little = with_little.max(apart(&little, &own));
        }
    }
    eprintln!("with a million times less, up to {with_little:.1e} apart");
    assert!(with_little > 0.1, "no scale is too small: {with_little}");
}

fn settings(steps: usize, transforms: Vec<Transform>) -> Settings {
    Settings {
        basis: Basis::Fourier { decay: 1.0 },
        size: Size::square(64),
        steps,
        learning_rate: 0.05,
        preset: String::new(),
        transforms,
        redirect_steps: 0,
        checkpoints: Vec::new(),
    }
}

fn job(model: &Model, objective: &str) -> Job {
    let key = Key::new(0, "the same", 0);
    Job::new(&objective.parse().unwrap(), &Sources::new(model), key).unwrap()
}

fn render(
    model: &Model,
    there: &GpuModel,
    settings: &Settings,
    objectives: &[&str],
) -> Vec<Rendered> {
    let jobs: Vec<Job> = objectives.iter().map(|text| job(model, text)).collect();
    let one = |rendered: percept::error::Result<Rendered>| {
        rendered.unwrap_or_else(|error| panic!("{}", error.report()))
    };
    let rendered = there.ascend(settings, &jobs, &());
    rendered.into_iter().map(one).collect()
}

fn pixels(rendered: &Rendered) -> Vec<f32> {
    rendered.image.flatten_all().unwrap().to_vec1().unwrap()
}

/// A vector of some length; of 4e4 it makes cotangents of 1e7.
fn direction(folder: &Path, length: f32) -> String {
    let path = folder.join(format!("{length}.npy"));
    let vector = ndarray::Array1::from_shape_fn(768, |i| length * (i as f32 * 0.7).sin());
    ndarray_npy::write_npy(&path, &vector).unwrap();
    direction_of(&path)
}

/// Gradients that are lost before the first one that is not.
fn lost_at_first(norms: &[f32]) -> usize {
    let lost = norms.iter().take_while(|norm| !norm.is_finite()).count();
    let steps = norms.len();
    eprintln!("{lost} of {steps} gradients were lost at first: {norms:?}");
    assert!((1..steps - 4).contains(&lost), "{norms:?}");
    lost
}

/// What shares the batch is not touched, and steps may be recorded.
#[test]
fn gradients_beyond_f16_are_halved_until_they_fit() {
    let Some(gpu) = gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let long = direction(folder.path(), 4e4);
    let model = Model::load("mini", Options::default()).unwrap();
    let there = GpuModel::upload(&model, gpu, Dtype::F16).unwrap();
    let (steps, unit) = (24, "layer4.0.sum:117");
    let moving = settings(steps, lucid());
    let ours = render(&model, &there, &moving, &[&long, unit]);
    let alone = render(&model, &there, &moving, &[unit]);
    assert!(pixels(&ours[1]) == pixels(&alone[0]));

    let norms = &ours[0].trace.gradient_norm;
    let lost = lost_at_first(norms);
    // One that grows beyond what fits is lost, too, and the next one fits again.
    let fits = |norm: &f32| *norm > 0.0 && norm.is_finite();
    let later = &norms[lost..];
    assert!(later.windows(2).all(|pair| pair.iter().any(fits)));
    assert!(later.iter().all(|norm| norm.is_nan() || fits(norm)));
    // Until then the picture is what it was, under the transforms of each step.
    let still = Settings {
        learning_rate: 1e-30,
        ..settings(lost + 1, lucid())
    };
    let still = render(&model, &there, &still, &[&long]);
    assert_eq!(
        ours[0].trace.objective[..=lost],
        still[0].trace.objective[..]
    );

    let recorded = render(&model, &there.recording(true), &moving, &[&long]);
    assert!(pixels(&ours[0]) == pixels(&recorded[0]));
}

/// As where gradients are scaled in training (PyTorch's `GradScaler`), nothing of such a step is taken: no penalty, no
/// moment, no correction. Without transforms all steps are alike. So those that are taken make, to the bit, the picture
/// of an objective that is the same number but begins where this one's scale has come to: a weight that is a power
/// of two, and a vector that is as much shorter.
#[test]
fn a_step_whose_gradient_is_lost_does_not_count() {
    let Some(gpu) = gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let model = Model::load("mini", Options::default()).unwrap();
    let there = GpuModel::upload(&model, gpu, Dtype::F16).unwrap();
    let climb = |steps, weight: f32| {
        let vector = direction(folder.path(), 4e4 / weight);
        let objectives = ["", " - 100*l2"].map(|penalty| format!("{weight}*{vector}{penalty}"));
        let objectives = objectives.each_ref().map(String::as_str);
        render(&model, &there, &settings(steps, Vec::new()), &objectives)
    };
    let steps = 16;
    let ours = climb(steps, 1.0);
    let lost = lost_at_first(&ours[0].trace.gradient_norm);
    let gold = climb(steps - lost, (lost as f32).exp2());
    for (ours, gold) in ours.iter().zip(&gold) {
        let (trace, gold_trace) = (&ours.trace, &gold.trace);
        assert!(gold_trace.gradient_norm[0].is_finite());
        assert_eq!(trace.objective[lost..], gold_trace.objective[..]);
        let bits = |norms: &[f32]| norms.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(
            bits(&trace.gradient_norm[lost..]),
            bits(&gold_trace.gradient_norm)
        );
        assert!(pixels(ours) == pixels(gold));
    }
    assert!(pixels(&ours[0]) != pixels(&ours[1]));
}

fn direction_of(path: &Path) -> String {
    format!("direction(layer4.0.sum, {})", path.display())
}

/// An activation that is not finite is an error that names the cure, and none of the others' matter.
#[test]
fn activations_beyond_f16_are_an_error() {
    let Some(gpu) = gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.npy");
    ndarray_npy::write_npy(&path, &ndarray::Array1::from_elem(768, f32::MAX)).unwrap();
    let model = Model::load("mini", Options::default()).unwrap();
    let jobs = [
        job(&model, &direction_of(&path)),
        job(&model, "layer4.0.sum:3"),
    ];
    let settings = settings(2, lucid());
    let there = GpuModel::upload(&model, gpu, Dtype::F16).unwrap();
    let mut rendered = there.ascend(&settings, &jobs, &()).into_iter();
    let refused = rendered.next().unwrap().err().unwrap().report();
    for word in ["f16", "65504", "--dtype bf16"] {
        assert!(refused.contains(word), "{refused}");
    }
    assert!(rendered.next().unwrap().is_ok());
}
