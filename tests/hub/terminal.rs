//! What a download shows on a terminal, and that it shows nothing elsewhere.

use super::{OPEN_CLIP, User, hub};
use crate::common::Answer;
use crate::needs::Need;

/// Runs the program on a terminal; all that it draws there.
fn drawn(user: &User, endpoint: &str, options: &str) -> String {
    let line = format!(
        "stty rows 40 columns 120; {} layers --model {OPEN_CLIP} {options}",
        env!("CARGO_BIN_EXE_percept")
    );
    let mut command = user.other(endpoint, "script");
    command.env("TERM", "xterm").env_remove("NO_COLOR");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    let answer = Answer::from(command.output().unwrap());
    assert_eq!(answer.code, Some(0), "{}", answer.stdout);
    answer.stdout
}

#[test]
fn one_bar_is_drawn_from_the_first_request_and_cleared_at_the_end() {
    if !Need::Terminal.is_met() {
        return;
    }
    let (hub, user) = (hub(), User::new());
    let endpoint = hub.endpoint("slow");
    let bar = "open_clip_model.safetensors of owner/clip [";
    let drawn_once = drawn(&user, &endpoint, "");
    let waits = drawn_once.find("127.0.0.1").expect("who is waited for");
    let begins = drawn_once.find(bar).expect("a bar");
    assert!(waits < begins, "{drawn_once:?}");
    let draws = drawn_once.matches(bar).count();
    assert!(draws > 1, "{drawn_once:?}");
    // Where the list begins, the line was erased and nothing drawn since.
    let (drawn_before, listed) = drawn_once
        .split_once("owner/clip (safetensors)")
        .expect("the layers");
    let (_, left) = drawn_before
        .rsplit_once("\u{1b}[2K")
        .expect("the bar is cleared");
    assert_eq!(left.trim(), "", "{drawn_before:?}");
    assert!(
        listed.contains("layer1") && !listed.contains(" of "),
        "{listed:?}"
    );

    assert!(
        !drawn(&user, &endpoint, "").contains(bar),
        "nothing is fetched"
    );
    let quiet = User::new();
    assert!(!drawn(&quiet, &endpoint, "--quiet").contains(bar));
    assert_eq!(User::new().loads(&endpoint, OPEN_CLIP).stderr, "");
}
