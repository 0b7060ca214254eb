//! The cache is the one that the hub's other tools read and write.

use std::fs;
use std::path::Path;

use super::emulator::{Hub, Role};
use super::{COMMIT, OPEN_CLIP, SHARDED, User, hub, names};
use crate::common::{Answer, fixture};
use crate::needs::{Need, python};

const WEIGHTS: &str = "open_clip_model.safetensors";

#[test]
fn names_are_links_to_blobs_of_one_commit() {
    let (hub, user) = (hub(), User::new());
    user.loads(&hub.endpoint("std"), OPEN_CLIP);
    let repository = user.repository(OPEN_CLIP);
    assert_eq!(
        fs::read_to_string(repository.join("refs/main")).unwrap(),
        COMMIT
    );
    let link = fs::read_link(user.cached(OPEN_CLIP, WEIGHTS)).unwrap();
    assert!(link.starts_with("../../blobs"), "{}", link.display());
    let blob = link.file_name().unwrap().to_str().unwrap();
    assert_eq!(blob.len(), 64);
    assert_eq!(names(&repository.join("blobs")).len(), 2);
}

/// Python's own client finds what is there, and knows what is not.
const READ: &str = r#"
import os, sys
from huggingface_hub import hf_hub_download, try_to_load_from_cache, scan_cache_dir
from huggingface_hub.file_download import _CACHED_NO_EXIST
id, present, absent = sys.argv[1:]
path = hf_hub_download(id, present, local_files_only=True)
assert try_to_load_from_cache(id, present) == path
assert try_to_load_from_cache(id, absent) is _CACHED_NO_EXIST
report = scan_cache_dir()
assert not report.warnings, report.warnings
assert {repo.repo_id for repo in report.repos} == {id}, report
print(path, end="")
"#;

/// What Python's client fetches is found without a hub.
const WRITE: &str = r#"
import sys
from huggingface_hub import hf_hub_download
for name in sys.argv[2:]:
    hf_hub_download(sys.argv[1], name)
"#;

fn run_python(user: &User, endpoint: &str, program: &str, arguments: &[&str]) -> Answer {
    let mut command = user.other(endpoint, &python());
    command.args(["-c", program]).args(arguments);
    Answer::from(command.output().unwrap())
}

#[test]
fn python_reads_what_percept_wrote() {
    if !Need::HubClient.is_met() {
        return;
    }
    let (hub, user) = (hub(), User::new());
    let endpoint = hub.endpoint("std");
    user.loads(&endpoint, SHARDED);
    let shard = "model-00002-of-00002.safetensors";
    let answer = run_python(&user, &endpoint, READ, &[SHARDED, shard, WEIGHTS]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert!(fs::read(Path::new(&answer.stdout)).unwrap() == hub.file(SHARDED, shard));
}

#[test]
fn percept_reads_what_python_wrote() {
    if !Need::HubClient.is_met() {
        return;
    }
    let (hub, user) = (hub(), User::new());
    let names = [WEIGHTS, "open_clip_config.json"];
    let arguments = [&[OPEN_CLIP][..], &names].concat();
    let answer = run_python(&user, &hub.endpoint("std"), WRITE, &arguments);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    user.loads("http://127.0.0.1:9", OPEN_CLIP);
}

#[test]
fn a_damaged_blob_is_found_said_and_replaced() {
    let (hub, user) = (hub(), User::new());
    let endpoint = hub.endpoint("std");
    let shards = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ];
    for (id, name) in [
        (OPEN_CLIP, WEIGHTS),
        (SHARDED, shards[0]),
        (SHARDED, shards[1]),
    ] {
        let good = user.loads(&endpoint, id).stdout;
        let bytes = hub.file(id, name);
        let mut flipped = bytes.to_vec();
        flipped[bytes.len() - 1] ^= 1;
        for damaged in [&flipped[..], &bytes[..bytes.len() / 2], b"<html>", b""] {
            fs::write(user.cached(id, name), damaged).unwrap();
            let requests = hub.asked("std").len();
            let offline = user.percept(&endpoint, &["layers", "--model", id]);
            let offline = { offline }.env("HF_HUB_OFFLINE", "1").output().unwrap();
            let offline = Answer::from(offline);
            super::assert_refused(&offline, &["is damaged", name, "unset HF_HUB_OFFLINE"]);
            assert_eq!(hub.asked("std").len(), requests);

            let answer = user.loads(&endpoint, id);
            assert!(answer.stderr.contains("is damaged"), "{}", answer.stderr);
            assert!(answer.stderr.contains(name), "{}", answer.stderr);
            assert_eq!(answer.stdout, good);
            user.assert_whole(&hub, id);
            let fetched = hub.asked("std").into_iter().skip(requests);
            let stored: Vec<_> = fetched
                .filter(|asked| asked.role == Role::Storage)
                .collect();
            assert_eq!(stored.len(), 1, "{stored:?}");
        }
    }
}

