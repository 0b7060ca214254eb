//! What is assumed is said, and stands in what is written; what a recipe was made with must be there again.

use std::fs;

use serde_json::{Value, json};

use super::{cases, open_clip, transformers, write};
use crate::common::{SHORT, fixture, percept, success};

fn read(path: impl AsRef<std::path::Path>) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Renders one short picture of the model in the folder.
fn render(folder: &std::path::Path, model: &str) -> (String, Value) {
    let given = [
        "render",
        "blocks.0.mlp:3",
        "--model",
        model,
        "--out",
        "a.png",
    ];
    let said = success(folder, &[&given[..], &SHORT].concat()).stderr;
    (said, read(folder.join("a.json")))
}

#[test]
fn a_sidecar_says_what_is_assumed_and_what_a_file_told() {
    let mut flat = cases("transformers").into_iter();
    let (_, config) = flat.find(|(name, _)| name == "flat").unwrap();
    let folder = transformers(&config);
    write(folder.path(), "preprocessor_config.json", &json!({}));
    let name = "model.safetensors";
    let (said, sidecar) = render(folder.path(), name);
    assert!(!said.contains("assumed"), "{said}");
    let told = &sidecar["weights"]["conventions"];
    let gelu = json!({"value": "gelu", "source": "config.json"});
    assert_eq!(told["activation"], gelu);
    assert_eq!(told["normalisation"]["source"], "preprocessor_config.json");
    let recorded = &sidecar["recipe"]["model"]["conventions"];
    assert_eq!(recorded["layer_norm_epsilon"], 1e-5);
    assert_eq!(recorded["head_width"], 32);

    for file in ["config.json", "preprocessor_config.json"] {
        fs::remove_file(folder.path().join(file)).unwrap();
    }
    let (said, sidecar) = render(folder.path(), name);
    let words = "assumed: activation quick-gelu, attention heads of 64";
    assert!(said.contains(words), "{said}");
    let assumed = sidecar["weights"]["conventions"].as_object().unwrap();
    assert_eq!(assumed.len(), 5);
    for (key, known) in assumed {
        assert_eq!(known["source"], "assumed", "{key}");
    }
    let listed = success(folder.path(), &["layers", "--quiet", "--model", name]);
    for line in [
        "activation         quick-gelu (assumed)",
        "head width         64 (assumed)",
    ] {
        assert!(listed.stdout.contains(line), "{}", listed.stdout);
    }
}

#[test]
fn a_replay_refuses_a_model_that_is_used_in_another_way() {
    let (_, config) = cases("open_clip").remove(0);
    let folder = open_clip(&config);
    let name = "open_clip_model.safetensors";
    render(folder.path(), name);
    success(folder.path(), &["replay", "a.json", "--out", "b.png"]);
    let replayed = |config: &Value| {
        write(folder.path(), "open_clip_config.json", config);
        percept(folder.path(), &["replay", "a.json", "--out", "c.png"])
    };
    let mut changed = config.clone();
    let vision = &mut changed["model_cfg"]["vision_cfg"];
    let heads = vision["head_width"].clone();
    vision["head_width"] = json!(if heads == 32 { 64 } else { 32 });
    let mut epsilon = config.clone();
    epsilon["model_cfg"]["vision_cfg"]["norm_kwargs"] = json!({"eps": 1e-4});
    let mut mean = config.clone();
    mean["preprocess_cfg"] = json!({"mean": [0.5, 0.5, 0.5]});
    for (config, what) in [
        (changed, "head width"),
        (epsilon, "epsilon"),
        (mean, "mean"),
    ] {
        let answer = replayed(&config);
        assert_ne!(answer.code, Some(0), "{what}");
        assert!(answer.stderr.contains(what), "{}", answer.stderr);
        assert!(!folder.path().join("c.png").exists());
    }
    // How pictures are resized is no part of what is rendered.
    let mut resized = config.clone();
    resized["preprocess_cfg"] = json!({"resize_mode": "squash"});
    assert_eq!(replayed(&resized).code, Some(0));
}

#[test]
fn recipes_and_plans_of_earlier_versions_say_nothing_of_it_and_go_on() {
    let (_, config) = cases("open_clip").remove(0);
    let folder = open_clip(&config);
    let name = "open_clip_model.safetensors";
    render(folder.path(), name);
    let mut sidecar = read(folder.path().join("a.json"));
    let entry = sidecar["recipe"]["model"].as_object_mut().unwrap();
    entry.remove("conventions").unwrap();
    write(folder.path(), "old.json", &sidecar);
    // The recipe in the PNG is another, so the file is; its pixels are not.
    let answer = percept(folder.path(), &["replay", "old.json", "--out", "old.png"]);
    assert!(
        answer.stderr.contains("differs from the recorded"),
        "{}",
        answer.stderr
    );
    let pixels = |name: &str| image::open(folder.path().join(name)).unwrap().into_rgb8();
    assert_eq!(pixels("old.png"), pixels("a.png"));

    let atlas = [
        "atlas",
        "--units",
        "blocks.0.mlp:3,4",
        "--model",
        name,
        "--out",
        "old",
    ];
    success(folder.path(), &[&atlas[..], &SHORT].concat());
    let path = folder.path().join("old/plan.json");
    let mut plan: percept::atlas::Plan =
        percept::atlas::Plan::from_json(&fs::read(&path).unwrap()).unwrap();
    for part in &mut plan.parts {
        assert!(part.recipe.model.conventions.take().is_some());
    }
    let begun = folder.path().join("begun");
    fs::create_dir(&begun).unwrap();
    fs::write(begun.join("plan.json"), plan.to_json().unwrap()).unwrap();
    success(folder.path(), &["atlas", "--out", "begun"]);
    success(folder.path(), &["atlas", "--out", "begun"]);
    let mut epsilon = config;
    epsilon["model_cfg"]["vision_cfg"]["norm_kwargs"] = json!({"eps": 1e-4});
    write(folder.path(), "open_clip_config.json", &epsilon);
    for out in ["old", "begun"] {
        let answer = percept(folder.path(), &["atlas", "--out", out]);
        assert_ne!(answer.code, Some(0));
        assert!(answer.stderr.contains("epsilon"), "{}", answer.stderr);
    }
}

#[test]
fn the_embedded_model_assumes_nothing_and_records_nothing_more() {
    let folder = tempfile::TempDir::new().unwrap();
    let given = ["render", "117", "--out", "a.png"];
    let said = success(folder.path(), &[&given[..], &SHORT].concat()).stderr;
    assert!(!said.contains("assumed"), "{said}");
    let sidecar = read(folder.path().join("a.json"));
    assert_eq!(sidecar["recipe"]["model"].get("conventions"), None);
    assert_eq!(
        sidecar["weights"]["conventions"]["normalisation"]["source"],
        "known name"
    );
    let bare = fixture("configs/vision.safetensors").display().to_string();
    let answer = success(folder.path(), &["layers", "--model", &bare, "--json"]);
    let layers: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(
        layers["conventions"]["head_width"],
        json!({"value": 64, "source": "assumed"})
    );
}
