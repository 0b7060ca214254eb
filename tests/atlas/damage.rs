//! Files that are torn, removed, changed, or cannot be written.

use std::fs;
use std::io::Write;
use std::path::Path;

use tempfile::TempDir;

use crate::atlas::{assert_same, atlas, begin, journal, refused};
use crate::common::{Answer, percept, shell};
use crate::needs::Need;

/// An atlas, and a copy of it to be damaged.
struct Pair {
    folder: TempDir,
    expected: TempDir,
}

impl Pair {
    fn new() -> Self {
        let (folder, expected) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        for folder in [&folder, &expected] {
            begin(folder.path(), "0..6", &[]);
        }
        Self { folder, expected }
    }

    /// Goes on, and expects so many pictures to be rendered and the first bytes to be back.
    #[track_caller]
    fn mends(&self, rendered: usize) {
        let answer = atlas(self.folder.path(), &["--json"]);
        let answer: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(answer["rendered"], rendered, "{answer}");
        assert_eq!(answer["done"], 6, "{answer}");
        let atlas = |folder: &TempDir| folder.path().join("atlas");
        assert_same(&atlas(&self.folder), &atlas(&self.expected));
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("atlas").join(name)
    }

    fn change(&self, name: &str, change: impl Fn(&mut Vec<u8>)) {
        let path = self.path(name);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }
}

const JOURNAL: &str = "journal/0-of-1.jsonl";

#[test]
fn what_is_removed_or_changed_is_rendered_again() {
    let pair = Pair::new();
    pair.mends(0);
    fs::remove_file(pair.path("pictures/layer4.0.sum/3-v0.png")).unwrap();
    pair.mends(1);
    fs::remove_file(pair.path("pictures/layer4.0.sum/1-v0.json")).unwrap();
    pair.change("pictures/layer4.0.sum/2-v0.png", |bytes| bytes[100] ^= 1);
    pair.change("responses/layer4.0.sum/4-v0.npy", |bytes| bytes.truncate(9));
    pair.mends(3);
    fs::remove_dir_all(pair.path("responses")).unwrap();
    fs::remove_dir_all(pair.path("pictures")).unwrap();
    pair.mends(6);
    fs::remove_dir_all(pair.path("journal")).unwrap();
    pair.mends(6);
}

#[test]
fn a_torn_last_line_costs_one_picture_at_most() {
    let pair = Pair::new();
    let whole = fs::read(pair.path(JOURNAL)).unwrap();
    let last = whole[..whole.len() - 1]
        .iter()
        .rposition(|&byte| byte == b'\n');
    let last = last.unwrap() + 1;
    for cut in [last, last + 1, last + 40, whole.len() - 2, whole.len() - 1] {
        fs::write(pair.path(JOURNAL), &whole[..cut]).unwrap();
        pair.mends(1);
        assert_eq!(journal(&pair.path(""), "done").len(), 6, "cut at {cut}");
    }
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(pair.path(JOURNAL))
        .unwrap();
    file.write_all(&[0; 300]).unwrap();
    pair.mends(0);
    let text = fs::read(pair.path(JOURNAL)).unwrap();
    assert!(!text.contains(&0), "zeros stay in the journal");
}

#[test]
fn a_line_that_was_changed_does_not_count() {
    let pair = Pair::new();
    pair.change(JOURNAL, |bytes| {
        let place = bytes
            .windows(7)
            .position(|text| text == b"picture")
            .unwrap();
        bytes[place + 12] ^= 1;
    });
    pair.mends(1);
}

#[test]
fn a_plan_that_was_changed_is_refused() {
    let pair = Pair::new();
    pair.change("plan.json", |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace("\"seed\": 0", "\"seed\": 1").into_bytes();
    });
    refused(pair.folder.path(), &[], &["plan.json", "was changed"]);
    pair.change("plan.json", |bytes| bytes.truncate(70));
    refused(pair.folder.path(), &[], &["plan.json", "not a plan"]);
    fs::remove_file(pair.path("plan.json")).unwrap();
    refused(
        pair.folder.path(),
        &[],
        &["atlas/plan.json is missing", "--units"],
    );
    // With the same plan its journal is worth something again, with another it is not.
    let other = ["--units", "0..7", "--size", "16"];
    refused(pair.folder.path(), &other, &["journal of another plan"]);
}

