//! Percept against PyTorch: every tap, both embeddings and the image gradient of small seeded
//! models, in every weight format; the embedded model's golden file; ten steps of ascent.
//! `tests/fixtures/generate.py` made the expected values.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use percept::ascent::adam::Adam;
use percept::encode::texts;
use percept::encoder::layer::Rules;
use percept::model::preprocess::Normalisation;
use percept::model::spec::Activation;
use percept::model::{Model, Options};
use percept::objective::{Bound, Objective, Sources};
use percept::ops::warp::{Fill, PlaneMap, Sampling, Warp};
use percept::param::{Basis, Parameterisation};
use percept::size::Size;

use crate::encoded::encoded;

/// Activations in `f32`, relative to the largest value of the tap: rounding of sums over a few
/// thousand terms through a dozen layers.
pub const ACTIVATION_TOLERANCE: f64 = 1e-4;

/// Image gradients in `f32`, in the Euclidean norm: both directions, and ReLUs whose input is
/// within rounding of zero.
pub const GRADIENT_TOLERANCE: f64 = 1e-3;

/// Pixels in [0, 1] after ten steps of Adam, whose early steps amplify the sign of gradients
/// near zero.
const ASCENT_TOLERANCE: f64 = 2e-3;

type Tensors = HashMap<String, Tensor>;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(path)
}

fn expected(path: &str) -> Tensors {
    candle_core::safetensors::load(fixture(path), &Device::Cpu).unwrap()
}

fn load(path: &str) -> Model {
    Model::load(fixture(path).to_str().unwrap(), Options::default()).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor
        .flatten_all()
        .unwrap()
        .to_dtype(DType::F64)
        .unwrap()
        .to_vec1()
        .unwrap()
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let differences = values(a)
        .into_iter()
        .zip(values(b))
        .map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |largest, d| {
        if d > largest || d.is_nan() {
            d
        } else {
            largest
        }
    })
}

pub fn assert_largest(ours: &Tensor, theirs: &Tensor, tolerance: f64, what: &str) {
    let scale = values(theirs)
        .into_iter()
        .fold(0.0, |m: f64, x| m.max(x.abs()));
    let difference = largest_difference(ours, theirs);
    assert!(
        difference <= tolerance * scale,
        "{what}: off by {difference} at scale {scale}"
    );
}

pub fn assert_norm(ours: &Tensor, theirs: &Tensor, tolerance: f64, what: &str) {
    assert_eq!(ours.dims(), theirs.dims());
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (ours, theirs) = (values(ours), values(theirs));
    let difference: Vec<f64> = ours.iter().zip(&theirs).map(|(a, b)| a - b).collect();
    let (error, scale) = (norm(&difference), norm(&theirs));
    assert!(
        scale > 0.0 && error <= tolerance * scale,
        "{what}: off by {error} at norm {scale}"
    );
}

fn matches_pytorch(model: &Model, expected: &Tensors) {
    let input = &expected["input"];
    let ours = encoded(model, input, &["all"], None);
    let mut compared = 0;
    for (name, theirs) in expected.iter().filter(|(name, _)| name.starts_with("act.")) {
        assert_largest(&ours[name], theirs, ACTIVATION_TOLERANCE, name);
        compared += 1;
    }
    assert_eq!(
        compared,
        model.encoder.taps().len(),
        "every tap has a fixture"
    );
    assert_largest(
        &ours["image_embedding"],
        &expected["image_embedding"],
        ACTIVATION_TOLERANCE,
        "image",
    );
    let text = model
        .text
        .as_ref()
        .unwrap()
        .embed(&expected["text_ids"])
        .unwrap();
    assert_largest(
        &text,
        &expected["text_embedding"],
        ACTIVATION_TOLERANCE,
        "text",
    );
    for (name, theirs) in expected {
        if let Some(objective) = name.strip_prefix("gradient.") {
            let ours = encoded(model, input, &[], Some(objective));
            assert_norm(&ours["gradient"], theirs, GRADIENT_TOLERANCE, name);
        }
    }
}

#[test]
fn a_resnet_matches_pytorch_in_every_weight_format() {
    let expected = expected("rn/expected.safetensors");
    for file in [
        "openai.pt",
        "state_dict.pt",
        "open_clip.pt",
        "open_clip/open_clip_model.safetensors",
        "open_clip",
    ] {
        matches_pytorch(&load(&format!("rn/{file}")), &expected);
    }
}

#[test]
fn a_vit_matches_pytorch_in_every_weight_format() {
    let expected = expected("vit/expected.safetensors");
    for file in [
        "openai.pt",
        "state_dict.pt",
        "open_clip.pt",
        "open_clip/open_clip_model.safetensors",
        "open_clip",
        "hf",
    ] {
        matches_pytorch(&load(&format!("vit/{file}")), &expected);
    }
}

