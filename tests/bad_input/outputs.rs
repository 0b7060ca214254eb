//! Places that cannot be written to.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::common::{Answer, SHORT, command, files, fixture, refusal, refused, shell};

#[test]
fn a_path_below_a_file_is_refused_before_the_run() {
    let model = fixture("README.md");
    for out in [model.join("x.png"), model.join("a/b"), model.clone()] {
        let out = out.to_str().unwrap();
        refused(
            &["render", "1", "--out", out],
            &["README.md is a file", "--out"],
        );
        let out = format!("{out}/a.npz");
        refused(&["encode", "--text", "a", "--out", &out], &["is a file"]);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_the_run() {
    for out in ["/proc/percept/x", "/proc/percept/x.png"] {
        refused(
            &["render", "1", "--out", out],
            &["cannot write", "/proc/percept"],
        );
    }
    let folder = TempDir::new().unwrap();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    let mut permissions = fs::metadata(&closed).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&closed, permissions).unwrap();
    // The system lets root write there all the same.
    if fs::write(closed.join("probe"), "").is_ok() {
        return;
    }
    let words = ["cannot write", "closed", "ermission"];
    refused(&["render", "1", "--out", closed.to_str().unwrap()], &words);
}

#[test]
fn a_folder_in_the_place_of_a_file_is_refused() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("x.png")).unwrap();
    let command = command(folder.path(), &["render", "1", "--out", "x.png"]);
    refusal(command, folder.path(), &["cannot write x.png", "directory"]);
}

/// Files of more than a few KiB end in an error, as on a full disk.
fn on_a_full_disk(folder: &TempDir, arguments: &str) -> std::process::Command {
    let line = format!("trap '' XFSZ; ulimit -f 8; exec \"$0\" {arguments}");
    shell(folder.path(), &line)
}

#[test]
fn a_full_disk_leaves_no_half_written_file() {
    for arguments in [
        "render 1 --steps 2 --size 16 --scale 8",
        "render 1 --steps 2 --size 16 --scale 8 --out x.png --checkpoints 1",
        // The picture is small enough; its sidecar is not.
        "render 1 --steps 2 --size 16 --scale 1 --preset goh2021",
        "encode --model mini --text a --text b --text c --text d --text e --text f --text g \
         --text h --text i --text j --text k --text l --text m --text n --text o --text p \
         --text q --out x.npz",
    ] {
        let folder = TempDir::new().unwrap();
        let command = on_a_full_disk(&folder, arguments);
        refusal(command, folder.path(), &["cannot write", "File too large"]);
    }
}

#[test]
fn a_full_disk_leaves_what_was_there_before() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("x.png"), "old").unwrap();
    let arguments = "render 1 --steps 2 --size 16 --scale 8 --out x.png";
    let answer: Answer = on_a_full_disk(&folder, arguments).output().unwrap().into();
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    assert_eq!(fs::read(folder.path().join("x.png")).unwrap(), b"old");
    assert_eq!(files(folder.path()), [PathBuf::from("x.png")]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for command in ["models", "models --json", "layers", "layers --json"] {
        let folder = TempDir::new().unwrap();
        let line = format!("{{ sleep 0.1; \"$0\" {command}; echo $? >code; }} | true");
        let answer: Answer = shell(folder.path(), &line).output().unwrap().into();
        assert_eq!(answer.stderr, "", "{command}");
        let code = fs::read_to_string(folder.path().join("code")).unwrap();
        assert_eq!(code, "0\n", "{command}");
    }
}

#[test]
fn a_standard_output_that_is_full_is_an_error_and_the_pictures_stay() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let line = format!("\"$0\" render 1 {} --out x.png >/dev/full", SHORT.join(" "));
    let answer: Answer = shell(folder.path(), &line).output().unwrap().into();
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    assert!(
        answer.stderr.contains("standard output"),
        "{}",
        answer.stderr
    );
    assert_eq!(files(folder.path()).len(), 2);
}
