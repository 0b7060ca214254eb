//! Places that cannot be written to, and files that percept did not write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::common::{
    Answer, Picture, SHORT, command, files, fixture, percept, refusal, refused, shell, success,
};
use crate::needs::{Need, SHARED_MEMORY};

/// A unit, in a run that is short.
fn short<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["render", "1"], &SHORT[..], arguments].concat()
}

/// Runs what must be refused and must leave `folder` as it was; returns what it said.
#[track_caller]
fn leaves_all(folder: &Path, arguments: &[&str], words: &[&str]) -> String {
    let contents = || -> Vec<(PathBuf, Vec<u8>)> {
        let read = |name: PathBuf| (fs::read(folder.join(&name)).unwrap(), name);
        let found = files(folder).into_iter().map(read);
        found.map(|(bytes, name)| (name, bytes)).collect()
    };
    let before = contents();
    let answer = percept(folder, arguments);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    assert_eq!(answer.stdout, "", "{}", answer.stderr);
    assert_eq!(answer.stderr.lines().count(), 1, "{}", answer.stderr);
    for word in words {
        assert!(
            answer.stderr.contains(word),
            "{word:?} is not in {:?}",
            answer.stderr
        );
    }
    assert!(contents() == before, "{}", answer.stderr);
    answer.stderr
}

#[test]
fn files_that_percept_did_not_write_are_not_replaced() {
    let folder = TempDir::new().unwrap();
    let put = |name: &str| {
        fs::write(folder.path().join(name), "{\"mine\": true}").unwrap();
        vec![
            name.to_owned(),
            "did not write it".to_owned(),
            "--out another name".to_owned(),
        ]
    };
    let remove = |name: &str| fs::remove_file(folder.path().join(name)).unwrap();
    let picture = success(folder.path(), &short(&["--out", "kept.png"]));
    assert_eq!(picture.code, Some(0));
    let cases: [(&str, Vec<&str>); 8] = [
        ("x.png", short(&["--out", "x.png"])),
        ("x.json", short(&["--out", "x.png"])),
        (
            "x.step3.png",
            short(&["--out", "x.png", "--checkpoints", "3"]),
        ),
        (
            "mini-layer4.0.sum_1-32px-6steps-s0.json",
            short(&["--out", "."]),
        ),
        ("kept.replay.png", vec!["replay", "kept.png"]),
        ("y.json", vec!["replay", "kept.png", "--out", "y.png"]),
        ("x.npz", vec!["encode", "--text", "a", "--out", "x.npz"]),
        (
            "x.safetensors",
            vec!["encode", "--text", "a", "--out", "x.safetensors"],
        ),
    ];
    for (name, arguments) in cases {
        let words = put(name);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        leaves_all(folder.path(), &arguments, &words);
        remove(name);
        success(folder.path(), &arguments);
    }
}

#[test]
fn files_that_percept_wrote_are_replaced() {
    let folder = TempDir::new().unwrap();
    for seed in ["0", "1"] {
        success(
            folder.path(),
            &short(&["--out", "x.png", "--checkpoints", "3", "--seed", seed]),
        );
        success(folder.path(), &["replay", "x.png"]);
        for out in ["x.npz", "x.safetensors"] {
            success(folder.path(), &["encode", "--text", seed, "--out", out]);
        }
    }
    let arguments = ["1", "--seed", "1", "--checkpoints", "3"];
    let expected = Picture::render(&[&arguments, &SHORT[..]].concat());
    assert!(fs::read(folder.path().join("x.png")).unwrap() == expected.bytes());
}

