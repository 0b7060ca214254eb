//! Sidecars and pictures that cannot be replayed.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Picture, command, fixture, json as read_json, refusal, refused};

fn picture() -> Picture {
    Picture::render(&["1", "--size", "16", "--steps", "2", "--scale", "1"])
}

/// A file to replay, of this name and content, and the folder that it lies in.
fn file(name: &str, content: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    (folder, path)
}

#[track_caller]
fn refuses(name: &str, content: impl AsRef<[u8]>, words: &[&str]) {
    let (_folder, path) = file(name, content);
    let path = path.to_str().unwrap();
    let words = [&[name], words].concat();
    refused(&["replay", path, "--out", "again.png"], &words);
}

#[test]
fn a_file_that_is_no_sidecar_is_refused() {
    let sidecar = fs::read_to_string(picture().path.with_extension("json")).unwrap();
    let unreadable = "not a sidecar that this percept can read";
    refuses("empty.json", "", &[unreadable, "EOF"]);
    refuses("cut.json", &sidecar[..400], &[unreadable, "EOF"]);
    refuses("other.json", "{\"a\": 1}", &[unreadable, "schema"]);
    refuses("list.json", "[1, 2]", &[unreadable]);
    refuses("text.json", "hello", &[unreadable]);
    refuses("bytes.json", [255; 99], &[unreadable]);
    refused(&["replay", "nofile.json"], &["cannot read nofile.json"]);
    refused(&["replay", "/"], &["cannot read /"]);
}

#[test]
fn a_picture_without_a_recipe_is_refused() {
    let words = ["carries no recipe", "not written by percept"];
    let mut plain = Vec::new();
    let pixels = image::RgbImage::new(8, 8);
    let mut cursor = std::io::Cursor::new(&mut plain);
    pixels
        .write_to(&mut cursor, image::ImageFormat::Png)
        .unwrap();
    refuses("plain.png", &plain, &words);
    let bytes = picture().bytes();
    refuses("cut.png", &bytes[..bytes.len() / 2], &words);
    refuses("header.png", &bytes[..40], &words);
}

#[test]
fn a_field_that_is_not_known_or_missing_is_refused() {
    let sidecar = picture().sidecar();
    let changed = |change: fn(&mut Value)| {
        let mut sidecar = sidecar.clone();
        change(&mut sidecar);
        sidecar.to_string()
    };
    let extra = changed(|s| s["recipe"]["surprise"] = json!(1));
    refuses("extra.json", extra, &["unknown field `surprise`"]);
    let missing = changed(|s| drop(s.as_object_mut().unwrap().remove("recipe")));
    refuses("missing.json", missing, &["missing field `recipe`"]);
    let newer = changed(|s| s["schema"] = json!(2));
    refuses("newer.json", newer, &["layout 2", "version that wrote it"]);
}

#[test]
fn a_hostile_recipe_is_refused() {
    let sidecar = picture().sidecar();
    for (field, value, words) in [
        (
            "size",
            json!(10u64.pow(12)),
            &["canvas of 1000000000000"][..],
        ),
        ("size", json!(-1), &["-1"]),
        ("size", json!("32x8"), &["canvas of 32x8"]),
        ("size", json!("wide"), &["wide", "WIDTHxHEIGHT"]),
        ("size", json!([64, 64]), &["side in pixels"]),
        ("steps", json!(0), &["0 steps", "from 1"]),
        ("steps", json!(u64::MAX), &["steps", "from 1"]),
        ("scale", json!(u32::MAX), &["4294967295 times", "from 1"]),
        ("learning_rate", json!(0), &["step length of 0"]),
        ("seed", json!(-1), &["-1"]),
        ("device", json!("cuda"), &["cuda", "cpu"]),
        ("dtype", json!("f8"), &["f8", "f32"]),
        ("objective", json!("garbage((("), &["garbage", "TAP:NUMBER"]),
        ("objective", json!(""), &["without a term"]),
        ("objective", json!("layer4:99999"), &["no unit 99999"]),
        ("objective", json!("(".repeat(4000)), &["not a unit"]),
        (
            "basis",
            json!({"kind": "fourier", "decay": 400}),
            &["decay of 400", "from 0 to 4"],
        ),
        ("transforms", json!([{"kind": "twist"}]), &["twist"]),
        ("checkpoints", json!([0]), &["no step 0"]),
        ("checkpoints", json!([u64::MAX]), &["to keep", "from 1"]),
        ("schema", json!(3), &["layout 3", "version that wrote it"]),
    ] {
        let mut changed = sidecar.clone();
        changed["recipe"][field] = value;
        refuses("changed.json", changed.to_string(), words);
    }
}