#[test]
fn the_trunk_of_a_resnet_takes_other_sizes() {
    let expected = expected("rn/expected.safetensors");
    let model = load("rn/openai.pt");
    let input = &expected["wide.input"];
    let ours = encoded(&model, input, &["layer4"], None);
    assert_largest(
        &ours["act.layer4"],
        &expected["wide.act.layer4"],
        ACTIVATION_TOLERANCE,
        "layer4",
    );
    assert!(!ours.contains_key("image_embedding"));
    for (name, theirs) in &expected {
        if let Some(objective) = name.strip_prefix("wide.gradient.") {
            let ours = encoded(&model, input, &[], Some(objective));
            assert_norm(&ours["gradient"], theirs, GRADIENT_TOLERANCE, name);
        }
    }
}

#[test]
fn the_activation_can_be_overruled() {
    let expected = expected("vit/expected.safetensors");
    let options = Options {
        activation: Some(Activation::Gelu),
        ..Options::default()
    };
    let model = Model::load(fixture("vit/openai.pt").to_str().unwrap(), options).unwrap();
    let ours = encoded(&model, &expected["input"], &["blocks.1"], None);
    assert_largest(
        &ours["act.blocks.1"],
        &expected["gelu.act.blocks.1"],
        ACTIVATION_TOLERANCE,
        "block",
    );
    assert_largest(
        &ours["image_embedding"],
        &expected["gelu.image_embedding"],
        ACTIVATION_TOLERANCE,
        "image",
    );
    let text = model.text.unwrap().embed(&expected["text_ids"]).unwrap();
    assert_largest(
        &text,
        &expected["gelu.text_embedding"],
        ACTIVATION_TOLERANCE,
        "text",
    );
}

/// The fixture's folder with another number in its configuration.
fn reconfigured(
    from: &str,
    file: &str,
    change: impl Fn(&mut serde_json::Value),
) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixture(from)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = folder.path().join(file);
    let mut json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut json);
    std::fs::write(&path, json.to_string()).unwrap();
    folder
}

fn load_folder(folder: &tempfile::TempDir) -> percept::Result<Model> {
    Model::load(folder.path().to_str().unwrap(), Options::default())
}

#[test]
fn heads_of_another_width_are_read_from_the_configuration() {
    let expected = expected("vit/expected.safetensors");
    let open_clip = reconfigured("vit/open_clip", "open_clip_config.json", |json| {
        json["model_cfg"]["vision_cfg"]["head_width"] = 32.into();
    });
    let transformers = reconfigured("vit/hf", "config.json", |json| {
        json["vision_config"]["num_attention_heads"] = 4.into();
    });
    for folder in [open_clip, transformers] {
        let ours = encoded(
            &load_folder(&folder).unwrap(),
            &expected["input"],
            &[],
            None,
        );
        let theirs = &expected["heads.image_embedding"];
        assert_largest(
            &ours["image_embedding"],
            theirs,
            ACTIVATION_TOLERANCE,
            "image",
        );
    }
}

#[test]
fn a_configuration_that_percept_cannot_follow_is_an_error() {
    let refuses = |from, file, change: fn(&mut serde_json::Value), word: &str| {
        let error = load_folder(&reconfigured(from, file, change))
            .err()
            .unwrap();
        assert!(error.report().contains(word), "{}", error.report());
    };
    let config = "open_clip_config.json";
    refuses(
        "vit/open_clip",
        config,
        |json| json["model_cfg"]["vision_cfg"]["layers"] = 3.into(),
        "asks for 3",
    );
    refuses(
        "vit/open_clip",
        config,
        |json| json["model_cfg"]["vision_cfg"]["head_width"] = 48.into(),
        "48",
    );
    refuses(
        "vit/open_clip",
        config,
        |json| json["model_cfg"]["vision_cfg"]["pool_type"] = "avg".into(),
        "avg",
    );
    refuses(
        "vit/hf",
        "config.json",
        |json| json["vision_config"]["layer_norm_eps"] = 7.into(),
        "layer_norm_eps",
    );
}

