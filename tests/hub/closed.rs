//! Gated and private repositories, and where tokens are found.

use std::fs;

use super::{OPEN_CLIP, TOKEN, User, assert_refused, hub};
use crate::common::Answer;

const LAYERS: [&str; 3] = ["layers", "--model", OPEN_CLIP];

#[test]
fn who_has_no_token_learns_what_one_would_change() {
    let (hub, user) = (hub(), User::new());
    let file = user.home.path().join(".cache/huggingface/token");
    let file = file.to_str().unwrap();
    for (mode, says) in [
        ("gated", "ask for access at http://127.0.0.1"),
        ("private", "or it is private"),
    ] {
        let answer = user.run(&hub.endpoint(mode), &LAYERS);
        let place = format!("or put the token into {file}");
        let words = [
            "percept: the hub answered 401 to http",
            says,
            "set HF_TOKEN",
            &place,
        ];
        assert_refused(&answer, &words);
    }
}

#[test]
fn who_has_a_token_that_opens_nothing_learns_which_it_is() {
    let (hub, user) = (hub(), User::new());
    for (mode, status) in [("gated", "403"), ("private", "401")] {
        let mut command = user.percept(&hub.endpoint(mode), &LAYERS);
        let answer = Answer::from(command.env("HF_TOKEN", "hf_bad").output().unwrap());
        let says = format!("percept: the hub answered {status} to ");
        assert_refused(&answer, &[&says, "the token in HF_TOKEN"]);
        assert!(!answer.stderr.contains("hf_bad"), "{}", answer.stderr);
    }
}

#[test]
fn a_token_is_found_in_each_of_its_places() {
    let hub = hub();
    let token = format!(" {TOKEN}\n");
    let own = [
        ("HF_TOKEN", TOKEN),
        ("HUGGING_FACE_HUB_TOKEN", TOKEN),
        ("HF_TOKEN_PATH", "~/secret"),
        ("HF_HOME", "~/other"),
        ("", ""),
    ];
    for (name, value) in own {
        let user = User::new();
        let file = match name {
            "HF_TOKEN_PATH" => "secret",
            "HF_HOME" => "other/token",
            "" => ".cache/huggingface/token",
            _ => "unused",
        };
        let file = user.home.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, &token).unwrap();
        let mut command = user.percept(&hub.endpoint("private"), &LAYERS);
        command.env("HF_TOKEN", "");
        if !name.is_empty() {
            command.env(name, value);
        }
        let answer = Answer::from(command.output().unwrap());
        assert_eq!(answer.code, Some(0), "{name}: {}", answer.stderr);
    }
}

#[test]
fn a_token_that_is_none_is_named_and_not_printed() {
    let (hub, user) = (hub(), User::new());
    let mut command = user.percept(&hub.endpoint("std"), &LAYERS);
    let answer = command.env("HF_TOKEN", "hf good\u{e4}").output().unwrap();
    let answer = Answer::from(answer);
    assert_refused(&answer, &["the token in HF_TOKEN has characters"]);
    assert!(!answer.stderr.contains("hf good"), "{}", answer.stderr);
    assert_eq!(hub.asked("std").len(), 0);
}
