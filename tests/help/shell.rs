//! Completions as shells take them, and man pages as troff does.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::common::{files, percept, success};
use crate::needs::Need;

/// A completion script, put into a file.
fn script(folder: &Path, shell: &str) -> std::path::PathBuf {
    let path = folder.join(shell);
    let printed = success(folder, &["completions", shell]).stdout;
    assert!(
        printed.contains("percept") && printed.contains("addresses"),
        "{shell}"
    );
    fs::write(&path, printed).unwrap();
    path
}

#[test]
fn shells_accept_their_scripts() {
    let folder = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let path = script(folder.path(), shell);
        if Need::Shell(shell).is_met() {
            let read = Command::new(shell).arg("-n").arg(&path).output().unwrap();
            assert!(
                read.status.success(),
                "{}",
                String::from_utf8_lossy(&read.stderr)
            );
        }
    }
    for shell in ["powershell", "elvish"] {
        script(folder.path(), shell);
    }
}

#[test]
fn bash_completes_commands_and_options() {
    if !Need::Shell("bash").is_met() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = script(folder.path(), "bash");
    for (words, expected) in [
        (&["percept", "f"][..], &["find"][..]),
        (&["percept", "find", "--add"], &["--addresses"]),
        (&["percept", "atlas", "cluster", "k"], &["kubernetes"]),
        (&["percept", "completions", "z"], &["zsh"]),
    ] {
        // What bash does when somebody presses the tabulator after these words.
        let line = "source \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                    complete -p percept > /dev/null || exit; \
                    _percept percept \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"; \
                    printf '%s\\n' \"${COMPREPLY[@]}\"";
        let answer = Command::new("bash")
            .args(["--norc", "-c", line, "bash"])
            .arg(&path)
            .args(words)
            .output()
            .unwrap();
        let said = String::from_utf8(answer.stdout).unwrap();
        let replies: Vec<&str> = said.lines().collect();
        assert_eq!(
            replies,
            expected,
            "{}",
            String::from_utf8_lossy(&answer.stderr)
        );
    }
}

#[test]
fn a_man_page_is_written_for_every_command() {
    let folder = TempDir::new().unwrap();
    success(folder.path(), &["man", "share/man1"]);
    let pages = files(&folder.path().join("share/man1"));
    let names: Vec<String> = pages
        .iter()
        .map(|page| page.display().to_string())
        .collect();
    for name in [
        "percept.1",
        "percept-find.1",
        "percept-atlas-merge.1",
        "percept-atlas-cluster-slurm.1",
    ] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    assert!(names.iter().all(|name| !name.contains("help")), "{names:?}");
    let read =
        |name: &str| fs::read_to_string(folder.path().join("share/man1").join(name)).unwrap();
    assert!(read("percept-render.1").contains(".SH \"UNITS AND OBJECTIVES\""));
    if !Need::Groff.is_met() {
        return;
    }
    for name in &names {
        let mut groff = Command::new("groff")
            .args(["-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=100n"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        groff
            .stdin
            .take()
            .unwrap()
            .write_all(read(name).as_bytes())
            .unwrap();
        let set = groff.wait_with_output().unwrap();
        let warned = String::from_utf8_lossy(&set.stderr);
        assert!(
            set.status.success() && warned.is_empty(),
            "{name}: {warned}"
        );
        let text = String::from_utf8(set.stdout).unwrap();
        assert!(text.contains("SYNOPSIS"), "{name}: {text}");
        if name == "percept-find.1" {
            assert!(
                text.contains("EXAMPLES\n       percept find truck\n"),
                "{text}"
            );
        }
    }
}

#[test]
fn man_pages_are_replaced_and_files_of_others_are_not() {
    let folder = TempDir::new().unwrap();
    success(folder.path(), &["man", "pages"]);
    success(folder.path(), &["man", "pages"]);
    let pages = folder.path().join("pages");
    let written = files(&pages);
    // A page of somebody else's, and a link that leads out of the folder.
    fs::write(pages.join("percept-find.1"), ".TH own 1\n").unwrap();
    fs::remove_file(pages.join("percept.1")).unwrap();
    let refused = |name: &str| {
        let answer = percept(folder.path(), &["man", "pages"]);
        assert_eq!(answer.code, Some(1));
        for word in [name, "not by percept", "another folder"] {
            assert!(answer.stderr.contains(word), "{}", answer.stderr);
        }
        assert!(!pages.join("percept.1").exists());
    };
    refused("percept-find.1");
    assert_eq!(
        fs::read_to_string(pages.join("percept-find.1")).unwrap(),
        ".TH own 1\n"
    );
    fs::remove_file(pages.join("percept-find.1")).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(pages.join("percept-render.1"), &elsewhere).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&elsewhere, pages.join("percept-render.1")).unwrap();
        refused("percept-render.1");
        fs::remove_file(pages.join("percept-render.1")).unwrap();
    }
    success(folder.path(), &["man", "pages"]);
    assert_eq!(files(&pages), written);
    fs::write(folder.path().join("file"), "").unwrap();
    let answer = percept(folder.path(), &["man", "file"]);
    assert_eq!(answer.code, Some(1));
    assert!(
        answer.stderr.contains("file is no folder"),
        "{}",
        answer.stderr
    );
}
