//! Models from a hub: an emulated one, with whatever goes wrong with the public one and what lies between.

mod cache;
mod closed;
mod emulator;
mod http;
mod modes;
mod names;
mod offline;
mod resume;
mod terminal;
mod together;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::common::{Answer, command, fixture};
use emulator::{COMMIT, Hub, TOKEN};

/// An open_clip model, a sharded one of transformers, and where a known name leads.
const OPEN_CLIP: &str = "owner/clip";
const SHARDED: &str = "owner/sharded";
const KNOWN: &str = "timm/resnet50_clip.openai";

fn hub() -> Hub {
    let (rn, vit) = (fixture("rn/open_clip"), fixture("vit/hf"));
    Hub::start(&[(OPEN_CLIP, &rn), (SHARDED, &vit), (KNOWN, &rn)])
}

/// Somebody with a home folder, in which the cache is.
struct User {
    home: TempDir,
}

impl User {
    fn new() -> Self {
        Self {
            home: TempDir::new().unwrap(),
        }
    }

    /// The folder of a repository in the cache.
    fn repository(&self, id: &str) -> PathBuf {
        let name = format!("models--{}", id.replace('/', "--"));
        self.home.path().join(".cache/huggingface/hub").join(name)
    }

    /// A file of a repository in the cache.
    fn cached(&self, id: &str, name: &str) -> PathBuf {
        self.repository(id)
            .join("snapshots")
            .join(COMMIT)
            .join(name)
    }

    /// The program, not started yet, which waits for the hub longer than any test lets it.
    fn percept(&self, endpoint: &str, arguments: &[&str]) -> Command {
        let mut command = command(self.home.path(), arguments);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_ascii_uppercase();
            if text.starts_with("HF_") || text.starts_with("HUGGING") || text.ends_with("_PROXY") {
                command.env_remove(name);
            }
        }
        command
            .env_remove("HF_HUB_OFFLINE")
            .env_remove("TRANSFORMERS_OFFLINE")
            .env_remove("XDG_CACHE_HOME")
            .env("HOME", self.home.path())
            .env("HF_ENDPOINT", endpoint)
            .env("HF_HUB_ETAG_TIMEOUT", "60")
            .env("HF_HUB_DOWNLOAD_TIMEOUT", "60");
        command
    }

    /// Another program, in the same environment.
    fn other(&self, endpoint: &str, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.home.path());
        for (name, value) in self.percept(endpoint, &[]).get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    fn run(&self, endpoint: &str, arguments: &[&str]) -> Answer {
        self.percept(endpoint, arguments).output().unwrap().into()
    }

    /// Loads a model and lists its layers, with the token that opens everything.
    fn layers(&self, endpoint: &str, model: &str) -> Answer {
        let mut command = self.percept(endpoint, &["layers", "--json", "--model", model]);
        command.env("HF_TOKEN", TOKEN).output().unwrap().into()
    }

    /// Loads a model, which must succeed.
    #[track_caller]
    fn loads(&self, endpoint: &str, model: &str) -> Answer {
        let answer = self.layers(endpoint, model);
        assert_eq!(
            answer.code,
            Some(0),
            "{endpoint} {model}: {}",
            answer.stderr
        );
        answer
    }

    /// Fails to load a model, and says why on one line with these words.
    #[track_caller]
    fn fails(&self, endpoint: &str, model: &str, words: &[&str]) -> String {
        let answer = self.layers(endpoint, model);
        assert_refused(&answer, words);
        answer.stderr
    }

    /// Every file of the repository that the cache names is the hub's, and nothing is unfinished.
    #[track_caller]
    fn assert_whole(&self, hub: &Hub, id: &str) {
        let folder = self.repository(id);
        for (name, bytes) in hub.files(id) {
            let cached = self.cached(id, name);
            if cached.exists() {
                assert!(
                    fs::read(&cached).unwrap() == *bytes,
                    "{name} of {id} differs"
                );
            }
        }
        for name in names(&folder.join("blobs")) {
            assert!(!name.contains("incomplete"), "{name}");
        }
    }
}

/// The names in a folder; none where there is no folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A command failed, and said why on one line with these words.
#[track_caller]
fn assert_refused(answer: &Answer, words: &[&str]) {
    let stderr = &answer.stderr;
    assert_eq!(answer.code, Some(1), "{stderr}");
    let line = stderr.lines().last().unwrap_or_default();
    assert!(line.starts_with("percept: "), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    for word in words {
        assert!(line.contains(word), "{word:?} is not in {stderr:?}");
    }
}
