//! The files of a repository.

use std::collections::BTreeSet;

use serde::Deserialize;
use ureq::http::Uri;

use super::address::quoted;
use super::cache;
use super::client::Client;
use super::trouble::Trouble;

/// Characters of an answer that is no list, which a message repeats.
const QUOTED: usize = 40;

/// What a repository holds at a commit.
pub struct Listing {
    pub commit: String,
    files: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Answer {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl Listing {
    /// Asks the hub for the files of the repository `id` at a branch, tag or commit; again if need be.
    ///
    /// # Errors
    /// When the hub refuses, cannot be reached, or answers with something else.
    pub fn ask(
        client: &Client,
        id: &str,
        revision: &str,
        is_needed: bool,
    ) -> Result<Self, Trouble> {
        let address = client.address(&format!("/api/models/{id}/revision/{}", quoted(revision)))?;
        let ask = || client.text(address.clone());
        let text = match is_needed {
            true => client.patiently(|_| ask())?,
            false => ask()?,
        };
        match serde_json::from_slice::<Answer>(&text) {
            Ok(Answer { sha, siblings }) if cache::is_name(&sha) => Ok(Self {
                commit: sha,
                files: siblings.into_iter().map(|file| file.rfilename).collect(),
            }),
            _ => {
                let text = String::from_utf8_lossy(&text);
                let begins: String = text.trim_start().chars().take(QUOTED).collect();
                let host = client.host();
                Err(Trouble::lasting(format!(
                    "{host} does not answer as a hub does, with a list of files, but with {begins:?}"
                )))
            }
        }
    }

    /// Whether there is a file at this path.
    pub fn has(&self, path: &str) -> bool {
        self.files.contains(path)
    }
}

impl Client<'_> {
    /// Where a file of a repository is, at a branch, tag or commit.
    ///
    /// # Errors
    /// When the parts do not make an address.
    pub fn file_address(&self, id: &str, revision: &str, file: &str) -> Result<Uri, Trouble> {
        let file: Vec<_> = file.split('/').map(quoted).collect();
        let (revision, file) = (quoted(revision), file.join("/"));
        self.address(&format!("/{id}/resolve/{revision}/{file}"))
    }
}