#[test]
fn the_embedded_model_matches_its_golden_file() {
    let golden = expected("mini/golden.safetensors");
    let model = Model::load("mini", Options::default()).unwrap();
    let ours = encoded(&model, &golden["image.input"], &["all"], None);
    for tap in ["stem", "layer1", "layer2", "layer3", "layer4"] {
        assert_largest(
            &ours[&format!("act.{tap}")],
            &golden[&format!("image.{tap}")],
            ACTIVATION_TOLERANCE,
            tap,
        );
    }
    assert_largest(
        &ours["image_embedding"],
        &golden["image.embed"],
        ACTIVATION_TOLERANCE,
        "image",
    );
    let large = encoded(&model, &golden["image128.input"], &["layer4"], None);
    assert_largest(
        &large["act.layer4"],
        &golden["image128.layer4"],
        ACTIVATION_TOLERANCE,
        "128 px",
    );
    let channel = values(&golden["grad.channel"])[0];
    let pair = golden["image.input"].narrow(0, 0, 2).unwrap();
    let gradient = encoded(&model, &pair, &[], Some(&format!("layer4:{channel}")));
    assert_norm(
        &gradient["gradient"],
        &golden["grad.input"],
        GRADIENT_TOLERANCE,
        "gradient",
    );
    let captions = [
        "cat face",
        "a cat face",
        "red heart",
        "flag of japan",
        "pizza",
        "the word pizza",
        "a photo of a dog",
        "keycap 4",
    ];
    let captions: Vec<String> = captions.map(str::to_owned).to_vec();
    let ids = model.text.as_ref().unwrap().tokenise(&captions).unwrap();
    assert_eq!(values(&ids), values(&golden["text.ids"]));
    assert_largest(
        &texts(&model, &captions).unwrap(),
        &golden["text.embed"],
        ACTIVATION_TOLERANCE,
        "text",
    );
}

#[test]
fn tokens_match_the_reference_tokenizer() {
    let file = std::fs::read(fixture("mini/tokenizer_examples.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let model = Model::load("mini", Options::default()).unwrap();
    let text = model.text.as_ref().unwrap();
    for example in file["examples"].as_array().unwrap() {
        let ids: Vec<f64> = example["ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_f64().unwrap())
            .collect();
        let ours = values(
            &text
                .tokenise(&[example["text"].as_str().unwrap().to_owned()])
                .unwrap(),
        );
        assert_eq!(&ours[..ids.len()], ids, "{}", example["text"]);
        assert!(ours[ids.len()..].iter().all(|&id| id == 0.0));
    }
}

/// The loop of `generate.py`: Fourier parameterisation, no transforms, one channel, Adam.
fn ascent_matches_pytorch(model: &Model, expected: &Tensors, objective: &str) {
    let objective: Objective = objective.parse().unwrap();
    let bound = Bound::new(&objective, &Sources::new(model)).unwrap();
    let parameterisation = Parameterisation::new(Basis::Fourier { decay: 1.0 }, Size::square(64));
    let Normalisation { mean, deviation } = model.conventions.normalisation.value;
    let warp = Warp {
        size: (64, 64),
        samplings: vec![Sampling {
            map: PlaneMap::IDENTITY,
            fill: Fill::Constant(0.5),
        }],
        mean: mean.map(f64::from),
        deviation: deviation.map(f64::from),
    };
    let mut spectrum = expected["ascent.spectrum"].clone();
    let mut adam = Adam::new(&spectrum, 0.05).unwrap();
    let losses = values(&expected["ascent.loss"]);
    for (step, loss) in losses.iter().enumerate() {
        let (image, saved) = parameterisation.forward(&spectrum).unwrap();
        let theirs = expected["ascent.images"].narrow(0, step, 1).unwrap();
        let difference = largest_difference(&image, &theirs);
        assert!(
            difference <= ASCENT_TOLERANCE,
            "step {step}: off by {difference}"
        );
        let pass = model
            .encoder
            .forward(&warp.forward(&image).unwrap(), bound.taps())
            .unwrap();
        let evaluation = bound.evaluate(&model.encoder, &pass, Some(&image)).unwrap();
        let error = (evaluation.value - loss).abs();
        assert!(
            error <= 2e-3 * loss.abs().max(0.1),
            "step {step}: {} and {loss}",
            evaluation.value
        );
        let dx = pass
            .pullback(&evaluation.at_taps, Rules::default())
            .unwrap();
        let gradient = parameterisation
            .pullback(&saved, &warp.pullback(&dx, 64, 64).unwrap())
            .unwrap();
        spectrum = adam.ascend(&spectrum, &gradient).unwrap();
    }
    let (last, _) = parameterisation.forward(&spectrum).unwrap();
    let theirs = expected["ascent.images"]
        .narrow(0, losses.len(), 1)
        .unwrap();
    let difference = largest_difference(&last, &theirs);
    assert!(
        difference <= ASCENT_TOLERANCE,
        "the last image is off by {difference}"
    );
}

#[test]
fn ten_steps_of_ascent_match_pytorch() {
    let units = [("rn", "layer4.0.sum:110"), ("vit", "blocks.0.mlp:300")];
    for (family, objective) in units {
        let expected = expected(&format!("{family}/expected.safetensors"));
        ascent_matches_pytorch(&load(&format!("{family}/openai.pt")), &expected, objective);
    }
}