#[test]
fn a_hostile_transform_is_refused() {
    let sidecar = picture().sidecar();
    for (transform, words) in [
        (
            json!({"kind": "scale", "factors": [0]}),
            &["Scale", "range"],
        ),
        (
            json!({"kind": "scale", "factors": [-1]}),
            &["Scale", "range"],
        ),
        (
            json!({"kind": "scale", "factors": [1e308]}),
            &["Scale", "range"],
        ),
        (
            json!({"kind": "scale", "factors": [null]}),
            &["null", "f64"],
        ),
        (
            json!({"kind": "jitter", "pixels": u32::MAX}),
            &["Jitter", "range"],
        ),
        (
            json!({"kind": "jitter", "pixels": 1u64 << 32}),
            &["4294967296", "u32"],
        ),
        (
            json!({"kind": "pad", "pixels": u32::MAX, "fill": "grey"}),
            &["Pad", "range"],
        ),
    ] {
        let mut changed = sidecar.clone();
        changed["recipe"]["transforms"] = json!([transform]);
        refuses("changed.json", changed.to_string(), words);
    }
}

#[test]
fn numbers_that_overflow_together_are_an_error_of_their_step() {
    let sidecar = picture().sidecar();
    for factor in [0.01, 100.0] {
        let mut changed = sidecar.clone();
        let scales = vec![json!({"kind": "scale", "factors": [factor]}); 200];
        changed["recipe"]["transforms"] = json!(scales);
        let (_folder, path) = file("changed.json", changed.to_string());
        let arguments = ["replay", path.to_str().unwrap(), "--out", "again.png"];
        refused(&arguments, &["step 0 of layer4.0.sum:1", "NaN"]);
    }
}

#[test]
fn strange_numbers_that_are_in_range_do_not_panic() {
    let picture = picture();
    for transforms in [
        json!([{"kind": "rotate", "degrees": [1e308]}]),
        json!([{"kind": "rotate", "degrees": []}, {"kind": "scale", "factors": []}]),
        json!(vec![json!({"kind": "scale", "factors": [0.01]}); 10]),
        json!([{"kind": "jitter", "pixels": 4096}, {"kind": "jitter", "pixels": 4096}]),
    ] {
        let mut changed = picture.sidecar();
        changed["recipe"]["transforms"] = transforms;
        changed["recipe"]["checkpoints"] = json!([7, 1_000_000]);
        changed["recipe"]["redirect_steps"] = json!(u64::MAX);
        let (folder, path) = file("changed.json", changed.to_string());
        let answer = crate::common::percept(folder.path(), &["replay", path.to_str().unwrap()]);
        assert!(matches!(answer.code, Some(0 | 1)), "{}", answer.stderr);
        assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
    }
}

#[test]
fn a_replay_with_other_weights_is_refused() {
    let picture = picture();
    let sidecar = picture.path.with_extension("json");
    let other = fixture("rn/openai.pt");
    let arguments = [
        "replay",
        sidecar.to_str().unwrap(),
        "--out",
        "again.png",
        "--model",
        other.to_str().unwrap(),
    ];
    let sha256 = &read_json(&sidecar)["recipe"]["model"]["sha256"];
    let words = ["other weights", "rn/openai.pt", sha256.as_str().unwrap()];
    refused(&arguments, &words);
}

#[test]
fn a_replay_is_written_as_a_png() {
    let folder = TempDir::new().unwrap();
    let sidecar = picture();
    let path = sidecar.path.to_str().unwrap();
    let command = command(folder.path(), &["replay", path, "--out", "again.json"]);
    refusal(command, folder.path(), &["again.json", ".png"]);
}

#[test]
fn a_replay_that_differs_is_an_error_that_says_why() {
    let picture = picture();
    let mut sidecar = picture.sidecar();
    sidecar["recipe"]["seed"] = json!(99);
    let (folder, path) = file("changed.json", sidecar.to_string());
    let answer = crate::common::percept(folder.path(), &["replay", path.to_str().unwrap()]);
    assert_eq!(answer.code, Some(1));
    for word in ["changed.replay.png", "differs", "recipe was changed"] {
        assert!(answer.stderr.contains(word), "{}", answer.stderr);
    }
}
