//! Pictures that are made together and compared, on the device and on the CPU.

use percept::ascent::cuda::GpuModel;
use percept::ascent::{Job, Rendered, Settings, ascend};
use percept::device::Dtype;
use percept::model::{Model, Options};
use percept::objective::Sources;
use percept::seed::Key;
use percept::size::Size;

use super::ascent::{DECAY_1, settings, unwrap, write_vector};
use super::gpu;
use super::networks::{SMALL_VIT, random};

fn group(model: &Model, objective: &str, pictures: u32) -> Job {
    let keys = (0..pictures).map(|variant| Key::new(0, "group", variant));
    let sources = Sources::new(model);
    Job::group(&objective.parse().unwrap(), &sources, keys.collect()).unwrap()
}

fn pixels(rendered: &Rendered) -> Vec<f32> {
    rendered.image.flatten_all().unwrap().to_vec1().unwrap()
}

/// Groups of several sizes and strengths in one batch, and a picture by itself that reads the same taps.
fn compare(model: &Model, objectives: [&str; 3]) {
    let Some(gpu) = gpu() else { return };
    let [first, second, alone] = objectives;
    let jobs = [
        group(model, first, 3),
        group(model, alone, 1),
        group(model, second, 2),
    ];
    let settings = Settings {
        size: Size::square(model.encoder.resolution()),
        ..settings(3, DECAY_1)
    };
    let gold = unwrap(ascend(model, &settings, &jobs, &()));
    assert_eq!(gold.len(), 6);
    for (dtype, within, of_norm) in [
        (Dtype::F32, 1e-3, 1e-3),
        (Dtype::F16, 0.02, 0.05),
        (Dtype::Bf16, 0.1, 0.2),
    ] {
        let there = GpuModel::upload(model, gpu.clone(), dtype).unwrap();
        let run = || unwrap(there.ascend(&settings, &jobs, &()));
        let (ours, again) = (run(), run());
        for (image, ((ours, again), gold)) in ours.iter().zip(&again).zip(&gold).enumerate() {
            assert_eq!(pixels(ours), pixels(again));
            // The first step, before rounding has turned a ReLU.
            let (value, true_value) = (ours.trace.objective[0], gold.trace.objective[0]);
            let close = (value - true_value).abs() <= within * true_value.abs().max(1.0);
            assert!(close, "{dtype}, {image}: {value}, not {true_value}");
            let (norm, true_norm) = (ours.trace.gradient_norm[0], gold.trace.gradient_norm[0]);
            let close = (norm - true_norm).abs() <= of_norm * true_norm;
            assert!(close, "{dtype}, norm of {image}: {norm}, not {true_norm}");
            let squares = pixels(ours).into_iter().zip(pixels(gold));
            let squares: f32 = squares.map(|(a, b)| (a - b).powi(2)).sum();
            let distance = (squares / pixels(gold).len() as f32).sqrt();
            assert!(
                distance < (10.0 * within).min(0.2),
                "{dtype}, {image}: {distance}"
            );
        }
    }
}

#[test]
fn groups_of_a_batch_are_compared_each_by_itself() {
    let mini = Model::load("mini", Options::default()).unwrap();
    let objectives = [
        "layer4.0.sum:697 - diversity(layer3)",
        "layer4.0.sum:112 - 0.5*diversity(layer3)",
        "layer4.0.sum:164 - diversity(layer3)",
    ];
    compare(&mini, objectives);
}

/// Of a batch whose images have facets at one tap or another, with and without a ReLU, or none.
#[test]
fn facets_of_a_batch_are_each_images_own() {
    let mini = Model::load("mini", Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [third, second] = ["third.npy", "second.npy"].map(|name| folder.path().join(name));
    write_vector(&third, 384);
    write_vector(&second, 192);
    let (third, second) = (third.display(), second.display());
    let both = format!("0.5*facet(layer3, {third}) + 2*facet(layer2, {second})");
    let objectives = [
        format!("layer4.0.sum:697 + {both}"),
        format!("layer4.0.sum:112 - facet(layer3, {third}, linear) - 3*facet(layer2, {second})"),
        "layer4.0.sum:164 + 0*layer3:1 + 0*layer2:1".to_owned(),
    ];
    compare(&mini, objectives.each_ref().map(|text| &text[..]));
}

/// The class token is no position, and does not count.
#[test]
fn tokens_of_a_transformer_are_compared() {
    let vit = random(SMALL_VIT);
    let objectives = [
        "blocks.1:3 - 0.5*diversity(blocks.0)",
        "blocks.1:5 + 0.25*diversity(blocks.0)",
        "blocks.1:7 - diversity(blocks.0)",
    ];
    compare(&vit, objectives);
}
