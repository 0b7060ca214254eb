//! Pictures, tensors and texts that `encode` cannot use.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array4;
use ndarray_npy::WriteNpyExt;
use tempfile::TempDir;

use crate::common::{SHORT, files, fixture, refused, success};

fn array(folder: &TempDir, array: &Array4<f32>) -> PathBuf {
    let path = folder.path().join("batch.npy");
    array.write_npy(fs::File::create(&path).unwrap()).unwrap();
    path
}

#[track_caller]
fn refuses(input: &[&str], words: &[&str]) {
    let model = fixture("rn/openai.pt");
    for out in ["a.npz", "a.safetensors"] {
        let fixed = ["encode", "--out", out, "--model", model.to_str().unwrap()];
        refused(&[&fixed, input].concat(), words);
    }
}

#[track_caller]
fn refuses_raw(path: &Path, words: &[&str]) {
    refuses(&["--raw", path.to_str().unwrap(), "--tap", "layer4"], words);
}

#[test]
fn a_file_that_is_no_picture_is_refused() {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in [
        ("text.png", &b"hello"[..]),
        ("empty.png", b""),
        ("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("noise.jpg", &[7; 99]),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        refuses(&[path.to_str().unwrap()], &[name, "picture"]);
    }
    refuses(&["nofile.png"], &["cannot read nofile.png"]);
}

#[test]
fn a_tensor_of_another_shape_is_refused_with_the_right_one() {
    let folder = TempDir::new().unwrap();
    let wrong = array(&folder, &Array4::zeros((1, 4, 64, 64)));
    refuses_raw(&wrong, &["[1, 4, 64, 64]", "(n, 3, h, w)"]);
    let small = array(&folder, &Array4::zeros((1, 3, 8, 8)));
    refuses_raw(&small, &["8x8", "at least 32x32"]);
    let other = array(&folder, &Array4::zeros((1, 3, 96, 96)));
    let other = ["--raw", other.to_str().unwrap(), "--tap", "embedding"];
    refuses(&other, &["64x64", "not 96x96"]);
}

#[test]
fn a_tensor_that_is_not_finite_is_refused() {
    let folder = TempDir::new().unwrap();
    for value in [f32::NAN, f32::INFINITY] {
        let mut values = Array4::zeros((1, 3, 64, 64));
        values[[0, 1, 2, 3]] = value;
        refuses_raw(&array(&folder, &values), &["batch.npy", "not finite"]);
    }
}

#[test]
fn a_header_that_promises_more_than_the_file_holds_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hostile.npy");
    for shape in [
        "1000000000, 3, 64, 64",
        "0, 3, 1099511627776, 1099511627776",
        "1099511627776, 3, 1099511627776, 0",
        "99999999999999999999, 3, 1, 1",
        "0, 3, 64, 64",
        "1,), 'shape': (999999999999999,",
    ] {
        let header = format!(
            "{:<117}\n",
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}")
        );
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend([0; 64]);
        fs::write(&path, &bytes).unwrap();
        refuses_raw(&path, &["hostile.npy"]);
    }
    fs::write(&path, b"\x93NUMPY").unwrap();
    refuses_raw(&path, &["hostile.npy"]);
}

#[test]
fn numbers_of_a_type_that_cannot_be_read_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("f8.safetensors");
    for dtype in ["F8_E4M3", "BOOL", "I8"] {
        let header =
            format!("{{\"x\":{{\"dtype\":\"{dtype}\",\"shape\":[16],\"data_offsets\":[0,16]}}}}");
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([1; 16]);
        fs::write(&path, &bytes).unwrap();
        refuses_raw(&path, &["f8.safetensors", dtype, "f16, bf16, f32 and f64"]);
    }
}

#[test]
fn an_unknown_extension_is_refused_with_the_known() {
    for out in ["a.txt", "a", "a.npy"] {
        let arguments = ["encode", "--text", "a", "--out", out];
        refused(&arguments, &[out, ".npz", ".safetensors"]);
    }
}

#[test]
fn a_text_that_is_too_long_is_refused_with_both_lengths() {
    let long = "cat ".repeat(40);
    let encode = ["encode", "--out", "a.npz", "--text", &long];
    refused(&encode, &["tokens", "reads 24", "shorten"]);
}

#[test]
fn a_request_without_its_input_is_refused() {
    refuses(&[], &["nothing to encode", "--raw", "--text"]);
    refuses(&["--tap", "layer4"], &["--tap", "--raw"]);
    refused(&["encode", "--text", "a"], &["--out"]);
}

#[test]
fn an_unknown_tap_or_gradient_is_refused() {
    let folder = TempDir::new().unwrap();
    let picture = folder.path().join("x.png");
    image::RgbImage::new(64, 64).save(&picture).unwrap();
    let picture = picture.to_str().unwrap();
    refuses(
        &[picture, "--tap", "layer9"],
        &["no tap layer9", "percept layers"],
    );
    refuses(
        &[picture, "--gradient", "tv"],
        &["tv", "penalty on the RGB image"],
    );
    refuses(
        &[picture, "--gradient", "3 - 200*tv"],
        &["tv", "leave it out"],
    );
    refuses(
        &[picture, "--gradient", "3 - diversity(layer3)"],
        &["compares pictures", "only an ascent does"],
    );
    refuses(&[picture, "--gradient", "99999"], &["no unit 99999"]);
    refuses(&[picture, "--gradient", "1,2"], &["1,2"]);
}

#[test]
fn what_is_refused_elsewhere_is_read_when_it_is_right() {
    let folder = TempDir::new().unwrap();
    let batch = array(&folder, &Array4::zeros((2, 3, 64, 64)));
    let model = fixture("rn/openai.pt");
    let arguments = [
        "encode",
        "--raw",
        batch.to_str().unwrap(),
        "--model",
        model.to_str().unwrap(),
        "--gradient",
        "7",
        "--out",
        "a.npz",
    ];
    let out = TempDir::new().unwrap();
    let answer = success(out.path(), &arguments);
    assert!(answer.stdout.contains("gradient [2, 3, 64, 64]"));
    assert_eq!(files(out.path()), [PathBuf::from("a.npz")]);
    let render = ["render", "7", "--quiet", "--out", "x.png", "--model"];
    let render = [&render[..], &[model.to_str().unwrap()], &SHORT].concat();
    success(out.path(), &render);
    assert_eq!(files(out.path()).len(), 3);
}
