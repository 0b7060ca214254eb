//! What may be written for a model on the hub.

use super::emulator::{COMMIT, Hub};
use super::{OPEN_CLIP, User, hub};

/// The files that were asked for.
fn fetched(hub: &Hub, mode: &str) -> Vec<String> {
    let asked = hub.asked(mode).into_iter().map(|asked| asked.path);
    asked.filter(|path| path.contains("/resolve/")).collect()
}

#[test]
fn a_revision_is_asked_for_and_kept() {
    let (hub, user) = (hub(), User::new());
    for (mode, model, revision) in [
        ("std", "owner/clip@v1", "v1"),
        ("gz", "hf-hub:owner/clip", "main"),
        ("slow", "https://huggingface.co/owner/clip/tree/v1", "v1"),
    ] {
        let user = User::new();
        user.loads(&hub.endpoint(mode), model);
        let paths = fetched(&hub, mode);
        // All are of the commit that the revision was when the list of files was asked for.
        let prefix = format!("/{mode}/owner/clip/resolve/{COMMIT}/");
        let list = format!("/{mode}/api/models/owner/clip/revision/{revision}");
        assert!(hub.asked(mode).iter().any(|asked| asked.path == list));
        assert_eq!(paths.len(), 2);
        assert!(
            paths.iter().all(|path| path.starts_with(&prefix)),
            "{paths:?}"
        );
        assert!(
            user.repository(OPEN_CLIP)
                .join("refs")
                .join(revision)
                .is_file()
        );
        user.loads("http://127.0.0.1:9", model);
    }
    let words = [
        "percept: the hub answered 404",
        "no branch, tag or commit v2",
    ];
    user.fails(&hub.endpoint("std"), "owner/clip@v2", &words);
}

#[test]
fn the_address_of_a_file_means_that_file() {
    let (hub, user) = (hub(), User::new());
    let address = |name: &str| format!("https://hf.co/owner/clip/blob/main/{name}?download=true");
    user.loads(
        &hub.endpoint("std"),
        &address("open_clip_model.safetensors"),
    );
    let words = ["there is no owner/clip (other.pt) on the hub"];
    user.fails(&hub.endpoint("std"), &address("other.pt"), &words);
    let own = hub.endpoint("std");
    user.loads(&own, &format!("{own}/owner/clip"));
    user.fails(
        &own,
        "https://example.org/owner/clip",
        &["no address of the hub"],
    );
}

#[test]
fn a_name_that_the_hub_does_not_have_is_said_to_be_none() {
    let (hub, user) = (hub(), User::new());
    let words = [
        "percept: the hub answered 401 to http",
        "there is no folder owner/vitb32",
        "did you mean ViT-B/32?",
    ];
    user.fails(&hub.endpoint("std"), "owner/vitb32", &words[..2]);
    user.fails(
        &hub.endpoint("std"),
        "openai/clip-vit-base-patch32",
        &["did you mean ViT-B/32?"],
    );
}
