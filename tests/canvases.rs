//! Canvases that are no squares.

use std::fs;
use std::path::Path;

use percept::model::{Model, Options};
use percept::size::Size;
use serde_json::json;
use tempfile::TempDir;

use crate::common::{Picture, fixture, json, refused, success};

const WIDE: Size = Size {
    height: 32,
    width: 96,
};

#[test]
fn a_rectangle_is_rendered_recorded_and_made_again() {
    let folder = TempDir::new().unwrap();
    let arguments = [
        "render", "117", "--size", "96x40", "--steps", "5", "--scale", "2", "--out", ".",
    ];
    success(folder.path(), &arguments);
    let picture = folder
        .path()
        .join("mini-layer4.0.sum_117-96x40px-5steps-s0");
    let [png, sidecar] = ["png", "json"].map(|ending| format!("{}.{ending}", picture.display()));
    assert_eq!(image::image_dimensions(&png).unwrap(), (192, 80));
    let sidecar = json(Path::new(&sidecar));
    assert_eq!(sidecar["recipe"]["size"], "96x40");
    assert_eq!(sidecar["picture"]["canvas"], "96x40");
    let quality = &sidecar["quality"];
    assert!(
        quality["spectrum_slope"].as_f64().unwrap() < 0.0,
        "{quality}"
    );
    let again = TempDir::new().unwrap();
    success(again.path(), &["replay", &png, "--out", "again.png"]);
    let again = fs::read(again.path().join("again.png")).unwrap();
    assert_eq!(again, fs::read(png).unwrap());
}

#[test]
fn a_square_is_recorded_as_one_number_however_it_is_typed() {
    let size = |typed| {
        let picture = Picture::render(&["117", "--size", typed, "--steps", "1", "--scale", "1"]);
        let sidecar = picture.sidecar();
        assert_eq!(sidecar["picture"]["canvas"], sidecar["recipe"]["size"]);
        sidecar["recipe"]["size"].clone()
    };
    assert_eq!([size("32"), size("32x32")], [json!(32), json!(32)]);
}

/// A trunk of convolutions takes any shape; an embedding, and every tap of a ViT, the model's square.
#[test]
fn an_encoder_sees_a_rectangle_as_it_is_where_it_can() {
    let view = |name: &str, tap: &str, canvas: Size| {
        let path = fixture(name).display().to_string();
        let model = Model::load(&path, Options::default()).unwrap();
        let tap = model.encoder.find(tap).unwrap();
        model.encoder.view(canvas, &[tap])
    };
    let (rn, vit) = ("rn/openai.pt", "vit/openai.pt");
    assert_eq!(view(rn, "layer4", WIDE), WIDE);
    let near = Size {
        height: 40,
        width: 90,
    };
    assert_eq!(view(rn, "layer4", near), WIDE);
    assert_eq!(view(rn, "embedding", WIDE), Size::square(64));
    assert_eq!(view(vit, "blocks.0.mlp", WIDE), Size::square(64));
}

#[test]
fn every_kind_of_encoder_and_term_climbs_on_a_rectangle() {
    let vit = fixture("vit/openai.pt").display().to_string();
    for arguments in [
        &["117 - 2*tv - l2", "--pixel"][..],
        &["layer4.0.sum:97@0,2"],
        &["embedding:3"],
        &["3", "--model", &vit],
    ] {
        let fixed = ["--size", "96x32", "--steps", "12", "--scale", "1"];
        let sidecar = Picture::render(&[arguments, &fixed].concat()).sidecar();
        let objective = sidecar["trace"]["objective"].as_array().unwrap();
        let at = |step: usize| objective[step].as_f64().unwrap();
        assert!(at(11) > at(0), "{arguments:?}: {} to {}", at(0), at(11));
    }
    refused(
        &["render", "layer3:12@5,1", "--size", "96x32"],
        &["grid of 2x6", "@5,1"],
    );
}

#[test]
fn an_atlas_is_of_squares() {
    let arguments = [
        "atlas", "--out", "atlas", "--units", "0..2", "--size", "96x32",
    ];
    refused(&arguments, &["96x32", "squares", "--size", "such as 96"]);
}
