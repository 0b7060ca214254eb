//! The same recipe makes the same bytes, whatever else runs beside it, and whenever it is run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Answer, Picture, SHORT, command, files, fixture, json, success, untimed};
use serde_json::Value;
use tempfile::TempDir;

#[track_caller]
fn short(arguments: &[&str]) -> Picture {
    Picture::render(&[&SHORT, arguments].concat())
}

/// Every picture of a folder with its sidecar, without what differs from run to run.
fn pictures(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, Value)> {
    let pngs = files(folder).into_iter().filter(|path| {
        let extension = path.extension().unwrap_or_default();
        assert!(extension == "png" || extension == "json", "{path:?}");
        extension == "png"
    });
    pngs.map(|name| {
        let path = folder.join(&name);
        let sidecar = untimed(&path.with_extension("json"));
        (name, (fs::read(&path).unwrap(), sidecar))
    })
    .collect()
}

#[track_caller]
fn sheet(units: &[&str], arguments: &[&str]) -> BTreeMap<PathBuf, (Vec<u8>, Value)> {
    let folder = TempDir::new().unwrap();
    let out = folder.path().to_str().unwrap();
    let fixed = ["render", "--quiet", "--out", out];
    success(folder.path(), &[&fixed, units, &SHORT, arguments].concat());
    pictures(folder.path())
}

#[test]
fn same_recipe_twice_gives_the_same_bytes() {
    let first = short(&["17"]);
    let second = short(&["layer4.0.sum:17"]);
    assert_eq!(first.bytes(), second.bytes());
    assert_eq!(
        untimed(&first.path.with_extension("json")),
        untimed(&second.path.with_extension("json"))
    );
}

#[test]
fn a_replay_of_sidecar_or_picture_gives_the_same_bytes() {
    let picture = short(&["17", "--seed", "3", "--variants", "1", "--decay", "1.5"]);
    let folder = picture.folder.path();
    for source in ["picture.json", "picture.png"] {
        let answer = success(folder, &["replay", source, "--out", "again.png"]);
        assert_eq!(fs::read(folder.join("again.png")).unwrap(), picture.bytes());
        assert!(answer.stderr.contains("same bytes"), "{}", answer.stderr);
    }
    success(folder, &["replay", "picture.json", "--quiet"]);
    let beside = folder.join("picture.replay.png");
    assert_eq!(fs::read(beside).unwrap(), picture.bytes());
}

#[test]
fn a_replay_may_find_the_same_weights_elsewhere() {
    let folder = TempDir::new().unwrap();
    let weights = folder.path().join("weights.pt");
    fs::copy(fixture("rn/openai.pt"), &weights).unwrap();
    let picture = short(&["3", "--model", weights.to_str().unwrap()]);
    let moved = folder.path().join("moved.pt");
    fs::rename(&weights, &moved).unwrap();
    let moved = moved.to_str().unwrap();
    success(
        picture.folder.path(),
        &["replay", "picture.png", "--model", moved],
    );
    let again = picture.folder.path().join("picture.replay.png");
    let name =
        |path: &Path| json(&path.with_extension("json"))["recipe"]["model"]["sha256"].clone();
    assert_eq!(name(&again), name(&picture.path));
}

#[test]
fn neighbours_in_the_batch_do_not_matter() {
    let (vit, rn) = (fixture("vit/openai.pt"), fixture("rn/openai.pt"));
    for model in ["mini", vit.to_str().unwrap(), rn.to_str().unwrap()] {
        let alone = sheet(&["17"], &["--model", model, "--threads", "1"]);
        let (name, picture) = alone.first_key_value().unwrap();
        let sheets = match model {
            "mini" => &[("8", "2")][..],
            _ => &[("1", "2"), ("3", "1"), ("8", "2"), ("16", "1")],
        };
        for (batch, threads) in sheets {
            let arguments = ["--model", model, "--batch", batch, "--threads", threads];
            let sheet = sheet(&["40", "11..19"], &arguments);
            assert_eq!(sheet.len(), 9);
            assert_eq!(&sheet[name], picture, "{batch} in {threads} threads");
        }
    }
}

