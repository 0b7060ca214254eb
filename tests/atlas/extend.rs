//! Atlases that get more units.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tempfile::TempDir;

use crate::atlas::{SMALL, assert_same, atlas, begin, refused};
use crate::common::{Answer, command, percept, success};

/// Taps whose ReLUs are redirected by themselves, and some that are not.
const ALL: [&str; 4] = ["--units", "layer4.0.sum:0..8", "--units", "layer3:5..8"];

fn at_once() -> TempDir {
    let folder = TempDir::new().unwrap();
    atlas(folder.path(), &[&ALL[..], &SMALL].concat());
    folder
}

#[track_caller]
fn is_as_at_once(folder: &TempDir, expected: &TempDir) {
    let atlas = |folder: &TempDir| folder.path().join("atlas");
    assert_same(&atlas(folder), &atlas(expected));
}

fn rendered(answer: &Answer) -> u64 {
    let said: Value = serde_json::from_str(&answer.stdout).unwrap();
    said["rendered"].as_u64().unwrap()
}

#[test]
fn more_units_end_with_the_bytes_of_an_atlas_that_had_them_from_the_start() {
    let expected = at_once();
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "layer4.0.sum:0..4", &[]);
    let answer = atlas(folder.path(), &["--units", "0..8", "--json"]);
    assert_eq!(rendered(&answer), 4, "what is done stays");
    assert!(
        answer.stderr.contains("had 4 units, and gets 8"),
        "{}",
        answer.stderr
    );
    let answer = atlas(folder.path(), &[&ALL[..], &["--json"]].concat());
    assert_eq!(rendered(&answer), 3);
    is_as_at_once(&folder, &expected);
    // And it is an atlas like any other.
    assert_eq!(rendered(&atlas(folder.path(), &["--json"])), 0);
    fs::remove_file(folder.path().join("atlas/pictures/layer4.0.sum/2-v0.png")).unwrap();
    assert_eq!(rendered(&atlas(folder.path(), &["--json"])), 1);
    success(folder.path(), &["atlas", "merge", "atlas"]);
    is_as_at_once(&folder, &expected);
}

#[test]
fn fewer_units_other_units_or_another_recipe_are_refused_with_what_differs() {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "layer4.0.sum:0..4", &[]);
    let plan = fs::read(folder.path().join("atlas/plan.json")).unwrap();
    for (arguments, words) in [
        (
            &["--units", "0..3"][..],
            "units was layer4.0.sum:0..4, and is now layer4.0.sum:0..3",
        ),
        (&["--units", "1..8"], "and is now layer4.0.sum:1..8"),
        (&["--units", "3,2,1,0"], "and is now layer4.0.sum:3,2,1,0"),
        (&["--units", "layer3:0..8"], "and is now layer3:0..8"),
        (
            &["--units", "0..8", "--steps", "4"],
            "another plan: steps was 3, and is now 4;",
        ),
        (
            &["--units", "0..8", "--negative"],
            "another plan: negative was false",
        ),
        (
            &["--units", "0..8", "--redirect", "2"],
            "another plan: redirect_steps of",
        ),
    ] {
        refused(
            folder.path(),
            arguments,
            &["begun with another plan", words],
        );
    }
    assert_eq!(
        fs::read(folder.path().join("atlas/plan.json")).unwrap(),
        plan
    );
}

#[test]
fn a_plan_does_not_grow_while_another_process_is_at_work_on_it() {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "layer4.0.sum:0..4", &[]);
    let path = folder.path().join("atlas/plan.json");
    let plan = fs::read(&path).unwrap();
    let held = fs::File::open(&path).unwrap();
    held.lock_shared().unwrap();
    let more = ["--units", "0..8", "--shard", "1/2"];
    refused(
        folder.path(),
        &more,
        &["another percept is at work", "more units", "wait for it"],
    );
    assert_eq!(fs::read(&path).unwrap(), plan);
    atlas(folder.path(), &["--shard", "1/2"]);
    drop(held);
    atlas(folder.path(), &more);
    assert_ne!(fs::read(&path).unwrap(), plan);
}

#[test]
fn the_first_shard_that_is_asked_for_more_units_lets_the_plan_grow_for_all() {
    let expected = at_once();
    let folder = TempDir::new().unwrap();
    for shard in ["0/2", "1/2"] {
        begin(folder.path(), "layer4.0.sum:0..4", &["--shard", shard]);
    }
    let runs: Vec<_> = ["0/3", "1/3", "2/3"]
        .iter()
        .map(|shard| {
            let arguments = [&["atlas", "--out", "atlas", "--shard", *shard], &ALL[..]].concat();
            command(folder.path(), &arguments).spawn().unwrap()
        })
        .collect();
    for run in runs {
        let answer = Answer::from(run.wait_with_output().unwrap());
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    }
    success(folder.path(), &["atlas", "merge", "atlas"]);
    is_as_at_once(&folder, &expected);
}

#[test]
fn a_run_killed_while_its_plan_grows_goes_on_with_either_plan() {
    let expected = at_once();
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "layer4.0.sum:0..4", &[]);
    let small = fs::read(folder.path().join("atlas/plan.json")).unwrap();
    // As after a kill between the journal's line and the plan: the line is there, the plan is not.
    atlas(folder.path(), &["--units", "0..8", "--shard", "1/9"]);
    let journal = folder.path().join("atlas/journal/1-of-9.jsonl");
    let lines = fs::read_to_string(&journal).unwrap();
    let grow = lines
        .lines()
        .find(|line| line.contains("\"grow\""))
        .unwrap();
    fs::write(&journal, format!("{grow}\n")).unwrap();
    fs::write(folder.path().join("atlas/plan.json"), &small).unwrap();
    assert_eq!(rendered(&atlas(folder.path(), &["--json"])), 0);

    let mut random = ChaCha8Rng::seed_from_u64(3);
    let arguments = [&["atlas", "--out", "atlas"], &ALL[..]].concat();
    let clock = Instant::now();
    percept(folder.path(), &["atlas", "--out", "atlas"]);
    let whole_run = 2 * clock.elapsed() + Duration::from_millis(50);
    for _ in 0..12 {
        let mut run = command(folder.path(), &arguments).spawn().unwrap();
        thread::sleep(whole_run * (random.next_u32() % 1000) / 1000);
        run.kill().unwrap();
        run.wait().unwrap();
    }
    atlas(folder.path(), &ALL);
    is_as_at_once(&folder, &expected);
}

#[test]
fn a_journal_of_a_plan_that_did_not_grow_into_this_one_is_still_refused() {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "layer4.0.sum:0..4", &[]);
    atlas(folder.path(), &["--units", "0..8"]);
    let journal = folder.path().join("atlas/journal/0-of-1.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let lines = text.lines().filter(|line| !line.contains("\"grow\""));
    let lines: Vec<&str> = lines.collect();
    fs::write(&journal, lines.join("\n") + "\n").unwrap();
    refused(folder.path(), &[], &["journal of another plan"]);
}
