//! Weight files that are damaged, foreign or misshapen.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use tempfile::TempDir;

use crate::common::{fixture, refused};

const LAYER_NORM: &str = "visual.ln_post.weight";

fn vit() -> HashMap<String, Tensor> {
    let path = fixture("vit/open_clip/open_clip_model.safetensors");
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

#[track_caller]
fn refuses_file(path: &Path, words: &[&str]) {
    let model = path.to_str().unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let words = [&[name], words].concat();
    refused(&["render", "1", "--model", model], &words);
    refused(&["layers", "--model", model], &words);
    let encode = ["encode", "--text", "a", "--out", "a.npz"];
    refused(&[&encode[..], &["--model", model]].concat(), &words);
}

#[track_caller]
fn refuses(tensors: &HashMap<String, Tensor>, words: &[&str]) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("weights.safetensors");
    candle_core::safetensors::save(tensors, &path).unwrap();
    refuses_file(&path, words);
}

#[track_caller]
fn refuses_bytes(name: &str, bytes: &[u8], words: &[&str]) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    refuses_file(&path, words);
}

#[test]
fn a_missing_block_is_named() {
    let mut tensors = vit();
    tensors.retain(|name, _| !name.starts_with("visual.transformer.resblocks.0."));
    let missing = "visual.transformer.resblocks.0.";
    refuses(&tensors, &["no tensor", missing, "incomplete"]);
}

#[test]
fn a_missing_end_is_named() {
    let mut tensors = vit();
    tensors.remove("visual.proj");
    refuses(&tensors, &["no tensor visual.proj", "incomplete"]);
    tensors.retain(|name, _| !name.starts_with("visual."));
    refuses(&tensors, &["no image encoder", "visual.*"]);
}

#[test]
fn an_extra_tensor_is_named() {
    let mut tensors = vit();
    let extra = Tensor::new(&[1.0f32, 2.0], &Device::Cpu).unwrap();
    tensors.insert("visual.extra.weight".to_owned(), extra);
    refuses(&tensors, &["do not belong", "visual.extra.weight"]);
}

#[test]
fn a_misshapen_tensor_is_named_with_both_shapes() {
    let mut tensors = vit();
    let halved = tensors[LAYER_NORM].reshape((2, 64)).unwrap();
    tensors.insert(LAYER_NORM.to_owned(), halved);
    refuses(&tensors, &[LAYER_NORM, "[2, 64]", "[128]"]);
}

#[test]
fn a_weight_that_is_not_finite_is_named() {
    for (bits, value) in [(0x7e00u16, "NaN"), (0x7c00, "inf")] {
        let path = fixture("vit/open_clip/open_clip_model.safetensors");
        let mut bytes = fs::read(path).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let json: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
        let start = json[LAYER_NORM]["data_offsets"][0].as_u64().unwrap() as usize;
        bytes[8 + header + start..][..2].copy_from_slice(&bits.to_le_bytes());
        refuses_bytes("x.safetensors", &bytes, &[LAYER_NORM, value, "damaged"]);
    }
}

#[test]
fn a_file_of_another_kind_is_called_by_its_name() {
    let jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0";
    refuses_bytes("photo.pt", jpeg, &["JPEG"]);
    refuses_bytes("page.pt", b"<!DOCTYPE html><html>", &["web page"]);
    refuses_bytes("empty.pt", b"", &["empty"]);
    let bytes = fs::read(fixture("vit/openai.pt")).unwrap();
    refuses_bytes("cut.pt", &bytes[..bytes.len() / 2], &[]);
}
