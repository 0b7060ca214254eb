//! Signals to a run, and readers that go away.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::atlas::{SMALL, assert_same, atlas, begin, pictures};
use crate::common::{Answer, command, files, shell};
use crate::networks::{self, RN50};

/// What nothing here takes, however busy the machine is.
const LONG: Duration = Duration::from_secs(300);

/// The numbers of signals, as in a mask of `/proc/PID/status`.
const HUP: u32 = 1;
const INT: u32 = 2;
const TERM: u32 = 15;

/// Whether a process does with a signal what a line of `/proc/PID/status` says: `SigCgt`, `SigIgn`.
fn does(process: u32, what: &str, signal: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix(what));
    let mask = mask.and_then(|line| line.strip_prefix(':'));
    mask.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal - 1) & 1 == 1)
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "{what} has not happened");
        thread::sleep(Duration::from_millis(2));
    }
}

fn send(signal: u32, process: u32) {
    let kill = Command::new("kill")
        .args([format!("-{signal}"), process.to_string()])
        .status();
    assert!(kill.unwrap().success());
}

/// Waits for the end of a process that nobody reads from; kills it after too long.
fn end(run: &mut Child) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < LONG {
        if let Some(status) = run.try_wait().unwrap() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    None
}

#[test]
#[cfg(target_os = "linux")]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let undisturbed = TempDir::new().unwrap();
    begin(undisturbed.path(), "0..24", &[]);
    for (name, ignored, heard) in [
        ("HUP", HUP, [INT, TERM]),
        ("INT", INT, [HUP, TERM]),
        ("TERM", TERM, [HUP, INT]),
    ] {
        let folder = TempDir::new().unwrap();
        let small = SMALL.join(" ");
        let line = format!("trap '' {name}; exec \"$0\" atlas --out atlas --units 0..24 {small}");
        let run = shell(folder.path(), &line).spawn().unwrap();
        until("the first picture", || {
            !pictures(&folder.path().join("atlas")).is_empty()
        });
        assert!(does(run.id(), "SigIgn", ignored) && !does(run.id(), "SigCgt", ignored));
        assert!(heard.iter().all(|&signal| does(run.id(), "SigCgt", signal)));
        send(ignored, run.id());
        let answer = Answer::from(run.wait_with_output().unwrap());
        assert_eq!(answer.code, Some(0), "{name}: {}", answer.stderr);
        let atlas = |folder: &TempDir| folder.path().join("atlas");
        assert_same(&atlas(&folder), &atlas(&undisturbed));
    }
}

/// Loads all cores as long as it lives.
struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_heavy_batch_on_busy_cores_stops_in_seconds() {
    let folder = TempDir::new().unwrap();
    networks::save(RN50, &folder.path().join("rn50.safetensors"));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _busy = Busy(&is_over);
        let cores = thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..2 * cores {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        for what in [
            &["atlas", "--units", "0..32"][..],
            &["render", "layer4.2.sum:0..16"],
        ] {
            let out = folder.path().join(what[0]);
            let fixed = [
                "--model",
                "rn50.safetensors",
                "--steps",
                "4096",
                "--batch",
                "16",
            ];
            let out_option = ["--out", what[0]];
            let arguments = [what, &fixed[..], &out_option[..]].concat();
            let mut command = command(folder.path(), &arguments);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut run = command.spawn().unwrap();
            until("listening", || does(run.id(), "SigCgt", TERM));
            // Somewhere in the first batch.
            thread::sleep(Duration::from_secs(8));
            let asked = Instant::now();
            send(TERM, run.id());
            let status = end(&mut run).expect("it stops");
            let took = asked.elapsed();
            println!("{} stopped after {took:.2?}", what[0]);
            assert_eq!(status.code(), Some(143));
            // Five, with room for a machine on which others are at work too.
            assert!(took < Duration::from_secs(15), "{took:?}");
            let whole = |path: &Path| match path.extension() {
                Some(ending) if ending == "png" => image::open(out.join(path)).is_ok(),
                _ => true,
            };
            assert!(files(&out).iter().all(|path| whole(path)));
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_that_cannot_stop_by_itself_is_ended() {
    let folder = TempDir::new().unwrap();
    let arguments = [
        "render", "0..400", "--size", "16", "--steps", "1", "--scale", "1", "--json",
    ];
    // Nobody reads what it prints: it waits for that when the pipe is full.
    let mut run = command(folder.path(), &arguments).spawn().unwrap();
    let (mut count, mut since) = (0, Instant::now());
    until("waiting", || {
        let out = folder.path().join("outputs");
        let now = fs::read_dir(out).map_or(0, |files| files.count());
        if now != count {
            (count, since) = (now, Instant::now());
        }
        count > 0 && since.elapsed() > Duration::from_secs(3)
    });
    assert!(run.try_wait().unwrap().is_none());
    send(TERM, run.id());
    let status = end(&mut run).expect("it does not wait for its reader");
    assert_eq!(status.code(), Some(143));
}

#[test]
#[cfg(unix)]
fn a_reader_that_goes_away_does_not_end_a_run() {
    let expected = TempDir::new().unwrap();
    begin(expected.path(), "0..24", &[]);
    let small = SMALL.join(" ");
    let atlas = format!("\"$0\" atlas --out atlas --units 0..24 {small}");
    for line in [
        format!("{{ {atlas}; echo $? > code; }} 2>&1 | head -1"),
        format!("{{ {atlas}; echo $? > code; }} 2>&1 | true"),
        format!("{atlas} >&- 2>&-; echo $? > code"),
        format!("{atlas} 2>/dev/full; echo $? > code"),
    ] {
        let folder = TempDir::new().unwrap();
        shell(folder.path(), &line).output().unwrap();
        let code = fs::read_to_string(folder.path().join("code")).unwrap();
        assert_eq!(code.trim(), "0", "{line}");
        let atlas = |folder: &TempDir| folder.path().join("atlas");
        assert_same(&atlas(&folder), &atlas(&expected));
    }
}

#[test]
#[cfg(unix)]
fn a_command_that_fails_says_so_to_nobody_without_a_panic() {
    let folder = TempDir::new().unwrap();
    let line = "{ \"$0\" render nowhere:3; echo $? > code; } 2>&1 | true";
    shell(folder.path(), line).output().unwrap();
    let code = fs::read_to_string(folder.path().join("code")).unwrap();
    assert_eq!(code.trim(), "1");
}

#[test]
#[cfg(target_os = "linux")]
fn a_second_ctrl_c_ends_at_once_and_going_on_ends_with_the_same_bytes() {
    let expected = TempDir::new().unwrap();
    begin(expected.path(), "0..24", &[]);
    let folder = TempDir::new().unwrap();
    let arguments = [&["atlas", "--out", "atlas", "--units", "0..24"], &SMALL[..]].concat();
    let run = command(folder.path(), &arguments).spawn().unwrap();
    until("the first picture", || {
        !pictures(&folder.path().join("atlas")).is_empty()
    });
    send(INT, run.id());
    thread::sleep(Duration::from_millis(1));
    // It may have ended by now.
    let _ = Command::new("kill")
        .args(["-INT", &run.id().to_string()])
        .output();
    let answer = Answer::from(run.wait_with_output().unwrap());
    assert_eq!(answer.code, Some(130), "{}", answer.stderr);
    atlas(folder.path(), &[]);
    let atlas = |folder: &TempDir| folder.path().join("atlas");
    assert_same(&atlas(&folder), &atlas(&expected));
}
