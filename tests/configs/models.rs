//! Embeddings and image gradients under every configuration.

use candle_core::Tensor;
use percept::model::{Model, Options};
use serde_json::{Value, json};

use super::{cases, load, open_clip, tensors, transformers, values};
use crate::common::fixture;
use crate::encoded::encoded;

/// Embeddings in f32, relative to the largest value.
const EMBEDDING_TOLERANCE: f64 = 1e-4;

/// Image gradients in f32, in the Euclidean norm.
const GRADIENT_TOLERANCE: f64 = 1e-3;

/// How far numbers have to be off for a configuration to have been needed: five times what is tolerated.
const NEEDED: f64 = 5.0;

/// The error of an embedding, relative to its largest value.
fn embedding_error(ours: &Tensor, theirs: &Tensor) -> f64 {
    assert_eq!(ours.dims(), theirs.dims());
    let (ours, theirs) = (values(ours), values(theirs));
    let largest = theirs.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    assert!(largest > 0.0 && ours.iter().all(|x| x.is_finite()));
    let pairs = ours.iter().zip(&theirs);
    pairs.fold(0.0, |m: f64, (a, b)| m.max((a - b).abs())) / largest
}

/// The error of a gradient, in the norm.
fn gradient_error(ours: &Tensor, theirs: &Tensor) -> f64 {
    assert_eq!(ours.dims(), theirs.dims());
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (ours, theirs) = (values(ours), values(theirs));
    let difference: Vec<f64> = ours.iter().zip(&theirs).map(|(a, b)| a - b).collect();
    norm(&difference) / norm(&theirs)
}

/// Errors of a model's image embedding and gradient.
fn errors(model: &Model, case: &str) -> (f64, f64) {
    let expected = tensors("expected.safetensors");
    let ours = encoded(model, &expected["input"], &[], Some("embedding:3"));
    let theirs = |what: &str| &expected[&format!("{case}.{what}")];
    (
        embedding_error(&ours["image_embedding"], theirs("image_embedding")),
        gradient_error(&ours["gradient"], theirs("gradient")),
    )
}

#[track_caller]
fn assert_matches(model: &Model, case: &str) {
    let (embedding, gradient) = errors(model, case);
    assert!(embedding <= EMBEDDING_TOLERANCE, "{case}: {embedding}");
    assert!(gradient <= GRADIENT_TOLERANCE, "{case}: {gradient}");
    let expected = tensors("expected.safetensors");
    if let Some(theirs) = expected.get(&format!("{case}.text_embedding")) {
        let text = model.text.as_ref().unwrap();
        let error = embedding_error(&text.embed(&expected["text_ids"]).unwrap(), theirs);
        assert!(error <= EMBEDDING_TOLERANCE, "{case}, text: {error}");
    }
}

#[test]
fn every_configuration_gives_what_its_own_program_computes() {
    let mut compared = 0;
    for (name, config) in cases("open_clip") {
        assert_matches(&load(&open_clip(&config)).unwrap(), &name);
        compared += 1;
    }
    for (name, config) in cases("transformers") {
        assert_matches(&load(&transformers(&config)).unwrap(), &name);
        compared += 1;
    }
    assert_eq!(compared, 7);
}

#[test]
fn each_setting_of_them_is_needed() {
    let of = |kind: &str, case: &str| -> Value {
        let mut all = cases(kind).into_iter();
        all.find(|(name, _)| name == case).unwrap().1
    };
    let without = |mut json: Value, path: &str| {
        let (object, key) = path.rsplit_once('/').unwrap();
        let object = json.pointer_mut(object).unwrap().as_object_mut().unwrap();
        assert!(object.remove(key).is_some(), "{path}");
        json
    };
    let vision = "/model_cfg/vision_cfg";
    for (case, path) in [
        ("heads", format!("{vision}/head_width")),
        ("norm", format!("{vision}/norm_kwargs")),
        ("norm", "/model_cfg/quick_gelu".to_owned()),
    ] {
        let config = without(of("open_clip", case), &path);
        let (_, gradient) = errors(&load(&open_clip(&config)).unwrap(), case);
        assert!(gradient > NEEDED * GRADIENT_TOLERANCE, "{path}: {gradient}");
    }
    for (case, path) in [
        ("flat", "/hidden_act"),
        ("flat-epsilon", "/layer_norm_eps"),
        ("composite", "/vision_config_dict"),
        ("composite", "/vision_config_dict/hidden_act"),
        ("towers", "/vision_config/hidden_act"),
    ] {
        let config = without(of("transformers", case), path);
        let (_, gradient) = errors(&load(&transformers(&config)).unwrap(), case);
        assert!(gradient > NEEDED * GRADIENT_TOLERANCE, "{path}: {gradient}");
    }
    // Of these 12 heads are the default, which cannot share 64 components.
    let headless = without(of("transformers", "flat"), "/num_attention_heads");
    let report = load(&transformers(&headless)).err().unwrap().report();
    assert!(report.contains("num_attention_heads 12"), "{report}");
}

#[test]
fn the_code_of_an_archive_tells_its_activation() {
    for (file, case) in [("scripted.pt", "scripted"), ("traced.pt", "traced")] {
        let path = fixture("configs").join(file);
        let model = Model::load(path.to_str().unwrap(), Options::default()).unwrap();
        let activation = model.conventions.activation;
        assert_eq!(activation.source.to_string(), "the file's code", "{file}");
        let (embedding, gradient) = errors(&model, case);
        assert!(embedding <= EMBEDDING_TOLERANCE, "{file}: {embedding}");
        assert!(gradient <= GRADIENT_TOLERANCE, "{file}: {gradient}");
    }
}

#[test]
fn a_configuration_of_another_model_is_refused() {
    let (_, mut config) = cases("transformers").remove(0);
    for tower in ["vision_config", "vision_config_dict"] {
        config[tower]["hidden_size"] = json!(128);
    }
    let report = load(&transformers(&config)).err().unwrap().report();
    assert!(report.contains("another model"), "{report}");
}

#[test]
fn a_text_encoder_that_percept_does_not_compute_leaves_the_image_encoder_alone() {
    let (_, mut config) = cases("transformers").pop().unwrap();
    config["text_config"]["hidden_act"] = json!("gelu_new");
    let model = load(&transformers(&config)).unwrap();
    let (embedding, gradient) = errors(&model, "towers");
    assert!(embedding <= EMBEDDING_TOLERANCE, "{embedding}");
    assert!(gradient <= GRADIENT_TOLERANCE, "{gradient}");
    let refused = percept::encode::texts(&model, &["cat".to_owned()]);
    let report = refused.unwrap_err().report();
    assert!(report.contains("gelu_new"), "{report}");
}
