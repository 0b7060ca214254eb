//! Objectives that cannot be read, bound or climbed.

use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use tempfile::TempDir;

use crate::common::{command, fixture, refusal, refused};

#[test]
fn a_text_that_is_no_objective_is_refused_with_an_example() {
    let model = fixture("rn/openai.pt");
    let model = model.to_str().unwrap();
    for (text, words) in [
        ("", &["ends without a term", "such as"][..]),
        ("cat", &["\"cat\" is not a unit", "TAP:NUMBER"]),
        ("1 + ", &["ends without a term"]),
        ("1 + * 2", &["number"]),
        ("nan*3", &["\"nan\"", "not a number"]),
        ("89@3", &["@ROW,COLUMN"]),
        ("3..1", &["\"3..1\"", "0..16"]),
        (
            "0..99999999999999999999",
            &["0..99999999999999999999", "0..16"],
        ),
        ("embedding:3@1,1", &["embedding", "no positions"]),
        ("direction(layer4", &["closing parenthesis", "FILE"]),
        ("direction(layer4)", &["names no file", "FILE"]),
        ("direction(layer4,)", &["incomplete", "FILE"]),
        ("deepdream()", &["names no tap", "deepdream(TAP)"]),
        ("deepdream(nowhere)", &["no tap nowhere"]),
        ("2*text", &["nothing in parentheses", "text(\"a photo"]),
        (
            "text(\"a cat\")*2",
            &["write the number first", "text(\"a photo"],
        ),
        ("text(a cat)", &["double quotes", "text(\"a photo"]),
        ("text(\"a cat\"", &["closing parenthesis", "text(\"a photo"]),
        (
            "text(\"a cat) - 5",
            &["closing parenthesis", "text(\"a photo"],
        ),
        ("txt(\"a cat\")", &["did you mean text"]),
    ] {
        refused(&["render", text, "--model", model], words);
    }
}

/// Without making them: they would not fit into memory.
#[test]
fn a_range_beyond_the_tap_says_how_many_units_there_are() {
    for units in ["0..100000000", "layer4.0.sum:5,0..18446744073709551615"] {
        let words = ["layer4.0.sum has 768 units, 0 to 767", "percept layers"];
        refused(&["render", units], &words);
        refused(&["atlas", "--units", units], &words);
    }
    let words = ["layer4.0 has 768 units"];
    refused(&["atlas", "--units", "layer4.0:0..100000000"], &words);
}

#[test]
fn a_position_outside_the_grid_is_refused_with_its_size() {
    let words = ["grid of 1x1", "no position @9,9"];
    refused(&["render", "7@9,9", "--size", "32", "--steps", "2"], &words);
}

#[test]
fn a_power_that_would_vanish_is_refused() {
    for power in ["17", "-2", "1.5"] {
        let text = format!("direction(layer4, v.npy, power={power})");
        refused(&["render", &text], &[power, "from 0 to 16"]);
    }
}

#[test]
fn a_direction_must_fit_its_tap() {
    let folder = TempDir::new().unwrap();
    let save = |name: &str, values: &[f32]| {
        let path = folder.path().join(name);
        let tensor = Tensor::new(values, &Device::Cpu).unwrap();
        tensor.save_safetensors("v", &path).unwrap();
        format!("direction(layer4.0.sum, {})", path.display())
    };
    let short = save("short.safetensors", &[1.0; 5]);
    refused(
        &["render", &short],
        &["short.safetensors", "[5]", "768 units", "(n, 768)"],
    );
    let mut values = [1.0; 768];
    values[3] = f32::NAN;
    let undefined = save("nan.safetensors", &values);
    refused(&["render", &undefined], &["nan.safetensors", "not finite"]);
    let words = ["cannot read nofile.npy", "No such file"];
    refused(&["render", "direction(layer4, nofile.npy)"], &words);
    let text = folder.path().join("text.npy");
    fs::write(&text, "1 2 3").unwrap();
    let text = format!("direction(layer4, {})", text.display());
    refused(
        &["render", &text],
        &["text.npy", "as .npy, .npz or .safetensors"],
    );
}

/// Runs of one step on the smallest canvas.
fn tiny(folder: &Path, units: &[&str]) -> std::process::Command {
    let fixed = ["--size", "16", "--steps", "1", "--scale", "1", "--quiet"];
    command(folder, &[&["render"], units, &fixed].concat())
}

#[test]
fn an_ascent_without_a_gradient_says_what_to_try() {
    for (units, cure) in [
        (&["0*layer4:3"][..], "a weight is zero"),
        (&["0*7"], "a weight or a vector is zero"),
        // Its ReLU never opens.
        (&["layer4:119", "--redirect", "0"], "--redirect 16"),
    ] {
        let folder = TempDir::new().unwrap();
        let words = ["no gradient", "--seed", cure];
        refusal(tiny(folder.path(), units), folder.path(), &words);
    }
}

#[test]
fn a_unit_that_fails_does_not_stop_the_others() {
    let folder = TempDir::new().unwrap();
    let mut command = tiny(folder.path(), &["0*layer4:3", "5", "--out", "."]);
    let answer = crate::common::Answer::from(command.output().unwrap());
    assert_eq!(answer.code, Some(1));
    let lines: Vec<_> = answer.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("no gradient"), "{lines:?}");
    assert!(lines[1].contains("1 of 2 pictures"), "{lines:?}");
    assert_eq!(crate::common::files(folder.path()).len(), 2);
}

#[test]
fn an_ascent_that_overflows_names_the_step_length() {
    let fixed = ["render", "1", "--lr", "1e300", "--size", "32"];
    refused(&fixed, &["step 1 of layer4.0.sum:1", "NaN", "--lr"]);
}
