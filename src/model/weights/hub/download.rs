//! A file comes: from where it stopped, and checked before it gets its name.

use std::path::PathBuf;
use std::time::Duration;

use ureq::http::Uri;

use super::cache::Cache;
use super::client::Client;
use super::lock;
use super::part::Part;
use super::route::{Facts, Route};
use super::trouble::{Attempts, Trouble};
use crate::error::{Error, Kind};
use crate::input::sha256;
use crate::model::weights::downloads::Downloads;

/// How often a lock is tried that another process holds.
const TICK: Duration = Duration::from_millis(200);

/// Digits of the ETags of small files, which are not of their bytes alone.
const GIT_DIGITS: usize = 40;

/// A file of a repository that is to come into the cache.
pub struct Download<'a> {
    pub client: &'a Client<'a>,
    pub cache: &'a Cache,
    pub downloads: &'a dyn Downloads,
    /// The file's path in the repository, and what the user calls it.
    pub file: &'a str,
    pub title: &'a str,
    /// The commit that the file is to be of.
    pub commit: &'a str,
    /// Whether the file is asked for by another name of the commit, which must be told to be that.
    pub must_tell_commit: bool,
    /// Whether the blob that is there is not what it should be.
    pub replaces: bool,
}

impl Download<'_> {
    /// Fetches the file from its address.
    ///
    /// # Errors
    /// When it cannot be fetched, or is not what the hub said of it.
    pub fn run(&self, address: &Uri) -> Result<PathBuf, Trouble> {
        let mut part = None;
        let fetched = self
            .client
            .patiently(|attempts| self.attempt(address, &mut part, attempts));
        let keeps = |part: &Part| part.is_checked() && part.length() > 0;
        let etag = fetched.map_err(|trouble| Trouble {
            keeps: part.as_ref().is_some_and(keeps),
            ..trouble
        })?;
        if let Some(part) = part {
            part.finish(&self.cache.blob(&etag))
                .map_err(|error| self.unwritable(error))?;
        }
        self.cache
            .name(&etag, self.commit, self.file)
            .map_err(|error| self.unwritable(error))
    }

    /// Fetches what is not there yet. The file's ETag.
    fn attempt(
        &self,
        address: &Uri,
        held: &mut Option<Part>,
        attempts: &mut Attempts,
    ) -> Result<String, Trouble> {
        let mut route = Route::new(address.clone());
        loop {
            if let Some(etag) = self.finished(&route.facts, held)? {
                return Ok(etag);
            }
            let from = held.as_ref().map_or(0, Part::length);
            let response = match self.client.step(&mut route, from) {
                Ok(Some(response)) => response,
                Ok(None) => continue,
                Err(trouble) if from > 0 && trouble.is_beyond_the_end() => {
                    self.restart(held)?;
                    continue;
                }
                Err(trouble) => return Err(trouble),
            };
            // The last answer may be the only one to tell what it has.
            if let Some(etag) = self.finished(&route.facts, held)? {
                return Ok(etag);
            }
            let (Some(part), Some(_)) = (&mut *held, &route.facts.etag) else {
                let host = route.host();
                let what = format!(
                    "{host} does not tell which version of {} it has",
                    self.title
                );
                return Err(Trouble::lasting(what));
            };
            // What is there already is not asked for a second time, nor is anything joined that is of another version.
            if part.length() == from {
                self.receive(part, &route, response, attempts)?;
                return Ok(part.etag().to_owned());
            }
        }
    }

    fn restart(&self, held: &mut Option<Part>) -> Result<(), Trouble> {
        let restarted = held.as_mut().map_or(Ok(()), Part::restart);
        restarted.map_err(|error| self.unwritable(error))
    }

    /// What the blob is called. An ETag that is not the hub's tells nothing of the content, and other files may have
    /// it too.
    fn etag(&self, facts: &Facts) -> Option<String> {
        let etag = facts.etag.as_ref()?;
        match facts.is_etag_of_hub {
            true => Some(etag.clone()),
            false => {
                let all = format!("{}/{}/{etag}", self.commit, self.file);
                let mut name = sha256(all.as_bytes());
                name.truncate(GIT_DIGITS);
                Some(name)
            }
        }
    }

    /// # Errors
    /// When an answer is of another commit, or does not tell of which where it must.
    fn check_commit(&self, facts: &Facts) -> Result<(), Trouble> {
        match &facts.commit {
            Some(commit) if commit != self.commit => Err(Trouble::lasting(format!(
                "the hub sends another commit of {} than the one that was asked for",
                self.title
            ))),
            None if self.must_tell_commit && facts.etag.is_some() => {
                Err(Trouble::lasting(format!(
                    "the hub does not tell of which commit its {} is",
                    self.title
                )))
            }
            _ => Ok(()),
        }
    }

    /// As soon as the ETag is known, locks the blob and opens its part. The ETag, where nothing is left to fetch.
    fn finished(&self, facts: &Facts, held: &mut Option<Part>) -> Result<Option<String>, Trouble> {
        self.check_commit(facts)?;
        let Some(etag) = &self.etag(facts) else {
            return Ok(None);
        };
        if let Some(other) = held.take_if(|part| part.etag() != etag) {
            other.discard();
        }
        if held.is_none() {
            let lock = self.lock(etag)?;
            if !self.replaces && self.cache.blob(etag).is_file() {
                return Ok(Some(etag.clone()));
            }
            self.downloads
                .waits(&format!("looking at what is there of {}", self.title));
            let part = Part::open(self.cache, etag, lock);
            *held = Some(part.map_err(|error| self.unwritable(error))?);
        }
        let Some(part) = held else {
            return Ok(None);
        };
        let is_whole = facts.size.is_none_or(|size| size == part.length());
        let is_right = is_whole && part.is_right().map_err(|error| self.unwritable(error))?;
        // What cannot be checked is not joined; neither is what is too long, or wrong.
        let is_useless = !part.is_checked() || facts.size.is_some_and(|size| part.length() >= size);
        if is_useless && !is_right {
            part.restart().map_err(|error| self.unwritable(error))?;
        }
        Ok(is_right.then(|| etag.clone()))
    }

    fn lock(&self, etag: &str) -> Result<Option<std::fs::File>, Trouble> {
        let mut is_said = false;
        let wait = || {
            let what = format!("another process is fetching {}: waiting for it", self.title);
            if !is_said {
                self.downloads.remark(&what);
                is_said = true;
            }
            self.downloads.waits(&what);
            self.client.pause(TICK).map_err(LockTrouble::Stopped)
        };
        lock::take(&self.cache.lock(etag), wait).map_err(|trouble| match trouble {
            LockTrouble::Stopped(error) => error.into(),
            LockTrouble::System(error) => self.unwritable(error),
        })
    }

    pub(super) fn unwritable(&self, error: std::io::Error) -> Trouble {
        let message = format!(
            "cannot keep {} in the cache {}: make room there or set HF_HUB_CACHE to another folder",
            self.title,
            self.cache.folder().display()
        );
        Error::new(Kind::Io, message).caused_by(error).into()
    }
}

enum LockTrouble {
    Stopped(Error),
    System(std::io::Error),
}

impl From<std::io::Error> for LockTrouble {
    fn from(error: std::io::Error) -> Self {
        Self::System(error)
    }
}