#[test]
fn damaged_json_is_found_said_and_replaced() {
    let (hub, user) = (hub(), User::new());
    let endpoint = hub.endpoint("std");
    for name in ["config.json", "model.safetensors.index.json"] {
        let good = user.loads(&endpoint, SHARDED).stdout;
        for damaged in ["", "{\"a\": ", "<html>"] {
            fs::write(user.cached(SHARDED, name), damaged).unwrap();
            let answer = user.loads(&endpoint, SHARDED);
            assert!(
                answer.stderr.contains("it is not JSON"),
                "{}",
                answer.stderr
            );
            assert_eq!(answer.stdout, good);
            user.assert_whole(&hub, SHARDED);
        }
    }
}

#[test]
fn where_links_are_not_wanted_names_are_files_and_damage_is_found_too() {
    let (hub, user) = (hub(), User::new());
    let endpoint = hub.endpoint("std");
    let layers = || {
        let mut command = user.percept(&endpoint, &["layers", "--model", OPEN_CLIP]);
        command.env("HF_HUB_DISABLE_SYMLINKS", "1");
        let answer = Answer::from(command.output().unwrap());
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        answer.stderr
    };
    layers();
    let cached = user.cached(OPEN_CLIP, WEIGHTS);
    let mut flipped = hub.file(OPEN_CLIP, WEIGHTS).to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    for is_copied in [false, true] {
        if is_copied {
            fs::remove_file(&cached).unwrap();
        }
        fs::write(&cached, &flipped).unwrap();
        let said = layers();
        assert!(said.contains("is damaged"), "{said}");
        assert!(cached.symlink_metadata().unwrap().is_file());
        user.assert_whole(&hub, OPEN_CLIP);
        assert_eq!(layers(), "");
    }
    assert_eq!(names(cached.parent().unwrap()).len(), 2);
}

/// A hub with a sharded model of which a file of JSON ends so.
fn hub_with(name: &str, end: &str) -> Hub {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture("vit/hf")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let path = folder.path().join(name);
    let text = fs::read_to_string(&path).unwrap();
    let text = text.trim_end().strip_suffix('}').unwrap().to_owned();
    fs::write(path, text + end).unwrap();
    Hub::start(&[(SHARDED, folder.path())])
}

#[test]
fn json_that_is_none_on_the_hub_either_is_not_said_to_be_damaged() {
    for name in ["config.json", "model.safetensors.index.json"] {
        let (hub, user) = (hub_with(name, ", \"x\": [NaN, -Infinity]}"), User::new());
        let says = format!("{name} has NaN or Infinity in it, which JSON does not have");
        for _ in 0..2 {
            let words = [&says, "with null in their place"];
            let said = user.fails(&hub.endpoint("std"), SHARDED, &words);
            assert!(!said.contains("damaged"), "{said}");
        }
        let asked = hub.asked("std").into_iter();
        let asked =
            asked.filter(|asked| asked.path.ends_with(name) && asked.path.contains("/resolve/"));
        assert_eq!(asked.count(), 1);

        let (hub, user) = (hub_with(name, ", }"), User::new());
        let says = format!("{name} of owner/sharded is not JSON on the hub either: ask its owners");
        user.fails(&hub.endpoint("std"), SHARDED, &[&says]);
    }
}

#[test]
fn a_cache_that_may_not_be_written_to_is_an_error_that_says_so() {
    let (hub, user) = (hub(), User::new());
    fs::write(user.home.path().join("file"), "").unwrap();
    let mut command = user.percept(&hub.endpoint("std"), &["layers", "--model", OPEN_CLIP]);
    let answer = command.env("HF_HUB_CACHE", "~/file").output().unwrap();
    let words = [
        "percept: cannot keep ",
        "/file/models--owner--clip",
        "set HF_HUB_CACHE",
    ];
    super::assert_refused(&Answer::from(answer), &words);
    // Blobs may be written, names not.
    let repository = user.repository(OPEN_CLIP);
    fs::create_dir_all(&repository).unwrap();
    fs::write(repository.join("snapshots"), "").unwrap();
    user.fails(
        &hub.endpoint("std"),
        OPEN_CLIP,
        &["percept: cannot keep open_clip_", "set HF_HUB_CACHE"],
    );
}

#[test]
fn the_cache_and_the_hub_are_where_the_environment_says() {
    let hub = hub();
    let endpoint = hub.endpoint("std");
    for (name, value, folder) in [
        ("HF_HOME", "~/a", "a/hub"),
        ("HF_HOME", "${HOME}/b", "b/hub"),
        ("HF_HUB_CACHE", "$HOME/c", "c"),
        ("HUGGINGFACE_HUB_CACHE", "~/d", "d"),
        ("XDG_CACHE_HOME", "~/e", "e/huggingface/hub"),
        (
            "HF_ENDPOINT",
            &format!("{endpoint}/"),
            ".cache/huggingface/hub",
        ),
    ] {
        let user = User::new();
        let mut command = user.percept(&endpoint, &["layers", "--model", OPEN_CLIP]);
        let answer = Answer::from(command.env(name, value).output().unwrap());
        assert_eq!(answer.code, Some(0), "{name}: {}", answer.stderr);
        let repository = user.home.path().join(folder).join("models--owner--clip");
        assert!(repository.join("refs/main").is_file(), "{name}={value}");
    }
}
