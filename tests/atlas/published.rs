//! What a finished atlas tells of its units, read back from its files.

use std::fs;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Row, RowAccessor};
use serde_json::Value;
use tempfile::TempDir;

use crate::atlas::{atlas, begin};
use crate::common::{percept, success};

fn rows(atlas: &Path) -> Vec<Row> {
    let file = fs::File::open(atlas.join("units.parquet")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|row| row.unwrap()).collect()
}

fn column(row: &Row, name: &str) -> usize {
    row.get_column_iter()
        .position(|(column, _)| column == name)
        .unwrap()
}

#[test]
fn a_finished_atlas_holds_what_its_pictures_and_the_model_tell() {
    let folder = TempDir::new().unwrap();
    let units = "106,107,109,111,112,114,116..120,122..125,127,129,130,134,135,137,138";
    begin(folder.path(), units, &["--negative"]);
    let path = folder.path().join("atlas");
    let manifest: Value =
        serde_json::from_slice(&fs::read(path.join("manifest.json")).unwrap()).unwrap();
    let counts = &manifest["counts"];
    assert_eq!(counts["units"], 20);
    assert_eq!(counts["pictures"]["positive"], 20);
    assert_eq!(counts["pictures"]["negative"], 20);
    for what in ["statistics", "near_weights", "near_responses"] {
        assert_eq!(counts[format!("with_{what}")], 20, "{what}");
    }
    assert_eq!(counts["with_answers"], 19, "the ReLU of 119 never opens");
    assert_eq!(manifest["taps"][0]["units"], 768);
    assert_eq!(manifest["recipe"]["steps"], 3);

    let rows = rows(&path);
    assert_eq!(rows.len(), 20);
    let row = &rows[7];
    assert_eq!(row.get_long(column(row, "unit")).unwrap(), 117);
    let picture = row.get_string(column(row, "picture")).unwrap();
    assert_eq!(picture, "pictures/layer4.0.sum/117-v0.png");
    let sidecar = path.join(picture).with_extension("json");
    let sidecar: Value = serde_json::from_slice(&fs::read(sidecar).unwrap()).unwrap();
    let number = |name| row.get_double(column(row, name)).unwrap();
    assert_eq!(number("clean"), sidecar["quality"]["clean"]);
    assert_eq!(number("z"), sidecar["quality"]["selectivity"]["z"]);
    let words = row.get_list(column(row, "words")).unwrap();
    let first = &sidecar["unit"]["answers"]["words"][0];
    assert_eq!(words.elements()[0].to_string(), first.to_string());
    assert!(path.join("index.html").is_file());
    success(
        folder.path(),
        &["replay", &format!("atlas/{picture}"), "--out", "again.png"],
    );
    let again = fs::read(folder.path().join("again.png")).unwrap();
    assert!(again == fs::read(path.join(picture)).unwrap());
}

/// Unit 3's ReLU never opens; the picture of what silences a unit claims no words, and its row keeps them.
#[test]
fn a_unit_that_never_opens_is_told_apart() {
    let folder = TempDir::new().unwrap();
    let units = ["--units", "layer4.0:3,117", "--negative"];
    let fixed = ["--size", "64", "--steps", "40", "--scale", "1"];
    let all = [&["atlas", "--out", "atlas"], &units[..], &fixed].concat();
    // Nothing makes a closed unit smaller: its negative has no gradient.
    let answer = percept(folder.path(), &all);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    assert!(answer.stderr.contains("3-neg-v0"), "{}", answer.stderr);
    let path = folder.path().join("atlas");
    let rows = rows(&path);
    let [closed, open] = rows.as_slice() else {
        panic!("{} rows", rows.len())
    };
    let opened = |row: &Row| row.get_bool(column(row, "opened")).unwrap();
    assert_eq!((opened(closed), opened(open)), (false, true));
    let number = |row: &Row, name| row.get_double(column(row, name)).ok();
    for name in ["robust_ratio", "z", "negative_activation"] {
        assert_eq!(number(closed, name), None, "{name}");
    }
    assert_eq!(closed.get_long(column(closed, "rank")).ok(), None);
    assert_eq!(number(closed, "activation"), Some(0.0));
    assert_eq!(number(open, "activation"), number(open, "clean"));
    assert!(number(open, "robust_ratio").is_some());
    let words = |row: &Row| row.get_list(column(row, "words")).unwrap().len();
    assert_eq!((words(closed), words(open)), (0, 5));
    let manifest: Value =
        serde_json::from_slice(&fs::read(path.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["counts"]["never_opened"], 1);
    let index = fs::read_to_string(path.join("site/data.js")).unwrap();
    assert!(index.contains("\"unopened\":[0]"), "{index}");
}

/// What is below zero is no share of anything, and must not head the order by robustness.
#[test]
fn a_unit_below_zero_has_no_robust_ratio() {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "119", &["--negative"]);
    let path = folder.path().join("atlas");
    let row = &rows(&path)[0];
    let number = |name| row.get_double(column(row, name)).ok();
    assert!(number("activation").unwrap() < 0.0);
    assert!(number("z").is_some());
    assert_eq!(number("robust_ratio"), None);
    assert!(!row.get_bool(column(row, "opened")).unwrap());
    assert!(number("negative_robust_ratio").is_some());
    assert!(number("negative_activation").unwrap() < 0.0);
}

#[test]
fn notes_are_read_whenever_an_atlas_is_gone_on_with() {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), "0..2", &[]);
    let path = folder.path().join("atlas");
    let notes = "[\"layer4.0.sum\"]\n1 = \"about something\"\n";
    fs::write(path.join("flags.toml"), notes).unwrap();
    atlas(folder.path(), &[]);
    let flags: Vec<_> = rows(&path)
        .iter()
        .map(|row| row.get_string(column(row, "flag")).ok().cloned())
        .collect();
    assert_eq!(flags, [None, Some("about something".to_owned())]);
    assert_eq!(fs::read_to_string(path.join("flags.toml")).unwrap(), notes);
}
