//! Atlases: however a run ends, going on ends with the bytes of an undisturbed one.

mod cluster;
mod containerfile;
mod damage;
mod extend;
mod foreign;
mod lost;
mod plan;
mod published;
mod resume;
mod shards;
mod signals;
mod together;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Answer, files, percept, success};

/// What the units of a small atlas are rendered with.
const SMALL: [&str; 8] = [
    "--size", "16", "--steps", "3", "--scale", "1", "--batch", "4",
];

/// Begins or goes on with the atlas `atlas` in `folder`.
#[track_caller]
fn atlas(folder: &Path, arguments: &[&str]) -> Answer {
    success(folder, &[&["atlas", "--out", "atlas"], arguments].concat())
}

/// As [`atlas`], of these units of the default tap.
#[track_caller]
fn begin(folder: &Path, units: &str, arguments: &[&str]) -> Answer {
    atlas(
        folder,
        &[&["--units", units], &SMALL[..], arguments].concat(),
    )
}

/// Tries to go on with what percept must refuse, and returns what it said.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str], words: &[&str]) -> String {
    let answer = percept(folder, &[&["atlas", "--out", "atlas"], arguments].concat());
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    assert_eq!(answer.stdout, "", "{}", answer.stderr);
    for word in words {
        assert!(
            answer.stderr.contains(word),
            "{word:?} is not in {:?}",
            answer.stderr
        );
    }
    answer.stderr
}

/// Everything that an atlas holds but its journals, which say when what was done.
fn contents(atlas: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let lasting = files(atlas).into_iter();
    let lasting = lasting.filter(|path| !path.starts_with("journal"));
    lasting
        .map(|path| (path.clone(), fs::read(atlas.join(path)).unwrap()))
        .collect()
}

/// Two atlases with the same files and the same bytes, and nothing left behind.
#[track_caller]
fn assert_same(found: &Path, expected: &Path) {
    let (found_files, expected_files) = (contents(found), contents(expected));
    let names =
        |contents: &BTreeMap<PathBuf, Vec<u8>>| contents.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found_files), names(&expected_files));
    for (name, bytes) in found_files {
        assert!(bytes == expected_files[&name], "{} differs", name.display());
    }
    for journal in files(&found.join("journal")) {
        assert_eq!(
            journal.extension().unwrap(),
            "jsonl",
            "{}",
            journal.display()
        );
    }
}

/// The names of the pictures, such as `layer4.0.sum/3-v0.png`.
fn pictures(atlas: &Path) -> Vec<String> {
    let folder = atlas.join("pictures");
    if !folder.exists() {
        return Vec::new();
    }
    let pngs = files(&folder).into_iter();
    let pngs = pngs.filter(|path| path.extension().is_some_and(|ending| ending == "png"));
    pngs.map(|path| path.display().to_string()).collect()
}

/// The journal's lines of the kind `event`.
fn journal(atlas: &Path, event: &str) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(atlas.join("journal/0-of-1.jsonl")).unwrap();
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|line: &serde_json::Value| line["event"] == event)
        .collect()
}
