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
use percept::param::Basis;
use percept::seed::Key;
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

fn render(gpu: &Arc<Gpu>, dtype: Dtype, steps: usize, objectives: &[&str]) -> Vec<Rendered> {
    let model = Model::load("mini", Options::default()).unwrap();
    let job = |text: &&str| Job {
        objective: text.parse().unwrap(),
        key: Key::new(0, "the same", 0),
    };
    let jobs: Vec<Job> = objectives.iter().map(job).collect();
    let settings = Settings {
        basis: Basis::Fourier { decay: 1.0 },
        size: 64,
        steps,
        learning_rate: 0.05,
        transforms: lucid(),
        redirect_steps: 0,
        checkpoints: Vec::new(),
    };
    let there = GpuModel::upload(&model, gpu.clone(), dtype).unwrap();
    let rendered = there.ascend(&settings, &jobs, &());
    let one = |rendered: percept::error::Result<Rendered>| {
        rendered.unwrap_or_else(|error| panic!("{}", error.report()))
    };
    rendered.into_iter().map(one).collect()
}

fn pixels(rendered: &Rendered) -> Vec<f32> {
    rendered.image.flatten_all().unwrap().to_vec1().unwrap()
}

/// A vector that makes cotangents of 1e7: they are halved until they fit, and the picture climbs on as it does
/// in `f32`. What shares the batch is not touched.
#[test]
fn gradients_beyond_f16_are_halved_until_they_fit() {
    let Some(gpu) = gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let direction = |name: &str, length: f32| {
        let path = folder.path().join(name);
        let vector = ndarray::Array1::from_shape_fn(768, |i| length * (i as f32 * 0.7).sin());
        ndarray_npy::write_npy(&path, &vector).unwrap();
        direction_of(&path)
    };
    let (large, small) = (direction("large.npy", 4e4), direction("small.npy", 1.0));
    let steps = 24;
    let ours = render(&gpu, Dtype::F16, steps, &[&large, "layer4.0.sum:117"]);
    let alone = render(&gpu, Dtype::F16, steps, &["layer4.0.sum:117"]);
    assert!(pixels(&ours[1]) == pixels(&alone[0]));
    let again = render(&gpu, Dtype::F16, steps, &[&large]);
    assert!(pixels(&ours[0]) == pixels(&again[0]));

    let norms = &ours[0].trace.gradient_norm;
    let lost = norms.iter().take_while(|norm| !norm.is_finite()).count();
    eprintln!("{lost} of {steps} gradients were lost: {norms:?}");
    assert!((1..steps / 2).contains(&lost), "{norms:?}");
    // One that grows beyond what fits is lost, too, and the next one fits again.
    let fits = |norm: &f32| *norm > 0.0 && norm.is_finite();
    let later = &norms[lost..];
    assert!(later.windows(2).all(|pair| pair.iter().any(fits)));
    assert!(later.iter().all(|norm| norm.is_nan() || fits(norm)));
    // From then on it climbs as it would have without, over as many steps: its first ones are half as long, as
    // Adam's correction has counted those that were lost.
    let gold = &render(&gpu, Dtype::F32, steps, &[&small])[0]
        .trace
        .objective;
    let climbed = |trace: &[f32]| trace[trace.len() - 1] - trace[0];
    let made = later.iter().filter(|norm| fits(norm)).count();
    let (ours, gold) = (
        climbed(&ours[0].trace.objective[lost..]) / 4e4,
        climbed(&gold[..made]),
    );
    assert!(
        gold > 0.0 && ours > gold / 3.0,
        "{ours}, where f32 climbs {gold}"
    );
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
    let job = |text: String| Job {
        objective: text.parse().unwrap(),
        key: Key::new(0, "the same", 0),
    };
    let jobs = [job(direction_of(&path)), job("layer4.0.sum:3".into())];
    let settings = Settings {
        basis: Basis::Fourier { decay: 1.0 },
        size: 64,
        steps: 2,
        learning_rate: 0.05,
        transforms: lucid(),
        redirect_steps: 0,
        checkpoints: Vec::new(),
    };
    let there = GpuModel::upload(&model, gpu, Dtype::F16).unwrap();
    let mut rendered = there.ascend(&settings, &jobs, &()).into_iter();
    let refused = rendered.next().unwrap().err().unwrap().report();
    for word in ["f16", "65504", "--dtype bf16"] {
        assert!(refused.contains(word), "{refused}");
    }
    assert!(rendered.next().unwrap().is_ok());
}
