//! Numbers and names on the command line.

use std::fs;

use tempfile::TempDir;

use crate::common::{Answer, command, fixture, refusal};

/// As [`crate::common::refused`]; not even the output folder may be made.
#[track_caller]
fn refused(arguments: &[&str], words: &[&str]) {
    let folder = TempDir::new().unwrap();
    let arguments = [&["render"], arguments].concat();
    refusal(command(folder.path(), &arguments), folder.path(), words);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_number_of_threads_in_the_environment_is_held_to_the_same_range() {
    for commands in [
        &["render", "1"][..],
        &["render", "1", "--threads", "1"],
        &["layers"],
        &["atlas", "--units", "0..2"],
    ] {
        for threads in ["0", "1025", "100000", "-1", "many"] {
            let folder = TempDir::new().unwrap();
            let mut command = command(folder.path(), commands);
            command.env("RAYON_NUM_THREADS", threads);
            let named = format!("RAYON_NUM_THREADS is \"{threads}\"");
            refusal(
                command,
                folder.path(),
                &[&named, "from 1 to 1024", "--threads"],
            );
        }
    }
    // What is typed counts.
    for (threads, arguments) in [("3", &["--threads", "1"][..]), ("2", &[]), ("", &[])] {
        let folder = TempDir::new().unwrap();
        let small = [
            "render", "1", "--size", "16", "--steps", "1", "--scale", "1",
        ];
        let mut command = command(folder.path(), &[&small[..], arguments].concat());
        command.env("RAYON_NUM_THREADS", threads);
        let answer = Answer::from(command.output().unwrap());
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    }
}

#[test]
fn a_number_out_of_range_is_refused_with_the_range() {
    let model = fixture("rn/openai.pt");
    let model = model.to_str().unwrap();
    for (flag, value, words) in [
        ("--size", "0", &["canvas of 0", "--size", "from 16 to 4096"]),
        ("--size", "7", &["canvas of 7", "--size", "from 16 to 4096"]),
        ("--size", "100000", &["100000", "--size", "from 16 to 4096"]),
        ("--size", "-3", &["-3", "--size", "WIDTHxHEIGHT"]),
        (
            "--size",
            "8x128",
            &["canvas of 8x128", "--size", "16 to 4096 on each side"],
        ),
        (
            "--size",
            "128x5000",
            &["canvas of 128x5000", "--size", "from 16 to 4096"],
        ),
        (
            "--size",
            "64by32",
            &["64by32", "--size", "WIDTHxHEIGHT, such as 320x96"],
        ),
        (
            "--size",
            "99999999999999999999",
            &["--size", "99999999999999999999", "such as 128"],
        ),
        ("--steps", "0", &["0 steps", "--steps", "from 1 to 1000000"]),
        ("--steps", "1000001", &["1000001", "--steps", "from 1 to"]),
        ("--lr", "0", &["step length of 0", "--lr", "0.05"]),
        ("--lr", "-1", &["step length of -1", "--lr", "positive"]),
        ("--lr", "nan", &["NaN", "--lr", "positive number"]),
        ("--lr", "inf", &["inf", "--lr", "positive number"]),
        ("--decay", "9", &["decay of 9", "--decay", "from 0 to 4"]),
        ("--decay", "nan", &["NaN", "--decay", "from 0 to 4"]),
        ("--scale", "0", &["0 times", "--scale", "from 1 to 128"]),
        ("--scale", "257", &["257 times", "--scale", "from 1 to 128"]),
        ("--variants", "0", &["0 variants", "--variants", "from 1"]),
        ("--batch", "0", &["batch of 0", "--batch 1", "or more"]),
        ("--device", "gpu", &["gpu", "cpu, cuda", "cuda:0"]),
        ("--device", "cuda:1,1", &["--device", "cuda:1", "twice"]),
        ("--dtype", "f8", &["f8", "f32", "bf16"]),
        ("--dtype", "f16", &["CPU", "f16", "--device cuda"]),
        ("--threads", "0", &["0 threads", "--threads", "from 1"]),
        ("--threads", "100000", &["100000", "--threads", "1024"]),
        (
            "--checkpoints",
            "0",
            &["no step 0", "steps from", "1 to 512"],
        ),
        (
            "--checkpoints",
            "8,513",
            &["no step 513", "steps", "1 to 512"],
        ),
        ("--seed", "-1", &["--seed", "-1", "invalid"]),
    ] {
        let arguments = ["1", &format!("{flag}={value}"), "--model", model];
        refused(&arguments, words);
    }
}

#[test]
fn an_unknown_name_is_refused_with_those_there_are() {
    refused(
        &["1", "--preset", "lucia"],
        &["lucia", "lucid, goh2021, none"],
    );
    refused(
        &["1", "--activation", "relu"],
        &["relu", "quick-gelu or gelu"],
    );
    refused(
        &["layer9:1"],
        &["no tap layer9", "layer4.0.sum", "percept layers"],
    );
    refused(&["blocks.1:1"], &["no tap blocks.1", "percept layers"]);
    refused(&["1", "--model", "RN5O"], &["\"RN5O\"", "RN50x4", "hub id"]);
    refused(
        &["1", "--model", "/nowhere/RN50.pt"],
        &[
            "no file /nowhere/RN50.pt",
            "download it from",
            "--model RN50",
        ],
    );
}

#[test]
fn a_unit_out_of_range_is_refused_with_the_last() {
    for unit in ["99999", "layer4.0.sum:99999", "layer4.0.sum:760..769"] {
        refused(&[unit], &["layer4.0.sum", "0 to 767", "percept layers"]);
    }
    refused(&["3", "99999"], &["there is no unit 99999"]);
}

#[test]
fn several_pictures_do_not_go_into_one_file() {
    for pictures in [&["1,2"][..], &["1", "2"], &["1", "--variants", "2"]] {
        let arguments = [pictures, &["--out", "x.png"]].concat();
        refused(&arguments, &["2 pictures", "x.png", "--out a folder"]);
    }
}

#[test]
fn a_picture_asked_for_twice_is_refused() {
    refused(&["3", "layer4.0.sum:3"], &["layer4.0.sum:3", "twice"]);
}

#[test]
fn without_a_unit_another_model_asks_for_one() {
    let model = fixture("rn/openai.pt");
    refused(
        &["--model", model.to_str().unwrap()],
        &["say what to render", "percept layers"],
    );
}
