//! Without a hub a model is what it is with one, or it is not loaded.

use std::fs;

use super::emulator::NEW_COMMIT;
use super::{COMMIT, KNOWN, OPEN_CLIP, SHARDED, User, assert_refused, hub, names};
use crate::common::Answer;

/// Where nobody listens.
const NOBODY: &str = "http://127.0.0.1:9";

fn offline(user: &User, id: &str) -> Answer {
    let mut command = user.percept(NOBODY, &["layers", "--json", "--model", id]);
    command
        .env("HF_HUB_OFFLINE", "yes")
        .output()
        .unwrap()
        .into()
}

#[test]
fn a_whole_cache_needs_no_hub() {
    let (hub, user) = (hub(), User::new());
    for id in [OPEN_CLIP, SHARDED] {
        let online = user.loads(&hub.endpoint("std"), id);
        assert_eq!(user.loads(NOBODY, id).stdout, online.stdout);
        let answer = offline(&user, id);
        assert_eq!(
            (answer.code, answer.stdout),
            (Some(0), online.stdout),
            "{}",
            answer.stderr
        );
        assert_eq!(answer.stderr, "");
    }
}

#[test]
fn weights_without_the_configuration_that_they_may_have_are_not_loaded() {
    let (hub, user) = (hub(), User::new());
    for (id, name) in [
        (OPEN_CLIP, "open_clip_config.json"),
        (SHARDED, "config.json"),
        (SHARDED, "preprocessor_config.json"),
    ] {
        user.loads(&hub.endpoint("std"), id);
        fs::remove_file(user.cached(id, name)).unwrap();
        let words = ["HF_HUB_OFFLINE is set", name, "unset HF_HUB_OFFLINE once"];
        assert_refused(&offline(&user, id), &words);
        user.fails(NOBODY, id, &["percept: 127.0.0.1 refuses connections"]);
        user.loads(&hub.endpoint("std"), id);
        assert_eq!(offline(&user, id).code, Some(0));
    }
}

/// Nothing that decides a number is left to be told.
#[test]
fn weights_of_a_known_name_need_no_configuration() {
    let (hub, user) = (hub(), User::new());
    let online = user.loads(&hub.endpoint("std"), "RN50");
    let asked = hub.asked("std").into_iter().map(|asked| asked.path);
    assert!(!asked.into_iter().any(|path| path.contains("config")));
    assert_eq!(names(&user.repository(KNOWN).join("blobs")).len(), 1);
    let answer = offline(&user, "RN50");
    assert_eq!(
        (answer.code, answer.stdout),
        (Some(0), online.stdout),
        "{}",
        answer.stderr
    );
}

#[test]
fn a_file_that_the_repository_does_not_have_is_known_not_to_be_there() {
    let (hub, user) = (hub(), User::new());
    user.loads(&hub.endpoint("std"), SHARDED);
    let marks = user.repository(SHARDED).join(".no_exist").join(COMMIT);
    assert!(marks.join("open_clip_model.safetensors").is_file());
    assert!(marks.join("model.safetensors").is_file());
    fs::remove_dir_all(marks).unwrap();
    // The weights that the cache has are taken without a hub, though a better file may be there by now.
    assert_eq!(offline(&user, SHARDED).code, Some(0));
    let answer = user.loads(NOBODY, SHARDED);
    let says = "taking model.safetensors.index.json of owner/sharded, which the cache has";
    assert!(answer.stderr.contains(says), "{}", answer.stderr);
}

#[test]
fn a_better_file_that_does_not_come_leaves_the_one_that_is_there() {
    let (hub, user) = (hub(), User::new());
    let good = user.loads(&hub.endpoint("std"), SHARDED);
    let marks = user.repository(SHARDED).join(".no_exist").join(COMMIT);
    fs::remove_file(marks.join("open_clip_model.safetensors")).unwrap();
    let answer = user.loads(&hub.endpoint("listed"), SHARDED);
    assert_eq!(answer.stdout, good.stdout);
    for says in [
        "the hub answered 404 to ",
        "taking model.safetensors.index.json of owner/sharded, which the cache has",
    ] {
        assert!(answer.stderr.contains(says), "{}", answer.stderr);
    }
    let new = User::new();
    let words = [
        "the hub answered 404 to ",
        "has no such file, though it lists it",
    ];
    new.fails(&hub.endpoint("listed"), SHARDED, &words);
}

#[test]
fn a_commit_that_the_hub_forgot_is_named() {
    let (hub, user) = (hub(), User::new());
    user.loads(&hub.endpoint("std"), OPEN_CLIP);
    fs::remove_file(user.cached(OPEN_CLIP, "open_clip_config.json")).unwrap();
    let reference = user.repository(OPEN_CLIP).join("refs/main");
    let says = format!(
        "owner/clip has no commit {COMMIT} any more, as the cache has it: remove {} to fetch what main is now",
        reference.display()
    );
    let forgotten = hub.endpoint("forgotten");
    user.fails(
        &forgotten,
        OPEN_CLIP,
        &["percept: the hub answered 404", &says],
    );
    fs::remove_file(&reference).unwrap();
    user.loads(&forgotten, OPEN_CLIP);
    assert_eq!(fs::read_to_string(reference).unwrap(), NEW_COMMIT);
}

#[test]
fn an_empty_cache_without_a_hub_is_an_error_that_says_where_it_is() {
    let user = User::new();
    let folder = user.repository(OPEN_CLIP);
    let words = [
        "percept: HF_HUB_OFFLINE is set",
        "no weights of owner/clip",
        folder.to_str().unwrap(),
    ];
    assert_refused(&offline(&user, OPEN_CLIP), &words);
    let words = [
        "percept: 127.0.0.1 refuses connections: check the network",
        "--model RN50.pt",
    ];
    user.fails(NOBODY, "RN50", &words);
    assert!(!folder.exists());
}