#[test]
#[cfg(unix)]
fn links_pipes_and_devices_are_no_places_for_a_file() {
    use std::os::unix::fs::symlink;

    let folder = TempDir::new().unwrap();
    success(folder.path(), &short(&["--out", "kept.png"]));
    symlink("kept.png", folder.path().join("x.png")).unwrap();
    leaves_all(
        folder.path(),
        &short(&["--out", "x.png"]),
        &["x.png is a link", "--out"],
    );
    assert!(folder.path().join("x.png").is_symlink());
    fs::remove_file(folder.path().join("x.png")).unwrap();
    symlink("nowhere", folder.path().join("x.png")).unwrap();
    let answer = percept(folder.path(), &short(&["--out", "x.png"]));
    assert!(
        answer.stderr.contains("x.png is a link"),
        "{}",
        answer.stderr
    );
    fs::remove_file(folder.path().join("x.png")).unwrap();

    let pipes = TempDir::new().unwrap();
    for (name, arguments) in [
        ("x.png", short(&["--out", "x.png"])),
        ("x.npz", vec!["encode", "--text", "a", "--out", "x.npz"]),
    ] {
        let made = Command::new("mkfifo").arg(pipes.path().join(name)).status();
        assert!(made.unwrap().success());
        let answer = percept(pipes.path(), &arguments);
        assert_eq!(answer.code, Some(1), "{}", answer.stderr);
        let said = format!("{name} is a pipe or a device, and percept writes whole files");
        assert!(answer.stderr.contains(&said), "{}", answer.stderr);
    }
    for device in ["/dev/null", "/dev/stdout"] {
        for arguments in [
            short(&["--out", device]),
            vec!["atlas", "--units", "1", "--out", device],
        ] {
            refused(
                &arguments,
                &[device, "is a pipe or a device", "--out another place"],
            );
        }
        refused(
            &["encode", "--text", "a", "--out", device],
            &[device, ".npz nor .safetensors"],
        );
    }
}

#[test]
fn a_name_that_is_too_long_is_found_before_climbing() {
    let name = |length: usize| format!("{}.png", "x".repeat(length - 4));
    let words = ["too long", "--out a shorter one"];
    let forever = ["render", "1", "--steps", "1000000"];
    let checked = |out: &str, more: &[&str], words: &[&str]| {
        refused(&[&forever[..], &["--out", out], more].concat(), words);
    };
    checked(&name(300), &[], &words);
    // The picture's name fits, and its sidecar's or a checkpoint's does not.
    checked(&name(255), &[], &words);
    checked(&name(250), &["--checkpoints", "3"], &words);
    refused(
        &[
            "encode",
            "--text",
            "a",
            "--out",
            &format!("{}.npz", "x".repeat(300)),
        ],
        &words,
    );
    // The folder's path leaves room for a short name and not for that of a file in the making.
    let folder = TempDir::new().unwrap();
    let deep = |length: usize| {
        let mut path = folder.path().display().to_string();
        while path.len() + 1 < length {
            path.push('/');
            let part = (length - path.len()).min(200);
            path.push_str(&"d".repeat(part));
        }
        path
    };
    let out = format!("{}/x.png", deep(4085));
    if out.len() < 4096 {
        checked(&out, &[], &["too long"]);
    }
}

#[test]
fn long_names_of_models_are_shortened() {
    let folder = TempDir::new().unwrap();
    let model = format!("{}.pt", "é".repeat(120));
    fs::copy(fixture("rn/openai.pt"), folder.path().join(&model)).unwrap();
    success(folder.path(), &short(&["--model", &model]));
    let written = files(&folder.path().join("outputs"));
    assert_eq!(written.len(), 2, "{written:?}");
    assert!(
        written.iter().all(|name| name.as_os_str().len() < 200),
        "{written:?}"
    );
}

#[test]
#[cfg(unix)]
fn a_folder_may_be_a_link_to_another_file_system() {
    if !Need::SharedMemory.is_met() {
        return;
    }
    let elsewhere = TempDir::new_in(SHARED_MEMORY).unwrap();
    let folder = TempDir::new().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("out")).unwrap();
    for _ in 0..2 {
        success(
            folder.path(),
            &short(&["--out", "out", "--checkpoints", "3"]),
        );
        success(
            folder.path(),
            &["encode", "--text", "a", "--out", "out/a.npz"],
        );
    }
    assert_eq!(files(elsewhere.path()).len(), 4);
    std::os::unix::fs::symlink("nowhere", folder.path().join("lost")).unwrap();
    let answer = percept(folder.path(), &short(&["--out", "lost"]));
    let said = "lost is a link that leads nowhere";
    assert!(answer.stderr.contains(said), "{}", answer.stderr);
}

