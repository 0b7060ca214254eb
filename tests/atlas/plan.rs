//! What an atlas is made of, and what is refused when it is asked for something else.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::atlas::{SMALL, assert_same, atlas, begin, contents, journal, pictures, refused};
use crate::common::{Picture, SHORT, fixture, json as read_json, percept, success};

#[test]
fn another_recipe_is_refused_with_what_differs() {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "layer4.0.sum:0..3", &[]);
    let before = contents(&folder.path().join("atlas"));
    for (arguments, words) in [
        (&["--steps", "4"][..], &["steps was 3, and is now 4"][..]),
        (
            &["--seed", "1", "--preset", "none"],
            &[
                "seed was 0, and is now 1",
                "preset was lucid, and is now none",
            ],
        ),
        (
            &["--units", "0..2"],
            &["units was layer4.0.sum:0..3, and is now layer4.0.sum:0..2"],
        ),
        (&["--units", "layer3"], &["and is now layer3:0.."]),
        (&["--pixel"], &["basis was", "\"kind\":\"pixel\""]),
        (&["--negative"], &["negative was false, and is now true"]),
        (&["--variants", "2"], &["variants was 1, and is now 2"]),
        (
            &["--redirect", "4"],
            &["redirect_steps of layer4.0.sum was 0"],
        ),
        (
            &["--lr", "0.1"],
            &["learning_rate was 0.05, and is now 0.1"],
        ),
        (&["--scale", "2"], &["scale was 1, and is now 2"]),
    ] {
        let said = refused(folder.path(), arguments, words);
        assert!(said.contains("begun with another plan"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert_eq!(contents(&folder.path().join("atlas")), before);
    begin(folder.path(), "0..3", &["--seed", "0", "--preset", "lucid"]);
}

#[test]
fn other_weights_are_refused_and_moved_weights_are_not() {
    let folder = TempDir::new().unwrap();
    for name in ["a.pt", "b.pt"] {
        fs::copy(fixture("rn/openai.pt"), folder.path().join(name)).unwrap();
    }
    let units = ["--units", "0..2", "--model", "a.pt"];
    atlas(folder.path(), &[&units, &SMALL[..]].concat());
    let words = [
        "other weights",
        "model.sha256 was ",
        "(a.pt), and is now ",
        "--model",
    ];
    refused(folder.path(), &["--model", "mini"], &words);
    fs::remove_file(folder.path().join("a.pt")).unwrap();
    refused(folder.path(), &[], &["a.pt", "say with --model where"]);
    fs::copy(fixture("rn/state_dict.pt"), folder.path().join("a.pt")).unwrap();
    refused(folder.path(), &[], &words);
    let lost = folder.path().join("atlas/pictures/layer4.0.sum/1-v0.png");
    let bytes = fs::read(&lost).unwrap();
    fs::remove_file(&lost).unwrap();
    atlas(folder.path(), &["--model", "b.pt"]);
    assert_eq!(
        fs::read(lost).unwrap(),
        bytes,
        "the plan's name stays in the recipe"
    );
}

#[test]
fn an_atlas_holds_the_pictures_that_render_makes() {
    let folder = TempDir::new().unwrap();
    let arguments = [
        "--units",
        "layer4.0.sum:7,9",
        "--variants",
        "2",
        "--negative",
    ];
    atlas(folder.path(), &[&arguments, &SHORT[..]].concat());
    let atlas = folder.path().join("atlas");
    assert_eq!(
        pictures(&atlas),
        [
            "7-neg-v0", "7-neg-v1", "7-v0", "7-v1", "9-neg-v0", "9-neg-v1", "9-v0", "9-v1"
        ]
        .map(|name| format!("layer4.0.sum/{name}.png"))
    );
    let negative = Picture::render(&[&["9", "--negative"], &SHORT[..]].concat());
    let path = atlas.join("pictures/layer4.0.sum/9-neg-v0.png");
    assert_eq!(fs::read(&path).unwrap(), negative.bytes());
    let (own, mut other) = (read_json(&path.with_extension("json")), negative.sidecar());
    for key in ["timing", "weights"] {
        assert!(own.get(key).is_none(), "{key} differs from run to run");
        assert!(other.as_object_mut().unwrap().remove(key).is_some());
    }
    other["picture"]["file"] = json!("9-neg-v0.png");
    assert_eq!(own, other);
    for source in ["json", "png"] {
        let path = path.with_extension(source);
        let replay = ["replay", path.to_str().unwrap(), "--out", "again.png"];
        success(folder.path(), &replay);
        assert_eq!(
            fs::read(folder.path().join("again.png")).unwrap(),
            negative.bytes()
        );
    }
}

/// The numbers of an `.npy` of one dimension.
fn npy(path: &std::path::Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let numbers = bytes[header..].chunks_exact(4);
    numbers
        .map(|number| f32::from_le_bytes(number.try_into().unwrap()))
        .collect()
}

#[test]
fn a_response_holds_every_unit_of_the_tap() {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "5", &["--negative"]);
    let atlas = folder.path().join("atlas");
    for (name, sign) in [("5-v0", 1.0), ("5-neg-v0", -1.0)] {
        let response = npy(&atlas.join(format!("responses/layer4.0.sum/{name}.npy")));
        let sidecar = read_json(&atlas.join(format!("pictures/layer4.0.sum/{name}.json")));
        let selectivity = &sidecar["quality"]["selectivity"];
        assert_eq!(response.len() as u64, selectivity["of"].as_u64().unwrap());
        let own = sign * f64::from(response[5]);
        assert!((own - selectivity["z"].as_f64().unwrap()).abs() < 1e-4);
        let above = response
            .iter()
            .filter(|&&z| sign * f64::from(z) > own)
            .count();
        assert_eq!(1 + above as u64, selectivity["rank"].as_u64().unwrap());
    }
}

#[test]
fn batches_and_threads_do_not_matter() {
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    begin(folder.path(), "0..5", &[]);
    let units = [
        "--units", "0..5", "--size", "16", "--steps", "3", "--scale", "1",
    ];
    atlas(
        other.path(),
        &[&units[..], &["--batch", "1", "--threads", "1"]].concat(),
    );
    assert_same(&other.path().join("atlas"), &folder.path().join("atlas"));
}

#[test]
fn a_unit_that_fails_is_tried_again_listed_and_does_not_stop_the_rest() {
    let folder = TempDir::new().unwrap();
    // Units after a ReLU that are dead on the first image.
    let arguments = ["--units", "layer4:0..8", "--redirect", "0"];
    let arguments = [&["atlas", "--out", "atlas"], &arguments[..], &SMALL[..]].concat();
    let answer = percept(folder.path(), &arguments);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    let atlas = folder.path().join("atlas");
    let failed = journal(&atlas, "failed");
    let done = journal(&atlas, "done").len();
    assert!(!failed.is_empty() && done > 0, "{done} done");
    assert_eq!(failed.len() + done, 8);
    assert_eq!(pictures(&atlas).len(), done);
    let last = answer.stderr.lines().last().unwrap();
    assert!(last.contains("could not be made"), "{last}");
    for line in &failed {
        let item = line["item"].as_str().unwrap();
        assert!(last.contains(item), "{item} is not in {last}");
        assert!(line["error"].as_str().unwrap().contains("no gradient"));
    }
    // They are tried again when the run goes on.
    let again = percept(folder.path(), &["atlas", "--out", "atlas", "--json"]);
    assert_eq!(again.code, Some(1));
    let said: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(said["failed"].as_array().unwrap().len(), failed.len());
}

#[test]
fn a_taps_name_stands_for_all_of_its_units() {
    let folder = TempDir::new().unwrap();
    let fixture = fixture("rn/openai.pt");
    let units = [
        "--units",
        "stem",
        "--units",
        "image_block_4/0/Add_8",
        "--model",
    ];
    let model = [fixture.to_str().unwrap(), "--quiet"];
    atlas(folder.path(), &[&units, &model[..], &SMALL[..]].concat());
    let plan = read_json(&folder.path().join("atlas/plan.json"));
    let parts = plan["plan"]["parts"].as_array().unwrap();
    let spelled: Vec<&str> = parts
        .iter()
        .map(|part| part["units"].as_str().unwrap())
        .collect();
    assert!(spelled[0].starts_with("stem:0.."), "{spelled:?}");
    assert!(spelled[1].starts_with("layer4.0.sum:0.."), "{spelled:?}");
}

#[test]
fn what_is_no_whole_unit_is_refused() {
    for (units, word) in [
        ("3@1,1", "whole units"),
        ("-3", "whole units"),
        ("layer3:1 + layer3:2", "whole units"),
        ("tv", "whole units"),
        ("0..999999", "unit"),
        ("3,3", "twice"),
        ("nowhere:3", "nowhere"),
    ] {
        let folder = TempDir::new().unwrap();
        let units = format!("--units={units}");
        let said = refused(folder.path(), &[&units], &[word]);
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!folder.path().join("atlas").exists());
    }
}
