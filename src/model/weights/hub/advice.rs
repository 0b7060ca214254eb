//! What to do about what went wrong.

use super::Repository;
use super::trouble::{Cause, Refusal, Trouble};
use crate::Error;
use crate::error::Kind;
use crate::model::spec::meant;
use crate::model::weights::package;

/// Where tokens are made.
const TOKENS: &str = "https://huggingface.co/settings/tokens";

impl Repository<'_> {
    /// What went wrong when a branch, tag or commit was asked for, and what to do.
    pub(super) fn explain(&self, trouble: Trouble, revision: &str) -> Error {
        let advice = match &trouble.cause {
            Cause::Refused(refusal) => self.about(refusal, revision),
            _ => self.elsewhere.clone(),
        };
        trouble.error(&advice)
    }

    /// That neither the cache nor the hub tells of any of these files.
    pub(super) fn unknown(&self, names: &[&str], error: Error) -> Error {
        let Some(variable) = self.environment.offline else {
            return error;
        };
        let (model, folder) = (&self.model, self.cache.folder().display());
        let message = match names == package::WEIGHTS {
            true => format!(
                "{variable} is set, and the cache in {folder} has no weights of {model}: unset {variable}, or {}",
                self.elsewhere
            ),
            false => format!(
                "{variable} is set, and the cache in {folder} has no {} of {model}, nor a note that there is none: \
                 unset {variable} once, for what the model computes may depend on that file",
                names.join(" or ")
            ),
        };
        Error::new(Kind::Network, message)
    }

    fn about(&self, refusal: &Refusal, revision: &str) -> String {
        let (id, page) = (&self.model.id, self.page());
        if refusal.storage.is_some() {
            return format!("try again later, or {}", self.elsewhere);
        }
        let is_closed = matches!(refusal.status, 401 | 403);
        match (refusal.status, refusal.code.as_str()) {
            (_, "GatedRepo") => format!(
                "its owners show {id} only to whom they know: ask for access at {page}, and {}",
                self.about_token()
            ),
            (_, "RevisionNotFound") if revision != self.model.revision => format!(
                "{id} has no commit {revision} any more, as the cache has it: remove {} to fetch what {} is now",
                self.cache.reference(&self.model.revision).display(),
                self.model.revision
            ),
            (_, "RevisionNotFound") => {
                format!("{id} has no branch, tag or commit {revision}: {page}/tree/main lists them")
            }
            (_, "EntryNotFound") => {
                format!("{id} has no such file, though it lists it: look at {page}/tree/main")
            }
            (_, "RepoNotFound") | (404, _) => self.about_name(),
            _ if is_closed => self.about_name(),
            (429, _) => match refusal.wait {
                Some(wait) => format!(
                    "it has been asked too often: try again in {} s",
                    wait.as_secs()
                ),
                None => "it has been asked too often: try again later".to_owned(),
            },
            (500.., _) => format!("try again later, or {}", self.elsewhere),
            _ => self.elsewhere.clone(),
        }
    }

    fn about_name(&self) -> String {
        let id = &self.model.id;
        let last = id.rsplit('/').next().unwrap_or(id);
        let meant = match meant(id).or_else(|| meant(last)) {
            Some(name) => format!(" (did you mean {name}?)"),
            None => String::new(),
        };
        format!(
            "there is no folder {id} here and no such repository there, or it is private: check the name{meant}; for a \
             private one, {}",
            self.about_token()
        )
    }

    fn about_token(&self) -> String {
        let file = self.environment.token_file.display();
        match &self.environment.token {
            None => format!(
                "set HF_TOKEN to a token that may read it, from {TOKENS}, or put the token into {file}"
            ),
            Some(token) => format!(
                "see that the token in {} is valid and may read it: {TOKENS}",
                token.from
            ),
        }
    }

    /// The repository's page.
    fn page(&self) -> String {
        format!("{}/{}", self.environment.endpoint, self.model.id)
    }
}
