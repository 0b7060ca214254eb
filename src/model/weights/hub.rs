//! Repositories of the Hugging Face hub, and the cache that its tools share.

use std::cell::OnceCell;
use std::path::PathBuf;

use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo};

use super::package::Files;
use crate::error::{Kind, bail};
use crate::{Error, Result};

/// A repository, of which only the files that are asked for are fetched.
pub(super) struct Repository {
    repo: Repo,
    cache: Cache,
    /// None where HF_HUB_OFFLINE forbids to ask the hub.
    remote: Option<ApiRepo>,
    listing: OnceCell<Vec<String>>,
}

impl Repository {
    /// The repository `owner/name`. Nothing is fetched yet.
    pub fn new(id: &str, show_progress: bool) -> Result<Self> {
        if std::env::var_os("HF_HOME").is_none() && std::env::home_dir().is_none() {
            bail!(
                Io,
                "there is no home folder to keep downloads in: set HF_HOME to a folder"
            );
        }
        let repo = Repo::model(id.to_owned());
        let remote = match is_offline() {
            true => None,
            false => {
                let api = ApiBuilder::from_env().with_progress(show_progress).build();
                Some(
                    api.map_err(|error| hub_error(id, error))?
                        .repo(repo.clone()),
                )
            }
        };
        Ok(Self {
            repo,
            cache: Cache::from_env(),
            remote,
            listing: OnceCell::new(),
        })
    }

    /// Whether only the cache is looked at.
    pub fn is_offline(&self) -> bool {
        self.remote.is_none()
    }

    /// The folder of the cache that keeps this repository.
    pub fn folder(&self) -> PathBuf {
        self.cache.path().join(self.repo.folder_name())
    }

    fn listing(&self, remote: &ApiRepo) -> Result<&[String]> {
        if let Some(listing) = self.listing.get() {
            return Ok(listing);
        }
        let info = remote
            .info()
            .map_err(|error| hub_error(&self.repo.url(), error))?;
        let names = info
            .siblings
            .into_iter()
            .map(|sibling| sibling.rfilename)
            .collect();
        Ok(self.listing.get_or_init(|| names))
    }
}

impl Files for Repository {
    fn first<'n>(&self, names: &[&'n str]) -> Result<Option<(&'n str, PathBuf)>> {
        let cache = self.cache.repo(self.repo.clone());
        let cached = names
            .iter()
            .find_map(|&name| Some((name, cache.get(name)?)));
        let is_best = cached
            .as_ref()
            .is_some_and(|(name, _)| names.first() == Some(name));
        let remote = match &self.remote {
            Some(remote) if !is_best => remote,
            _ => return Ok(cached),
        };
        // A worse file in the cache, left by another tool, does not stand for a better one.
        let listing = match (self.listing(remote), cached) {
            (Err(_), Some(cached)) => return Ok(Some(cached)),
            (listing, _) => listing?,
        };
        let Some(&name) = names
            .iter()
            .find(|&&name| listing.iter().any(|file| file == name))
        else {
            return Ok(None);
        };
        if let Some(path) = cache.get(name) {
            return Ok(Some((name, path)));
        }
        let path = remote.download(name).map_err(|error| {
            let message = format!("the download of {name} from {} failed", self.repo.url());
            Error::new(Kind::Network, message).caused_by(error)
        })?;
        Ok(Some((name, path)))
    }
}

fn hub_error(id: &str, error: ApiError) -> Error {
    let status = error.to_string();
    let refused = [401, 403, 404].map(|code| format!("http status: {code}"));
    let message = match refused.iter().any(|refusal| status.contains(refusal)) {
        true => format!("the hub has no repository {id}, or does not show it to you"),
        false => format!("the hub cannot be reached to look for {id}"),
    };
    Error::new(Kind::Network, message).caused_by(error)
}

fn is_offline() -> bool {
    std::env::var("HF_HUB_OFFLINE").is_ok_and(|value| means_yes(&value))
}

fn means_yes(value: &str) -> bool {
    ["1", "true", "yes", "on"].contains(&value.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests;
