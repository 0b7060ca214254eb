//! The program, run as a user runs it: in an empty folder, without a network.

#![allow(
    dead_code,
    reason = "every test program compiles this file and uses a part of it"
)]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// A run short enough for a test: a small canvas, few steps, no enlargement.
pub const SHORT: [&str; 6] = ["--size", "32", "--steps", "6", "--scale", "1"];

/// What a run said.
pub struct Answer {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The program that was built with these tests. Another build in the same folder without the feature `cuda`
/// puts its own in that place, so tests of the feature take a link of theirs as soon as they begin.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let built = PathBuf::from(env!("CARGO_BIN_EXE_percept"));
        if cfg!(not(feature = "cuda")) {
            return built;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (new, own) = (
            TempDir::new_in(folder).unwrap(),
            folder.join("percept-with-cuda"),
        );
        fs::hard_link(&built, new.path().join("percept")).unwrap();
        fs::rename(new.path().join("percept"), &own).unwrap();
        own
    })
}

/// The program, not started yet, in `folder`; help is 100 columns wide.
pub fn command<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Command {
    let mut command = heeding(program().as_os_str());
    command.args(arguments);
    settled(command, folder)
}

/// The same from a shell's line, in which `"$0"` is the program.
pub fn shell(folder: &Path, line: &str) -> Command {
    let mut command = heeding("sh".as_ref());
    command.args(["-c", line]).arg(program());
    settled(command, folder)
}

/// A program that heeds signals, also where whoever runs the tests ignores some, as `nohup` does.
fn heeding(program: &OsStr) -> Command {
    if cfg!(not(target_os = "linux")) {
        return Command::new(program);
    }
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP,INT,TERM").arg(program);
    command
}

fn settled(mut command: Command, folder: &Path) -> Command {
    command
        .current_dir(folder)
        .env("COLUMNS", "100")
        .env("HF_HUB_OFFLINE", "1")
        .env("RUST_BACKTRACE", "0")
        .env_remove("RAYON_NUM_THREADS")
        .env_remove("SLURM_ARRAY_TASK_ID")
        .env_remove("JOB_COMPLETION_INDEX")
        .env_remove("PERCEPT_SHARDS")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub fn percept<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Answer {
    command(folder, arguments).output().unwrap().into()
}

/// Runs the program and expects it to succeed.
#[track_caller]
pub fn success<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Answer {
    let answer = percept(folder, arguments);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    answer
}

/// A file of the fixtures.
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(path)
}

/// Every file below a folder, by its path from there, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(current).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// A picture and its sidecar.
pub struct Picture {
    pub folder: TempDir,
    pub path: PathBuf,
}

impl Picture {
    /// Renders `picture.png` in a folder of its own.
    #[track_caller]
    pub fn render(arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let fixed = ["render", "--quiet", "--out", "picture.png"];
        success(folder.path(), &[&fixed, arguments].concat());
        let path = folder.path().join("picture.png");
        Self { folder, path }
    }

    pub fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }

    pub fn sidecar(&self) -> serde_json::Value {
        json(&self.path.with_extension("json"))
    }
}

/// A JSON file.
#[track_caller]
pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A sidecar without what differs from run to run.
#[track_caller]
pub fn untimed(path: &Path) -> serde_json::Value {
    let mut sidecar = json(path);
    let timing = sidecar.as_object_mut().unwrap().remove("timing");
    assert!(timing.is_some(), "{} has no timing", path.display());
    sidecar
}

/// Runs the program on what it must refuse, in an empty folder, and returns what it said: one
/// line with all of `words`. Neither a panic nor a file may come of it.
#[track_caller]
pub fn refused<S: AsRef<OsStr>>(arguments: &[S], words: &[&str]) -> String {
    let folder = TempDir::new().unwrap();
    let command = command(folder.path(), arguments);
    refusal(command, folder.path(), words)
}

/// As [`refused`], for a command in a folder that has no files yet.
#[track_caller]
pub fn refusal(mut command: Command, folder: &Path, words: &[&str]) -> String {
    let answer = Answer::from(command.output().unwrap());
    let Answer {
        code,
        stdout,
        stderr,
    } = answer;
    assert!(matches!(code, Some(1 | 2)), "{code:?}: {stderr}");
    assert_eq!(stdout, "", "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in {stderr:?}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
    if code == Some(1) {
        // What is assumed of a model may be said before.
        let mut lines = stderr
            .lines()
            .filter(|line| !line.starts_with("nothing in or beside "));
        let error = lines.next().unwrap_or_default();
        assert!(error.starts_with("percept: "), "{stderr}");
        assert_eq!(lines.next(), None, "{stderr}");
    }
    assert_eq!(files(folder), Vec::<PathBuf>::new(), "{stderr}");
    stderr
}
