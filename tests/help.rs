//! The help pages and tables, as users see them in a terminal of 100 columns.

mod common;

use common::success;
use tempfile::TempDir;

/// What a command prints, without trailing spaces.
fn page(arguments: &[&str]) -> String {
    let folder = TempDir::new().unwrap();
    let answer = success(folder.path(), arguments);
    assert_eq!(answer.stderr, "");
    let lines = answer.stdout.lines().map(str::trim_end);
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn percept_help() {
    insta::assert_snapshot!(page(&["--help"]));
}

#[test]
fn render_help() {
    insta::assert_snapshot!(page(&["render", "--help"]));
}

#[test]
fn atlas_help() {
    insta::assert_snapshot!(page(&["atlas", "--help"]));
}

#[test]
fn atlas_merge_help() {
    insta::assert_snapshot!(page(&["atlas", "merge", "--help"]));
}

#[test]
fn replay_help() {
    insta::assert_snapshot!(page(&["replay", "--help"]));
}

#[test]
fn encode_help() {
    insta::assert_snapshot!(page(&["encode", "--help"]));
}

#[test]
fn layers_help() {
    insta::assert_snapshot!(page(&["layers", "--help"]));
}

#[test]
fn models_help() {
    insta::assert_snapshot!(page(&["models", "--help"]));
}

#[test]
fn models_table() {
    insta::assert_snapshot!(page(&["models"]));
}

#[test]
fn layers_table_of_mini() {
    insta::assert_snapshot!(page(&["layers"]));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for command in ["render", "atlas", "replay", "encode", "layers", "models"] {
        for line in page(&[command, "--help"]).lines() {
            assert!(line.chars().count() <= 100, "{command}: {line}");
        }
    }
}
