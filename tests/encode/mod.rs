//! What `percept encode` writes, read back: every key, both formats, from pictures, tensors and
//! texts.

mod files;
mod pictures;

use std::collections::HashMap;
use std::path::Path;

use crate::common::{fixture, success};
use candle_core::{DType, Device, Tensor};
use ndarray_npy::NpzReader;
use tempfile::TempDir;

/// As in `parity.rs`: `f32` sums against PyTorch's, relative to the largest value.
const TOLERANCE: f64 = 1e-3;

fn encode(folder: &Path, arguments: &[&str]) {
    let all: Vec<&str> = ["encode"].iter().chain(arguments).copied().collect();
    success(folder, &all);
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

fn assert_close(ours: &[f64], theirs: &[f64], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs
        .iter()
        .fold(0.0f64, |largest, x| largest.max(x.abs()));
    for (a, b) in ours.iter().zip(theirs) {
        let fits = (a - b).abs() <= TOLERANCE * scale;
        assert!(fits, "{what}: {a} and {b}");
    }
}

/// Model, input and PyTorch's answers of the ResNet fixture.
fn resnet(folder: &Path) -> (String, HashMap<String, Tensor>) {
    let expected =
        candle_core::safetensors::load(fixture("rn/expected.safetensors"), &Device::Cpu).unwrap();
    expected["input"]
        .save_safetensors("pixels", folder.join("input.safetensors"))
        .unwrap();
    (fixture("rn/openai.pt").display().to_string(), expected)
}

const ARGUMENTS: [&str; 8] = [
    "--raw",
    "input.safetensors",
    "--tap",
    "layer4",
    "--tap",
    "layer2.1.sum",
    "--gradient",
    "layer4.0.sum:89",
];

const KEYS: [(&str, &str); 5] = [
    ("input", "input"),
    ("act.layer4", "act.layer4"),
    ("act.layer2.1.sum", "act.layer2.1.sum"),
    ("image_embedding", "image_embedding"),
    ("gradient", "gradient.layer4.0.sum:89"),
];

#[test]
fn safetensors_hold_what_pytorch_computes() {
    let folder = TempDir::new().unwrap();
    let (model, expected) = resnet(folder.path());
    let rest = ["--model", &model, "--out", "out.safetensors"];
    encode(folder.path(), &[&ARGUMENTS[..], &rest].concat());
    let written =
        candle_core::safetensors::load(folder.path().join("out.safetensors"), &Device::Cpu)
            .unwrap();
    assert_eq!(written.len(), KEYS.len());
    for (key, theirs) in KEYS {
        assert_eq!(written[key].dims(), expected[theirs].dims());
        assert_close(&values(&written[key]), &values(&expected[theirs]), key);
    }
}

#[test]
fn npz_holds_the_same_under_the_same_names() {
    let folder = TempDir::new().unwrap();
    let (model, expected) = resnet(folder.path());
    let rest = ["--model", &model, "--out", "out.npz"];
    encode(folder.path(), &[&ARGUMENTS[..], &rest].concat());
    let file = std::fs::File::open(folder.path().join("out.npz")).unwrap();
    let mut archive = NpzReader::new(file).unwrap();
    let mut names = archive.names().unwrap();
    names.sort();
    let mut keys: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
    keys.push("percept.json");
    keys.sort_unstable();
    assert_eq!(
        names
            .iter()
            .map(|name| name.trim_end_matches(".npy"))
            .collect::<Vec<_>>(),
        keys
    );
    for (key, theirs) in KEYS {
        let array: ndarray::ArrayD<f32> = archive.by_name(key).unwrap();
        assert_eq!(array.shape(), expected[theirs].dims());
        let array: Vec<f64> = array.iter().map(|&x| f64::from(x)).collect();
        assert_close(&array, &values(&expected[theirs]), key);
    }
}

#[test]
fn pictures_and_texts_land_in_the_embedded_models_golden_places() {
    let folder = TempDir::new().unwrap();
    let golden =
        candle_core::safetensors::load(fixture("mini/golden.safetensors"), &Device::Cpu).unwrap();
    let levels = golden["image.rgb_u8"]
        .get(0)
        .unwrap()
        .permute((1, 2, 0))
        .unwrap();
    let levels = levels.flatten_all().unwrap().to_vec1::<u8>().unwrap();
    let picture = image::RgbImage::from_raw(64, 64, levels).unwrap();
    picture.save(folder.path().join("cat.png")).unwrap();
    let texts = ["--text", "cat face", "--text", "a cat face"];
    encode(
        folder.path(),
        &[&["cat.png", "--out", "cat.safetensors"][..], &texts].concat(),
    );
    let written =
        candle_core::safetensors::load(folder.path().join("cat.safetensors"), &Device::Cpu)
            .unwrap();
    let first = |name: &str, count| values(&golden[name].narrow(0, 0, count).unwrap());
    assert_close(
        &values(&written["image_embedding"]),
        &first("image.embed", 1),
        "picture",
    );
    assert_close(
        &values(&written["text_embedding"]),
        &first("text.embed", 2),
        "texts",
    );
}
