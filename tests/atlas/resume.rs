//! Processes that are killed, stopped, or started beside one that is at work.

use std::fs;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use crate::atlas::{SMALL, assert_same, atlas, begin, journal, pictures, refused};
use crate::common::{Answer, command};

/// How often a run is killed before it may end.
const KILLS: usize = 20;

fn start(folder: &TempDir, arguments: &[&str]) -> Child {
    let fixed = ["atlas", "--out", "atlas"];
    command(folder.path(), &[&fixed, arguments].concat())
        .spawn()
        .unwrap()
}

#[test]
fn a_run_killed_at_any_moment_goes_on_to_the_same_bytes() {
    let undisturbed = TempDir::new().unwrap();
    let clock = Instant::now();
    begin(undisturbed.path(), "0..24", &[]);
    let whole_run = clock.elapsed();
    let mut random = ChaCha8Rng::seed_from_u64(17);
    let mut folder = TempDir::new().unwrap();
    let mut kills = 0;
    while kills < KILLS {
        let arguments = [&["--units", "0..24"], &SMALL[..]].concat();
        let mut run = start(&folder, &arguments);
        thread::sleep(whole_run * (random.next_u32() % 1000) / 1000);
        match run.try_wait().unwrap() {
            None => {
                run.kill().unwrap();
                run.wait().unwrap();
                kills += 1;
            }
            Some(status) => {
                assert!(status.success());
                assert_same(
                    &folder.path().join("atlas"),
                    &undisturbed.path().join("atlas"),
                );
                folder = TempDir::new().unwrap();
            }
        }
    }
    begin(folder.path(), "0..24", &[]);
    assert_same(
        &folder.path().join("atlas"),
        &undisturbed.path().join("atlas"),
    );
    let done = journal(&folder.path().join("atlas"), "done").len();
    assert!(done >= 24, "{done} pictures are in the journal");
}

#[test]
#[cfg(unix)]
fn ctrl_c_says_how_to_go_on_and_leaves_whole_pictures_only() {
    let undisturbed = TempDir::new().unwrap();
    begin(undisturbed.path(), "0..24", &[]);
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let folder = TempDir::new().unwrap();
        let run = start(&folder, &[&["--units", "0..24"], &SMALL[..]].concat());
        let deadline = Instant::now() + Duration::from_secs(300);
        while pictures(&folder.path().join("atlas")).is_empty() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        let kill = Command::new("kill")
            .args([signal, &run.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        let answer = Answer::from(run.wait_with_output().unwrap());
        assert_eq!(answer.code, Some(code), "{}", answer.stderr);
        let advice = "pictures are done; `percept atlas --out atlas` goes on: stopped";
        assert!(answer.stderr.contains(advice), "{}", answer.stderr);
        let left = 24 - pictures(&folder.path().join("atlas")).len();
        assert!((1..24).contains(&left), "{left} pictures are left");
        let answer = atlas(folder.path(), &[]);
        assert!(
            answer.stdout.contains(&format!("{left} of them now")),
            "{}",
            answer.stdout
        );
        assert_same(
            &folder.path().join("atlas"),
            &undisturbed.path().join("atlas"),
        );
    }
}

#[test]
fn a_second_process_keeps_off_the_same_share() {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "0..2", &[]);
    let journal = folder.path().join("atlas/journal/0-of-1.jsonl");
    let held = fs::OpenOptions::new().append(true).open(journal).unwrap();
    held.lock().unwrap();
    refused(folder.path(), &[], &["another percept is at work"]);
    drop(held);
    atlas(folder.path(), &[]);
}
