//! A download that is stopped goes on the next time.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::emulator::{Hub, Role};
use super::{OPEN_CLIP, User, hub, names};
use crate::common::Answer;

const WEIGHTS: &str = "open_clip_model.safetensors";

/// Something to happen within this time on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

fn part(user: &User) -> Option<PathBuf> {
    let blobs = user.repository(OPEN_CLIP).join("blobs");
    let name = names(&blobs)
        .into_iter()
        .find(|name| name.ends_with(".incomplete"))?;
    Some(blobs.join(name))
}

/// Runs the program until half of the weights is there.
fn run_to_half(user: &User, hub: &Hub) -> Child {
    let mut command = user.percept(&hub.endpoint("stall"), &RENDER);
    command.env("HF_HUB_DOWNLOAD_TIMEOUT", "3600");
    let child = command.stdout(Stdio::null()).spawn().unwrap();
    let half = hub.file(OPEN_CLIP, WEIGHTS).len() as u64 / 2;
    let begun = Instant::now();
    let has_half =
        || part(user).is_some_and(|path| path.metadata().is_ok_and(|part| part.len() == half));
    while !has_half() {
        assert!(begun.elapsed() < PATIENCE, "no half came");
        thread::sleep(Duration::from_millis(20));
    }
    child
}

const RENDER: [&str; 12] = [
    "render", "5", "--model", OPEN_CLIP, "--size", "32", "--steps", "2", "--scale", "1", "--out",
    "a.png",
];

#[test]
fn a_new_user_whose_network_fails_at_a_half_goes_on_with_the_same_command() {
    let (hub, user) = (hub(), User::new());
    let mut child = run_to_half(&user, &hub);
    // As Ctrl-C does it, which leaves no time to tidy up.
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!user.home.path().join("a.png").exists());

    let answer = user.run(&hub.endpoint("std"), &RENDER);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert!(user.home.path().join("a.png").is_file());
    user.assert_whole(&hub, OPEN_CLIP);
    let half = hub.file(OPEN_CLIP, WEIGHTS).len() / 2;
    let stored = hub.asked("std").into_iter();
    let ranges: Vec<_> = stored
        .filter(|asked| asked.role == Role::Storage)
        .map(|asked| asked.range)
        .collect();
    assert_eq!(ranges, [Some(half)]);
}

#[test]
fn what_is_there_of_a_file_is_joined_only_if_it_is_right() {
    for (name, damage) in [
        ("other bytes", vec![7; 1000]),
        ("more than the file has", vec![7; 10_000_000]),
    ] {
        let (hub, user) = (hub(), User::new());
        let mut child = run_to_half(&user, &hub);
        child.kill().unwrap();
        child.wait().unwrap();
        fs::write(part(&user).unwrap(), damage).unwrap();
        let answer = user.layers(&hub.endpoint("std"), OPEN_CLIP);
        assert_eq!(answer.code, Some(0), "{name}: {}", answer.stderr);
        user.assert_whole(&hub, OPEN_CLIP);
    }
}

#[test]
fn what_is_there_wholly_is_not_fetched_again() {
    let (hub, user) = (hub(), User::new());
    let mut child = run_to_half(&user, &hub);
    child.kill().unwrap();
    child.wait().unwrap();
    fs::write(part(&user).unwrap(), hub.file(OPEN_CLIP, WEIGHTS)).unwrap();
    user.loads(&hub.endpoint("std"), OPEN_CLIP);
    let is_stored = hub
        .asked("std")
        .iter()
        .any(|asked| asked.role == Role::Storage);
    assert!(!is_stored);
}

#[test]
fn what_is_there_of_a_file_whose_size_is_not_told_is_used_if_it_is_right() {
    for (name, more, is_asked) in [("whole", &b""[..], false), ("too long", b"more", true)] {
        let (hub, user) = (hub(), User::new());
        let mut child = run_to_half(&user, &hub);
        child.kill().unwrap();
        child.wait().unwrap();
        let there = [hub.file(OPEN_CLIP, WEIGHTS), more].concat();
        fs::write(part(&user).unwrap(), there).unwrap();
        let answer = user.layers(&hub.endpoint("nosize"), OPEN_CLIP);
        assert_eq!(answer.code, Some(0), "{name}: {}", answer.stderr);
        user.assert_whole(&hub, OPEN_CLIP);
        let mut asked = hub.asked("nosize").into_iter();
        assert_eq!(
            asked.any(|asked| asked.role == Role::Storage),
            is_asked,
            "{name}"
        );
    }
}

#[test]
fn the_direct_answer_of_a_hub_is_gone_on_with_too() {
    let (hub, user) = (hub(), User::new());
    let mut child = run_to_half(&user, &hub);
    child.kill().unwrap();
    child.wait().unwrap();
    let half = hub.file(OPEN_CLIP, WEIGHTS).len() / 2;
    user.loads(&hub.endpoint("direct"), OPEN_CLIP);
    let asked = hub.asked("direct").into_iter();
    let ranges: Vec<_> = asked.filter_map(|asked| asked.range).collect();
    assert_eq!(ranges, [half]);
    user.assert_whole(&hub, OPEN_CLIP);
}

#[test]
fn a_signal_ends_a_download_and_leaves_what_is_there() {
    let (hub, user) = (hub(), User::new());
    let child = run_to_half(&user, &hub);
    std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    let answer = Answer::from(child.wait_with_output().unwrap());
    assert_ne!(answer.code, Some(0), "{}", answer.stderr);
    let half = hub.file(OPEN_CLIP, WEIGHTS).len() as u64 / 2;
    assert_eq!(part(&user).unwrap().metadata().unwrap().len(), half);
}