/// Files of more than `kibibytes` end in an error, as on a full disk.
fn on_a_full_disk(folder: &Path, kibibytes: usize, arguments: &str) -> Answer {
    let line =
        format!("trap '' XFSZ; ulimit -f {kibibytes}; exec \"$0\" atlas --out atlas {arguments}");
    shell(folder, &line).output().unwrap().into()
}

#[test]
#[cfg(unix)]
fn a_full_disk_stops_the_run_and_the_rest_follows_when_there_is_room() {
    let expected = TempDir::new().unwrap();
    let arguments = "--units 0..6 --size 16 --steps 3 --scale 8 --batch 2";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    atlas(expected.path(), &arguments);
    // No room for a picture, for a journal of more than two lines, for the plan.
    for kibibytes in [8, 1] {
        let folder = TempDir::new().unwrap();
        let answer = on_a_full_disk(folder.path(), kibibytes, &arguments.join(" "));
        assert_eq!(answer.code, Some(1), "{}", answer.stderr);
        let words = ["cannot write", "File too large"];
        assert!(
            words.iter().all(|word| answer.stderr.contains(word)),
            "{}",
            answer.stderr
        );
        assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
        atlas(folder.path(), &arguments);
        assert_same(&folder.path().join("atlas"), &expected.path().join("atlas"));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_fills_up_while_the_run_is_on_keeps_what_is_done() {
    if !Need::Mounts.is_met() {
        return;
    }
    let folder = TempDir::new().unwrap();
    // A file system of 96 KiB of its own, where the system lets us have one.
    let line = "mkdir atlas && mount -t tmpfs -o size=96k none atlas && \
         \"$0\" atlas --out atlas --units 0..6 --size 32 --steps 3 --scale 4 --batch 2; echo $?; \
         ls atlas/pictures/layer4.0.sum | wc -l; \
         mount -o remount,size=9m atlas && \"$0\" atlas --out atlas && cp -r atlas kept";
    let mut command = std::process::Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c", line])
        .arg(env!("CARGO_BIN_EXE_percept"))
        .current_dir(folder.path());
    let answer = Answer::from(command.output().unwrap());
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(lines[0], "1", "{}", answer.stderr);
    assert!(
        answer.stderr.contains("No space left on device"),
        "{}",
        answer.stderr
    );
    assert!(
        answer
            .stderr
            .contains("`percept atlas --out atlas` goes on")
    );
    let done: usize = lines[1].trim().parse().unwrap();
    assert!((2..12).contains(&done), "{done} files are there");
    let expected = TempDir::new().unwrap();
    let arguments = [
        "--units", "0..6", "--size", "32", "--steps", "3", "--scale", "4",
    ];
    atlas(expected.path(), &arguments);
    assert_same(&folder.path().join("kept"), &expected.path().join("atlas"));
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_the_run() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "x").unwrap();
    for (out, word) in [
        ("/proc/percept", "/proc/percept"),
        ("file/atlas", "file is a file"),
    ] {
        let answer = percept(folder.path(), &["atlas", "--units", "0..2", "--out", out]);
        assert_eq!(answer.code, Some(1), "{}", answer.stderr);
        assert!(answer.stderr.contains("cannot"), "{}", answer.stderr);
        assert!(answer.stderr.contains(word), "{}", answer.stderr);
    }
    fs::create_dir(folder.path().join("atlas")).unwrap();
    fs::write(folder.path().join("atlas/journal"), "x").unwrap();
    refused(
        folder.path(),
        &["--units", "0..2"],
        &["atlas holds journal, but no atlas"],
    );
    fs::remove_dir_all(folder.path().join("atlas")).unwrap();
    begin(folder.path(), "0..2", &[]);
    fs::remove_dir_all(folder.path().join("atlas/pictures")).unwrap();
    fs::write(folder.path().join("atlas/pictures"), "x").unwrap();
    refused(folder.path(), &[], &["pictures is a file"]);
}
