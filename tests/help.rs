//! The help pages and tables, as users see them in a terminal of 100 columns.

mod find;
mod shell;
mod units;

use crate::common::{command, success};
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
fn find_help() {
    insta::assert_snapshot!(page(&["find", "--help"]));
}

#[test]
fn units_help() {
    insta::assert_snapshot!(page(&["units", "--help"]));
}

#[test]
fn completions_help() {
    insta::assert_snapshot!(page(&["completions", "--help"]));
}

#[test]
fn man_help() {
    insta::assert_snapshot!(page(&["man", "--help"]));
}

#[test]
fn atlas_cluster_help() {
    insta::assert_snapshot!(page(&["atlas", "cluster", "--help"]));
}

#[test]
fn atlas_cluster_slurm_help() {
    insta::assert_snapshot!(page(&["atlas", "cluster", "slurm", "--help"]));
}

#[test]
fn atlas_cluster_kubernetes_help() {
    insta::assert_snapshot!(page(&["atlas", "cluster", "kubernetes", "--help"]));
}

#[test]
fn atlas_cluster_containerfile_help() {
    insta::assert_snapshot!(page(&["atlas", "cluster", "containerfile", "--help"]));
}

/// Every command, as it is typed.
fn commands() -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut left = vec![Vec::new()];
    while let Some(command) = left.pop() {
        let help = help_at(&command, "--help", 100);
        let mut lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        while let Some(line) = lines.next().filter(|line| line.starts_with("  ")) {
            let name = line.split_whitespace().next().unwrap();
            if name != "help" {
                left.push([&command[..], &[name.to_owned()]].concat());
            }
        }
        found.push(command);
    }
    found
}

/// A command's help in a terminal of so many columns.
fn help_at(arguments: &[String], option: &str, columns: usize) -> String {
    let folder = TempDir::new().unwrap();
    let arguments = [arguments, &[option.to_owned()]].concat();
    let mut command = command(folder.path(), &arguments);
    let answer = command
        .env("COLUMNS", columns.to_string())
        .output()
        .unwrap();
    assert!(answer.status.success(), "{arguments:?}");
    String::from_utf8(answer.stdout).unwrap()
}

#[test]
fn lines_break_where_they_should_at_any_width() {
    let commands = commands();
    assert!(commands.len() >= 14, "{commands:?}");
    for command in &commands {
        let widest = help_at(command, "--help", 100);
        let place = |help: &str| help.find("  -V, --version").unwrap();
        let examples = &widest[place(&widest)..];
        for columns in [80, 100, 120] {
            for option in ["-h", "--help"] {
                let help = help_at(command, option, columns);
                for line in help.lines() {
                    let width = line.chars().count();
                    assert!(width <= columns, "{command:?}: {line}");
                    // clap's own `[default: 8]` and ours stay in one piece.
                    let open = line.rfind('[').is_some_and(|at| !line[at..].contains(']'));
                    assert!(!open, "{command:?} at {columns}: {line}");
                }
                // What follows the options is not wrapped, and so the same at any width.
                let after = |help: &str| {
                    help[place(help)..]
                        .split_once("\n\n")
                        .map(|(_, after)| after.to_owned())
                };
                assert_eq!(after(&help), after(examples), "{command:?} at {columns}");
            }
        }
    }
}
