//! What is removed or replaced under a run that is at work.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::atlas::{SMALL, assert_same, atlas, begin, pictures};
use crate::common::{Answer, command};

const UNITS: &str = "0..24";

/// A run that has made its first pictures and has others to make.
fn at_work(folder: &Path) -> Child {
    let fixed = ["atlas", "--out", "atlas", "--units", UNITS];
    let run = command(folder, &[&fixed, &SMALL[..]].concat())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(300);
    while pictures(&folder.join("atlas")).is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
    run
}

#[track_caller]
fn noticed(run: Child, words: &[&str]) {
    let answer = Answer::from(run.wait_with_output().unwrap());
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    let said = answer.stderr.lines().last().unwrap().to_owned();
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

#[test]
fn a_plan_or_a_journal_that_is_removed_is_noticed_and_no_picture_is_lost() {
    let expected = TempDir::new().unwrap();
    begin(expected.path(), UNITS, &[]);
    for name in ["plan.json", "journal/0-of-1.jsonl"] {
        let folder = TempDir::new().unwrap();
        let run = at_work(folder.path());
        let path = folder.path().join("atlas");
        fs::remove_file(path.join(name)).unwrap();
        let advice = "pictures are done; `percept atlas --out atlas` goes on";
        noticed(
            run,
            &[&format!("atlas/{name} was removed while this ran"), advice],
        );
        assert_eq!(pictures(&path).len(), 24, "pictures stay");
        assert!(!path.join("index.html").exists());
        let answer = atlas(folder.path(), &["--json"]);
        let answer: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(answer["rendered"], 0, "{name}: {answer}");
        assert_same(&path, &expected.path().join("atlas"));
    }
}

#[test]
fn a_plan_or_a_journal_that_is_replaced_is_noticed_and_left_alone() {
    let other = TempDir::new().unwrap();
    begin(other.path(), "5", &[]);
    for name in ["plan.json", "journal/0-of-1.jsonl"] {
        let folder = TempDir::new().unwrap();
        let run = at_work(folder.path());
        let place = folder.path().join("atlas").join(name);
        let theirs = other.path().join("atlas").join(name);
        fs::copy(&theirs, folder.path().join("copy")).unwrap();
        fs::rename(folder.path().join("copy"), &place).unwrap();
        noticed(run, &[&format!("atlas/{name} was replaced")]);
        assert_eq!(fs::read(&place).unwrap(), fs::read(theirs).unwrap());
        assert_eq!(
            pictures(&folder.path().join("atlas")).len(),
            24,
            "pictures stay"
        );
    }
}

#[test]
fn a_folder_that_is_moved_away_is_not_made_again() {
    let folder = TempDir::new().unwrap();
    let run = at_work(folder.path());
    fs::rename(folder.path().join("atlas"), folder.path().join("moved")).unwrap();
    noticed(run, &["the folder atlas is gone", "put it back"]);
    assert!(!folder.path().join("atlas").exists());
    fs::rename(folder.path().join("moved"), folder.path().join("atlas")).unwrap();
    atlas(folder.path(), &[]);
    let expected = TempDir::new().unwrap();
    begin(expected.path(), UNITS, &[]);
    assert_same(&folder.path().join("atlas"), &expected.path().join("atlas"));
}
