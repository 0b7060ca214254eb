//! What happens in each mode of the hub, for each sort of model, and that a good hub mends it.

use std::thread;

use super::emulator::{Hub, Role};
use super::{KNOWN, OPEN_CLIP, SHARDED, TOKEN, User, assert_refused, hub};
use crate::common::Answer;

/// What comes of a mode.
#[derive(Clone, Copy)]
enum Outcome {
    /// The model is loaded.
    Loads,
    /// It is not; the cause begins the message, the way out ends it.
    Fails(&'static [&'static str]),
}

use Outcome::{Fails, Loads};

const WAY_OUT: &str = "pass its path with --model";

const MODES: [(&str, Outcome); 47] = [
    ("std", Loads),
    ("direct", Loads),
    // Compressed: if one takes it, files of 1000 bytes and more, also weights, also if nobody asked for it.
    ("gz", Loads),
    ("gz1000", Loads),
    ("gzall", Loads),
    ("forced", Loads),
    ("norange", Loads),
    ("mirror", Loads),
    ("noetag", Loads),
    ("nocommit", Loads),
    ("nosize", Loads),
    // Commits are known by the names of branches only, and then not told.
    ("branches", Loads),
    (
        "branchesonly",
        Fails(&["the hub does not tell of which commit its ", WAY_OUT]),
    ),
    // The branch has moved since the list was asked for; a mirror has another version at first.
    ("moved", Loads),
    ("swap", Loads),
    ("otherhost", Loads),
    ("slow", Loads),
    ("gated", Loads),
    ("private", Loads),
    // Connections that are cut once, then always; that go on with everything from the beginning.
    ("cut1", Loads),
    (
        "cut",
        Fails(&[
            "127.0.0.1 broke off the connection, 4 times: the same command goes on",
            WAY_OUT,
        ]),
    ),
    ("whole", Loads),
    // A redirect that does not hold any more.
    ("expired1", Loads),
    (
        "expired",
        Fails(&[
            "127.0.0.1 answered 403 to http",
            ", 2 times: try again later",
            WAY_OUT,
        ]),
    ),
    (
        "short",
        Fails(&["127.0.0.1 sent ", " bytes of ", ", 4 times", WAY_OUT]),
    ),
    (
        "close",
        Fails(&["127.0.0.1 sent ", " bytes of ", ", 4 times", WAY_OUT]),
    ),
    (
        "corrupt",
        Fails(&[
            "what 127.0.0.1 sent for ",
            "is not that file: its SHA-256 is another, 2 times",
            WAY_OUT,
        ]),
    ),
    ("page", Fails(&["127.0.0.1 has 27 bytes for ", WAY_OUT])),
    (
        "stall",
        Fails(&["127.0.0.1 sent nothing for 1 seconds, 2 times", WAY_OUT]),
    ),
    (
        "never",
        Fails(&[
            "127.0.0.1 did not answer within 1 seconds, 2 times",
            WAY_OUT,
        ]),
    ),
    (
        "loop",
        Fails(&["the hub redirects without an end", WAY_OUT]),
    ),
    (
        "noloc",
        Fails(&[
            "http://127.0.0.1:",
            "redirects without saying where to",
            WAY_OUT,
        ]),
    ),
    (
        "badloc",
        Fails(&[
            "http://127.0.0.1:",
            "redirects to what is no address",
            WAY_OUT,
        ]),
    ),
    (
        "portal",
        Fails(&[
            "127.0.0.1 does not answer as a hub does",
            "<html>please log in",
            WAY_OUT,
        ]),
    ),
    (
        "s401",
        Fails(&[
            "the hub answered 401 to http://127.0.0.1:",
            "the token in HF_TOKEN",
        ]),
    ),
    (
        "s403",
        Fails(&[
            "the hub answered 403 to http://127.0.0.1:",
            "the token in HF_TOKEN",
        ]),
    ),
    (
        "s404",
        Fails(&[
            "the hub answered 404 to http://127.0.0.1:",
            "check the name",
        ]),
    ),
    (
        "s418",
        Fails(&["the hub answered 418 to http://127.0.0.1:", WAY_OUT]),
    ),
    (
        "s429",
        Fails(&["the hub answered 429 to ", ", 4 times", "asked too often"]),
    ),
    (
        "s500",
        Fails(&["the hub answered 500 to ", ", 4 times", "try again later"]),
    ),
    (
        "s502",
        Fails(&["the hub answered 502 to ", ", 4 times", "try again later"]),
    ),
    (
        "s503",
        Fails(&["the hub answered 503 to ", ", 4 times", "try again later"]),
    ),
    ("s429x1", Loads),
    ("s500x1", Loads),
    ("s502x1", Loads),
    ("s503x1", Loads),
    ("s504x1", Loads),
];

