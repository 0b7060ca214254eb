//! Processes that bring together and publish at the same time.

use std::fs;
use std::path::Path;
use std::process::Child;

use tempfile::TempDir;

use crate::atlas::{SMALL, assert_same, begin};
use crate::common::{Answer, command, success};

const UNITS: &str = "0..7";

fn start(folder: &Path, arguments: &[&str]) -> Child {
    command(folder, arguments).spawn().unwrap()
}

#[track_caller]
fn all_succeed(runs: Vec<Child>) {
    for run in runs {
        let answer = Answer::from(run.wait_with_output().unwrap());
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    }
}

fn shard(folder: &Path, out: &str, shard: &str) {
    let arguments = ["atlas", "--out", out, "--units", UNITS, "--shard", shard];
    success(folder, &[&arguments, &SMALL[..]].concat());
}

#[test]
fn three_that_merge_at_once_end_with_the_same_atlas() {
    let expected = TempDir::new().unwrap();
    begin(expected.path(), UNITS, &[]);
    let expected = expected.path().join("atlas");
    for _ in 0..4 {
        let folder = TempDir::new().unwrap();
        shard(folder.path(), "a", "0/2");
        shard(folder.path(), "b", "1/2");
        let merge = ["atlas", "merge", "a", "b", "--out", "atlas"];
        all_succeed((0..3).map(|_| start(folder.path(), &merge)).collect());
        assert_same(&folder.path().join("atlas"), &expected);
        // And again, where there is nothing to bring, beside one that begins anew with the site.
        fs::remove_dir_all(folder.path().join("atlas/site")).unwrap();
        fs::remove_file(folder.path().join("atlas/index.html")).unwrap();
        let mut runs: Vec<Child> = (0..3).map(|_| start(folder.path(), &merge)).collect();
        runs.push(start(folder.path(), &["atlas", "--out", "atlas"]));
        all_succeed(runs);
        assert_same(&folder.path().join("atlas"), &expected);
    }
}

#[test]
fn a_publishing_that_another_process_died_in_is_finished() {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), UNITS, &[]);
    let path = folder.path().join("atlas");
    let expected = crate::atlas::contents(&path);
    let pending = path.join(".publishing");
    fs::create_dir(&pending).unwrap();
    fs::write(pending.join("lock"), "").unwrap();
    fs::write(pending.join(".percept-abc123"), "half a page").unwrap();
    // It had put a page and a sheet in their places, and died before its manifest.
    for name in ["index.html", "sprites/layer4.0.sum-0-123456789abc.jpg"] {
        fs::write(path.join(name), "of the one that died").unwrap();
    }
    let digest = percept::input::sha256(b"of the one that died");
    let begun = serde_json::json!({
        "index.html": [digest],
        "sprites/layer4.0.sum-0-123456789abc.jpg": [digest],
        "pictures/layer4.0.sum/0-v0.png": [percept::input::digest(&path.join("pictures/layer4.0.sum/0-v0.png")).unwrap()],
    });
    fs::write(pending.join("files.json"), begun.to_string()).unwrap();
    success(folder.path(), &["atlas", "merge", "atlas"]);
    assert!(crate::atlas::contents(&path) == expected);
}