#[test]
fn the_next_run_sweeps_up_what_one_that_was_killed_left() {
    let folder = TempDir::new().unwrap();
    let put = |name: &str| {
        let path = folder.path().join(name);
        fs::write(&path, "half").unwrap();
        path
    };
    let kept = [
        put(".percept-mine"),
        put(".percept-abc1234"),
        put("a.percept-abc123"),
    ];
    let written = put(".percept-locked");
    let lock = fs::File::options().write(true).open(&written).unwrap();
    lock.lock().unwrap();
    let runs = [
        short(&["--out", "x.png"]),
        vec!["replay", "x.png"],
        vec!["encode", "--text", "a", "--out", "a.npz"],
    ];
    for run in runs {
        let left = put(".percept-abc123");
        success(folder.path(), &run);
        assert!(!left.exists(), "{run:?}");
        assert!(
            kept.iter().all(|path| path.exists()) && written.exists(),
            "{run:?}"
        );
    }
    drop(lock);
    success(folder.path(), &short(&["--out", "x.png"]));
    assert!(!written.exists());
}

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
    success(folder.path(), &short(&["--out", "x.png"]));
    let old = fs::read(folder.path().join("x.png")).unwrap();
    let arguments = "render 1 --steps 2 --size 16 --scale 8 --out x.png";
    let answer: Answer = on_a_full_disk(&folder, arguments).output().unwrap().into();
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    assert_eq!(fs::read(folder.path().join("x.png")).unwrap(), old);
    assert_eq!(files(folder.path()), ["x.json", "x.png"].map(PathBuf::from));
}

#[test]
fn a_disk_that_refuses_a_picture_ends_the_run() {
    let folder = TempDir::new().unwrap();
    let arguments = "render 0..6 --steps 2 --size 16 --scale 8 --batch 2";
    let command = on_a_full_disk(&folder, arguments);
    let words = [
        "0 of 6 pictures are written: cannot write",
        "File too large",
    ];
    let said = refusal(command, folder.path(), &words);
    assert_eq!(said.matches("cannot write").count(), 1, "{said}");
}

#[test]
fn a_disk_without_room_is_found_before_climbing() {
    let folder = TempDir::new().unwrap();
    // Room for no picture: the run would not end by itself.
    let line = "trap '' XFSZ; ulimit -f 1; exec \"$0\" render 1 --steps 1000000 --out x.png";
    let words = ["cannot write into the folder", "File too large"];
    refusal(shell(folder.path(), line), folder.path(), &words);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_file_system_is_found_before_climbing() {
    if !Need::Mounts.is_met() {
        return;
    }
    let folder = TempDir::new().unwrap();
    // A file system of 64 KiB of its own, where the system lets us have one, with a few hundred bytes left.
    let line = "mkdir full && mount -t tmpfs -o size=64k none full && \
         { dd if=/dev/zero of=full/a bs=4k count=20 2>/dev/null; \
         for out in full full/x.png; do \"$0\" render 1 --steps 1000000 --out $out; echo $?; done; \
         \"$0\" encode --text a --out full/a.npz; echo $?; \"$0\" atlas --units 1 --out full/b; echo $?; }";
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c", line])
        .arg(env!("CARGO_BIN_EXE_percept"))
        .current_dir(folder.path());
    let answer = Answer::from(command.output().unwrap());
    assert_eq!(answer.stdout, "1\n1\n1\n1\n", "{}", answer.stderr);
    for line in answer.stderr.lines() {
        assert!(line.contains("cannot write into the folder full"), "{line}");
        assert!(line.contains("No space left on device"), "{line}");
    }
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
