//! What configuration files say of a model is done as open_clip and transformers do it, or refused; what nothing says
//! is assumed, and said. `tests/fixtures/configs.py` made the expected values.

mod assumed;
mod models;
mod overflow;
mod pictures;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use percept::model::{Model, Options};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::fixture;

/// Every tensor of a file of the fixture.
fn tensors(name: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(fixture("configs").join(name), &Device::Cpu).unwrap()
}

/// The configurations of all cases of a kind, by name.
fn cases(kind: &str) -> Vec<(String, Value)> {
    let text = fs::read(fixture("configs/cases.json")).unwrap();
    let all: Value = serde_json::from_slice(&text).unwrap();
    let cases = all[kind].as_object().unwrap().clone();
    cases.into_iter().collect()
}

/// A folder with open_clip's weights and this configuration.
fn open_clip(config: &Value) -> TempDir {
    let folder = TempDir::new().unwrap();
    let weights = folder.path().join("open_clip_model.safetensors");
    fs::copy(fixture("configs/open_clip.safetensors"), weights).unwrap();
    write(folder.path(), "open_clip_config.json", config);
    folder
}

/// A folder with the weights that such a model of transformers has, and this configuration.
fn transformers(config: &Value) -> TempDir {
    let folder = TempDir::new().unwrap();
    let copy = |part: &str, name: &str| {
        let from = fixture("configs").join(format!("{part}.safetensors"));
        fs::copy(from, folder.path().join(name)).unwrap();
    };
    if config["model_type"] == "clip" {
        copy("vision", "model-00001-of-00002.safetensors");
        copy("text", "model-00002-of-00002.safetensors");
        let map = serde_json::json!({ "weight_map": {
            "vision_model.embeddings.class_embedding": "model-00001-of-00002.safetensors",
            "logit_scale": "model-00002-of-00002.safetensors",
        }});
        write(folder.path(), "model.safetensors.index.json", &map);
    } else {
        copy("vision", "model.safetensors");
    }
    write(folder.path(), "config.json", config);
    folder
}

fn write(folder: &Path, name: &str, json: &Value) {
    fs::write(folder.join(name), json.to_string()).unwrap();
}

fn load(folder: &TempDir) -> percept::Result<Model> {
    Model::load(folder.path().to_str().unwrap(), Options::default())
}

fn values(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.flatten_all().unwrap();
    tensor
        .to_dtype(candle_core::DType::F64)
        .unwrap()
        .to_vec1()
        .unwrap()
}