#[test]
fn the_thread_count_does_not_matter() {
    let vit = fixture("vit/openai.pt");
    let rn = fixture("rn/openai.pt");
    for (model, unit) in [
        ("mini", "layer4.0.sum:17"),
        ("mini", "layer3:5@centre"),
        (vit.to_str().unwrap(), "blocks.1:5"),
        (vit.to_str().unwrap(), "7"),
        (rn.to_str().unwrap(), "7"),
        (rn.to_str().unwrap(), "embedding:3"),
        (rn.to_str().unwrap(), "0.5*layer4.0.sum:7 - 2*tv - l2"),
    ] {
        let one = short(&[unit, "--model", model, "--threads", "1"]);
        let two = short(&[unit, "--model", model, "--threads", "2"]);
        assert_eq!(one.bytes(), two.bytes(), "{unit} of {model}");
        assert_eq!(
            untimed(&one.path.with_extension("json")),
            untimed(&two.path.with_extension("json"))
        );
    }
}

#[test]
fn another_seed_unit_or_parameterisation_gives_other_bytes() {
    let model = fixture("rn/openai.pt");
    let model = ["--model", model.to_str().unwrap()];
    let bytes = |arguments: &[&str]| short(&[arguments, &model].concat()).bytes();
    let mut seen = vec![bytes(&["17"])];
    for other in [
        &["17", "--seed", "1"][..],
        &["18"],
        &["17", "--negative"],
        &["17", "--pixel"],
        &["17", "--preset", "none"],
        &["17", "--lr", "0.04"],
    ] {
        let bytes = bytes(other);
        assert!(!seen.contains(&bytes), "{other:?}");
        seen.push(bytes);
    }
}

#[test]
fn variants_differ_and_the_first_is_the_picture_without_them() {
    let one = sheet(&["17"], &[]);
    let three = sheet(&["17"], &["--variants", "3"]);
    assert_eq!(three.len(), 3);
    for (name, picture) in &one {
        assert_eq!(&three[name], picture);
    }
    let numbers: Vec<_> = three
        .values()
        .map(|(_, sidecar)| sidecar["recipe"]["variant"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [1, 2, 0], "in the order of NAME-v1, NAME-v2, NAME");
    let bytes: Vec<_> = three.values().map(|(bytes, _)| bytes).collect();
    assert!(bytes[0] != bytes[1] && bytes[1] != bytes[2] && bytes[0] != bytes[2]);
}

#[test]
fn long_objectives_do_not_overwrite_each_other() {
    let sum = "layer4.0.sum:1 + ".repeat(20);
    let sheet = sheet(&[&format!("{sum}1"), &format!("{sum}2")], &[]);
    assert_eq!(sheet.len(), 2);
}

#[test]
fn a_checkpoint_is_the_picture_of_a_shorter_run() {
    let long = short(&["17", "--checkpoints", "2,4"]);
    let folder = long.folder.path();
    let names: Vec<_> = files(folder);
    let expected = [
        "picture.json",
        "picture.png",
        "picture.step2.png",
        "picture.step4.png",
    ];
    assert_eq!(names, expected.map(PathBuf::from));
    let sidecar = long.sidecar();
    assert_eq!(sidecar["checkpoints"][1]["file"], "picture.step4.png");
    assert_eq!(sidecar["checkpoints"][1]["step"], 4);
    let shorter = Picture::render(&["17", "--size", "32", "--steps", "4", "--scale", "1"]);
    let decoded = |path: &Path| {
        let picture = image::open(path).unwrap();
        picture.to_rgb8().into_raw()
    };
    assert_eq!(
        decoded(&folder.join("picture.step4.png")),
        decoded(&shorter.path)
    );
    let without = short(&["17"]);
    assert_eq!(decoded(&without.path), decoded(&long.path));
    success(
        folder,
        &["replay", "picture.step4.png", "--out", "again/4.png"],
    );
    let again = fs::read(folder.join("again/4.png")).unwrap();
    assert_eq!(again, fs::read(folder.join("picture.step4.png")).unwrap());
}

/// Whether the process listens for Ctrl-C: until then it would end at once.
fn is_listening(process: u32) -> bool {
    const SIGINT: u64 = 1 << 1;
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & SIGINT != 0)
}

