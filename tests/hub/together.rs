//! Several processes want the same file: one fetches it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::thread;
use std::time::Duration;

use super::emulator::Role;
use super::{OPEN_CLIP, User, hub};

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
