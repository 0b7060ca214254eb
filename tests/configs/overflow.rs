//! A layer that overflows is named, and what does not read it is not stopped.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use tempfile::TempDir;

use super::tensors;
use crate::common::{SHORT, percept, success};

/// A model whose unit `blocks.0.mlp:7` is too large for f32, and with it whatever follows.
fn overflowing() -> TempDir {
    let folder = TempDir::new().unwrap();
    let name = "vision_model.encoder.layers.0.mlp.fc1.weight";
    let mut weights: HashMap<String, Tensor> = tensors("vision.safetensors");
    let mut rows = weights[name]
        .to_dtype(DType::F32)
        .unwrap()
        .to_vec2::<f32>()
        .unwrap();
    for value in &mut rows[7] {
        *value = value.signum() * 3e38;
    }
    weights.insert(name.to_owned(), Tensor::new(rows, &Device::Cpu).unwrap());
    candle_core::safetensors::save(&weights, folder.path().join("m.safetensors")).unwrap();
    image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([x as u8 * 7, y as u8 * 5, 9]))
        .save(folder.path().join("a.png"))
        .unwrap();
    folder
}

#[track_caller]
fn assert_says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

#[test]
fn encode_names_the_picture_the_output_and_the_layer_and_writes_nothing() {
    let folder = overflowing();
    let model = ["--model", "m.safetensors", "--quiet", "--out", "a.npz"];
    let encode =
        |given: &[&str]| percept(folder.path(), &[&["encode"], given, &model[..]].concat());
    for (given, output) in [
        (&["a.png"][..], "image_embedding"),
        (&["a.png", "--tap", "blocks.0.mlp"], "act.blocks.0.mlp"),
        (&["a.png", "--skip-bad"], "image_embedding"),
    ] {
        let answer = encode(given);
        assert_eq!(answer.code, Some(1), "{}", answer.stderr);
        assert_says(&answer.stderr, &["a.png", output, "blocks.0.mlp"]);
        assert!(!folder.path().join("a.npz").exists());
    }
    // Before the layer all is well, but the embedding is always wanted with it.
    let answer = encode(&["a.png", "--tap", "blocks.0.attn"]);
    assert_says(&answer.stderr, &["image_embedding"]);
}

#[test]
fn render_stops_only_the_units_that_overflow() {
    let folder = overflowing();
    let given = [
        "render",
        "blocks.0.mlp:3,7",
        "blocks.0.attn:0",
        "blocks.0:1",
        "--json",
    ];
    let model = ["--model", "m.safetensors", "--out", "out"];
    let answer = percept(folder.path(), &[&given[..], &model, &SHORT].concat());
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    assert_says(
        &answer.stderr,
        &[
            "2 of 4 pictures could not be made",
            "blocks.0.mlp is the first layer",
        ],
    );
    let lines: Vec<Value> = answer
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let failed = lines.iter().filter(|line| line.get("error").is_some());
    let failed: Vec<&str> = failed
        .map(|line| line["objective"].as_str().unwrap())
        .collect();
    assert_eq!(failed, ["blocks.0.mlp:7", "blocks.0:1"]);
    for name in ["blocks.0.mlp_3", "blocks.0.attn_0"] {
        let is_there = std::fs::read_dir(folder.path().join("out"))
            .unwrap()
            .any(|file| file.unwrap().file_name().to_string_lossy().contains(name));
        assert!(is_there, "{name}");
    }
}

#[test]
fn an_atlas_goes_on_without_the_units_that_overflow() {
    let folder = overflowing();
    let given = ["atlas", "--units", "blocks.0.mlp:3,7,9", "--out", "atlas"];
    let model = ["--model", "m.safetensors"];
    let answer = percept(folder.path(), &[&given[..], &model, &SHORT].concat());
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    assert_says(
        &answer.stderr,
        &["1 pictures could not be made: blocks.0.mlp/7-v0"],
    );
    for file in ["units.parquet", "index.html", "manifest.json"] {
        assert!(
            Path::exists(&folder.path().join("atlas").join(file)),
            "{file}"
        );
    }
    success(folder.path(), &["layers", "--model", "m.safetensors"]);
}