/// Starts a run that would take hours, and stops it once it has listened for `patience`.
fn interrupt(folder: &Path, arguments: &[&str], signal: &str, patience: Duration) -> Answer {
    let run = command(folder, arguments).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_listening(run.id()) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    thread::sleep(patience);
    let kill = Command::new("kill")
        .args([signal, &run.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    run.wait_with_output().unwrap().into()
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_that_is_stopped_keeps_what_it_has_and_replays_it() {
    let model = fixture("rn/openai.pt");
    let model = model.to_str().unwrap();
    let arguments = [
        "render", "7", "40", "3", "--batch", "2", "--steps", "1000000", "--model", model, "--size",
        "32", "--scale", "1", "--out", ".",
    ];
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut patience = Duration::from_millis(300);
        let (folder, answer) = loop {
            let folder = TempDir::new().unwrap();
            let answer = interrupt(folder.path(), &arguments, signal, patience);
            if !files(folder.path()).is_empty() || patience.as_secs() > 20 {
                break (folder, answer);
            }
            // Stopped before its first step on a busy machine.
            patience *= 4;
        };
        assert_eq!(answer.code, Some(code), "{}", answer.stderr);
        let said = "stopped: 0 of 3 pictures are done, and 2 more are written";
        assert!(answer.stderr.contains(said), "{}", answer.stderr);
        let pictures = pictures(folder.path());
        assert_eq!(pictures.len(), 2, "the batch in hand, and no stray file");
        for (name, (bytes, sidecar)) in pictures {
            let done = sidecar["recipe"]["steps"].as_u64().unwrap();
            assert!((1..1_000_000).contains(&done));
            assert_eq!(sidecar["steps_asked"], 1_000_000);
            assert_eq!(sidecar["quality"], Value::Null, "nothing was measured");
            assert_eq!(
                sidecar["trace"]["objective"].as_array().unwrap().len() as u64,
                done
            );
            let name = name.to_str().unwrap();
            assert!(name.contains(&format!("-{done}steps-")), "{name}");
            let line = answer.stdout.lines().find(|line| line.contains(name));
            let said = format!("stopped after {done} of 1000000 steps");
            assert!(line.unwrap().contains(&said), "{}", answer.stdout);
            success(folder.path(), &["replay", name, "--out", "again.png"]);
            assert_eq!(fs::read(folder.path().join("again.png")).unwrap(), bytes);
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_unfinished_picture_takes_the_place_of_no_other() {
    let mut patience = Duration::from_millis(300);
    let (whole, unfinished) = loop {
        let whole = short(&["17"]);
        let folder = whole.folder.path();
        let before = [
            whole.bytes(),
            fs::read(folder.join("picture.json")).unwrap(),
        ];
        let arguments = [
            "render",
            "17",
            "--size",
            "32",
            "--steps",
            "900000",
            "--scale",
            "1",
            "--json",
            "--out",
            "picture.png",
        ];
        let answer = interrupt(folder, &arguments, "-TERM", patience);
        assert_eq!(answer.code, Some(143), "{}", answer.stderr);
        let after = [
            whole.bytes(),
            fs::read(folder.join("picture.json")).unwrap(),
        ];
        assert!(before == after, "what was there is still there");
        let said = answer.stdout.lines().next();
        if said.is_some() || patience.as_secs() > 20 {
            let said: Value = serde_json::from_str(said.unwrap()).unwrap();
            break (whole, said);
        }
        patience *= 4;
    };
    let steps = unfinished["steps"].as_u64().unwrap();
    assert_eq!(unfinished["steps_asked"], 900_000);
    assert_eq!(unfinished["quality"], Value::Null);
    let name = format!("picture-{steps}steps.png");
    assert_eq!(unfinished["picture"], name);
    let names = [
        &name.replace("png", "json"),
        &name,
        "picture.json",
        "picture.png",
    ];
    let folder = whole.folder.path();
    assert_eq!(files(folder), names.map(PathBuf::from));
    // A run of so many steps makes it whole, with its numbers.
    let steps = steps.to_string();
    let again = ["17", "--size", "32", "--scale", "1", "--steps", &steps];
    let again = Picture::render(&again);
    assert_eq!(again.bytes(), fs::read(folder.join(name)).unwrap());
    assert!(again.sidecar()["quality"]["clean"].is_number());
}