/// Modes at a time: most of the time they wait.
const TOGETHER: usize = 20;

#[test]
fn an_open_clip_model_comes_or_says_why_not() {
    all_modes(OPEN_CLIP, OPEN_CLIP);
}

#[test]
fn a_sharded_model_comes_or_says_why_not() {
    all_modes(SHARDED, SHARDED);
}

#[test]
fn a_known_name_comes_or_says_why_not() {
    all_modes("RN50", KNOWN);
}

#[test]
fn a_list_that_hardly_comes_is_not_waited_for_for_ever() {
    let (hub, user) = (hub(), User::new());
    let mut command = user.percept(&hub.endpoint("trickle"), &["layers", "--model", OPEN_CLIP]);
    let answer = command
        .env("HF_HUB_DOWNLOAD_TIMEOUT", "1")
        .output()
        .unwrap();
    let words = [
        "percept: 127.0.0.1 did not finish its answer in time, 2 times",
        WAY_OUT,
    ];
    assert_refused(&Answer::from(answer), &words);
}

#[test]
fn nobody_is_too_patient() {
    let (hub, user) = (hub(), User::new());
    let mut command = user.percept(&hub.endpoint("std"), &["layers", "--model", OPEN_CLIP]);
    for name in ["HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"] {
        command.env(name, "10000000000000000000");
    }
    let answer = Answer::from(command.output().unwrap());
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
}

fn all_modes(model: &str, id: &str) {
    for modes in MODES.chunks(TOGETHER) {
        thread::scope(|scope| {
            for &(mode, outcome) in modes {
                scope.spawn(move || one_mode(model, id, mode, outcome));
            }
        });
    }
}

fn one_mode(model: &str, id: &str, mode: &str, outcome: Outcome) {
    let (hub, user) = (hub(), User::new());
    let mut command = user.percept(&hub.endpoint(mode), &["layers", "--json", "--model", model]);
    match mode {
        "never" => _ = command.env("HF_HUB_ETAG_TIMEOUT", "1"),
        "stall" => _ = command.env("HF_HUB_DOWNLOAD_TIMEOUT", "1"),
        _ => {}
    }
    let answer = Answer::from(command.env("HF_TOKEN", TOKEN).output().unwrap());
    let asked = hub.asked("std").len();
    match outcome {
        Loads => assert_eq!(answer.code, Some(0), "{mode}: {}", answer.stderr),
        Fails(words) => {
            assert_refused(&answer, words);
            // The cause comes first, what a library says of it last.
            let line = answer.stderr.lines().last().unwrap();
            let begins = format!("percept: {}", words[0]);
            assert!(line.starts_with(&begins), "{line:?}");
        }
    }
    let after = user.loads(&hub.endpoint("std"), model);
    user.assert_whole(&hub, id);
    if matches!(outcome, Loads) {
        assert_eq!(answer.stdout, after.stdout, "{mode}");
        let has_asked = hub.asked("std").len() > asked;
        assert!(!has_asked, "{mode}: a whole cache needs no hub");
    }
    assert_token_stays(&hub, mode);
}

/// The hub is shown the token, and nobody else.
fn assert_token_stays(hub: &Hub, mode: &str) {
    for mode in [mode, "std"] {
        for asked in hub.asked(mode) {
            let shown = asked.authorization.as_deref();
            let expected = match asked.role {
                Role::Hub => Some(format!("Bearer {TOKEN}")),
                Role::Storage => None,
            };
            assert_eq!(shown, expected.as_deref(), "{mode}: {asked:?}");
        }
    }
}
