//! Several processes want the same file: one fetches it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::emulator::Role;
use super::{OPEN_CLIP, User, hub, names};

const LAYERS: [&str; 3] = ["layers", "--model", OPEN_CLIP];

#[test]
fn two_processes_fetch_a_file_once() {
    let (hub, user) = (hub(), User::new());
    let start = || {
        user.percept(&hub.endpoint("slow"), &LAYERS)
            .spawn()
            .unwrap()
    };
    for child in [start(), start(), start()] {
        let answer = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.status.success(), "{stderr}");
    }
    user.assert_whole(&hub, OPEN_CLIP);
    let asked = hub.asked("slow").into_iter();
    assert_eq!(asked.filter(|asked| asked.role == Role::Storage).count(), 1);
}

#[test]
fn who_waits_for_another_process_says_so_and_goes_on_after_it() {
    let (hub, user) = (hub(), User::new());
    user.loads(&hub.endpoint("std"), OPEN_CLIP);
    let cached = user.cached(OPEN_CLIP, "open_clip_model.safetensors");
    let blob = fs::canonicalize(&cached).unwrap();
    fs::remove_file(&cached).unwrap();
    fs::remove_file(&blob).unwrap();
    // As Python's filelock does it.
    let etag = blob.file_name().unwrap().to_str().unwrap();
    let cache = user.repository(OPEN_CLIP);
    let locks = cache.parent().unwrap().join(".locks/models--owner--clip");
    let lock = File::create(locks.join(format!("{etag}.lock"))).unwrap();
    lock.lock().unwrap();

    let mut child = user.percept(&hub.endpoint("gz"), &LAYERS).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let says =
        "another process is fetching open_clip_model.safetensors of owner/clip: waiting for it";
    assert_eq!(line, says);
    thread::sleep(Duration::from_millis(100));
    assert!(child.try_wait().unwrap().is_none());
    lock.unlock().unwrap();
    assert!(child.wait().unwrap().success());
    user.assert_whole(&hub, OPEN_CLIP);
}

/// A library that answers for the system when a lock is asked for.
#[cfg(target_os = "linux")]
fn locks_that(user: &User, answer: &str) -> PathBuf {
    let (source, library) = (
        user.home.path().join("flock.c"),
        user.home.path().join("flock.so"),
    );
    let text = format!("#include <errno.h>\nint flock(int file, int how) {{ {answer} }}\n");
    fs::write(&source, text).unwrap();
    let mut compile = Command::new("cc");
    compile
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source]);
    assert!(compile.status().unwrap().success());
    library
}

#[cfg(target_os = "linux")]
#[test]
fn without_locks_each_process_fetches_a_file_for_itself() {
    for answer in ["errno = ENOSYS; return -1;", "return 0;"] {
        let (hub, user) = (hub(), User::new());
        let library = locks_that(&user, answer);
        let start = |mode: &str| {
            let mut command = user.percept(&hub.endpoint(mode), &LAYERS);
            command.env("LD_PRELOAD", &library).spawn().unwrap()
        };
        for child in [start("slow"), start("slow"), start("norange")] {
            let answer = child.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&answer.stderr);
            assert!(answer.status.success(), "{stderr}");
        }
        user.assert_whole(&hub, OPEN_CLIP);
    }
}

/// What a process leaves that was stopped, the next goes on with.
#[cfg(target_os = "linux")]
#[test]
fn without_locks_a_download_goes_on_too() {
    let (hub, user) = (hub(), User::new());
    let library = locks_that(&user, "errno = ENOLCK; return -1;");
    let run = |mode: &str| {
        let mut command = user.percept(&hub.endpoint(mode), &LAYERS);
        command
            .env("LD_PRELOAD", &library)
            .env("HF_HUB_DOWNLOAD_TIMEOUT", "1");
        command.output().unwrap()
    };
    assert!(!run("stall").status.success());
    let name = "open_clip_model.safetensors";
    let blobs = user.repository(OPEN_CLIP).join("blobs");
    let parts = names(&blobs)
        .into_iter()
        .filter(|name| name.ends_with(".incomplete"));
    assert_eq!(parts.count(), 1);
    assert!(run("std").status.success());
    user.assert_whole(&hub, OPEN_CLIP);
    let asked = hub.asked("std").into_iter();
    let ranges: Vec<_> = asked.filter_map(|asked| asked.range).collect();
    assert!(
        ranges
            .iter()
            .all(|&from| from >= hub.file(OPEN_CLIP, name).len() / 2),
        "{ranges:?}"
    );
    assert_eq!(ranges.len(), 1);
}
