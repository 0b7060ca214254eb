//! Repositories of the Hugging Face hub, and the cache that its tools share.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::downloads::Downloads;
use super::package::Files;
use crate::error::{Kind, bail};
use crate::model::spec::HubModel;
use crate::{Error, Result};

mod address;
mod advice;
mod cache;
mod client;
mod download;
mod environment;
mod fetch;
mod json;
mod listing;
mod lock;
mod mend;
mod part;
mod place;
mod promise;
mod receive;
mod roots;
mod route;
mod token;
mod trouble;

use cache::{Cache, Known};
use client::Client;
use environment::Environment;
use json::Json;
use listing::Listing;

/// A repository, of which only the files that are asked for are fetched.
pub(super) struct Repository<'w> {
    model: HubModel,
    environment: Environment,
    cache: Cache,
    downloads: &'w dyn Downloads,
    /// What to do where the hub is out of reach.
    elsewhere: String,
    /// Whether all is known of its weights but their numbers.
    is_published: bool,
    client: OnceCell<Client<'w>>,
    listing: OnceCell<Listing>,
    /// All files are of one commit: the cache's, once something of it was used.
    commit: RefCell<Option<String>>,
    is_pinned: Cell<bool>,
    /// Files that were handed out.
    used: RefCell<BTreeMap<String, PathBuf>>,
    /// Files whose blobs are to be replaced.
    damaged: RefCell<BTreeSet<String>>,
    /// What files of JSON turned out to be.
    texts: RefCell<BTreeMap<String, Json>>,
}

impl<'w> Repository<'w> {
    /// A repository of the hub of this process's environment. Nothing is fetched yet. `elsewhere` tells what to do
    /// where the hub is out of reach.
    ///
    /// # Errors
    /// When a variable of the environment has a value that cannot be used.
    pub fn new(model: &HubModel, elsewhere: String, downloads: &'w dyn Downloads) -> Result<Self> {
        let environment = Environment::read()?;
        let cache = Cache::new(&environment.cache, &model.id, environment.links);
        Ok(Self {
            commit: RefCell::new(cache.commit(&model.revision)),
            model: model.clone(),
            environment,
            cache,
            downloads,
            elsewhere,
            is_published: false,
            client: OnceCell::new(),
            listing: OnceCell::new(),
            is_pinned: Cell::new(false),
            used: RefCell::default(),
            damaged: RefCell::default(),
            texts: RefCell::default(),
        })
    }

    /// The same repository, of weights whose configuration is known.
    #[must_use]
    pub fn published(self) -> Self {
        Self {
            is_published: true,
            ..self
        }
    }

    /// What the cache knows of a file; nothing of one that is damaged, which is fetched again.
    fn look(&self, name: &str) -> Known {
        if let Some(path) = self.used.borrow().get(name) {
            return Known::Here(path.clone());
        }
        let known = match &*self.commit.borrow() {
            Some(commit) => self.cache.look(commit, &self.path(name)),
            None => Known::Nothing,
        };
        match known {
            Known::Here(path) if self.is_damaged(name, &path) => Known::Nothing,
            known => known,
        }
    }

    /// Whether a file in the cache is to be fetched again, which is said.
    fn is_damaged(&self, name: &str, path: &Path) -> bool {
        if self.environment.offline.is_some() || self.json(name, path) != Json::Broken {
            return false;
        }
        if self.damaged.borrow_mut().insert(name.to_owned()) {
            let path = path.display();
            self.downloads.remark(&format!(
                "{path} in the cache is damaged, it is not JSON; fetching it again"
            ));
        }
        true
    }

    fn json(&self, name: &str, path: &Path) -> Json {
        if !name.ends_with(".json") {
            return Json::Sound;
        }
        let mut texts = self.texts.borrow_mut();
        *texts
            .entry(name.to_owned())
            .or_insert_with(|| Json::of(path))
    }

    fn hand_out<'n>(&self, name: &'n str, path: PathBuf) -> Result<Option<(&'n str, PathBuf)>> {
        self.is_pinned.set(true);
        self.check_json(name, &path)?;
        self.used.borrow_mut().insert(name.to_owned(), path.clone());
        Ok(Some((name, path)))
    }

    /// A file's path in the repository.
    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.model.folder)
    }

    fn client(&self) -> Result<&Client<'w>> {
        match self.client.get() {
            Some(client) => Ok(client),
            None => {
                let client = Client::new(&self.environment, self.downloads)?;
                Ok(self.client.get_or_init(|| client))
            }
        }
    }

    /// The files of the commit that is read, which is the hub's newest unless the cache has told it.
    /// Asks once only, where that is not needed.
    fn listing(&self, is_needed: bool) -> Result<&Listing> {
        if let Some(listing) = self.listing.get() {
            return Ok(listing);
        }
        let listing = self.ask_for_listing(is_needed);
        self.downloads.ends();
        let listing = listing?;
        Ok(self.listing.get_or_init(|| listing))
    }

    fn ask_for_listing(&self, is_needed: bool) -> Result<Listing> {
        if let Some(variable) = self.environment.offline {
            bail!(Network, "{variable} is set");
        }
        let client = self.client()?;
        let ask = |revision: &str| Listing::ask(client, &self.model.id, revision, is_needed);
        let newest = &self.model.revision;
        let mut listing = ask(newest).map_err(|trouble| self.explain(trouble, newest))?;
        let pinned = self
            .commit
            .borrow()
            .clone()
            .filter(|_| self.is_pinned.get());
        match pinned {
            Some(commit) if commit != listing.commit => {
                listing = ask(&commit).map_err(|trouble| self.explain(trouble, &commit))?;
            }
            Some(_) => {}
            None => {
                self.cache
                    .note_commit(&self.model.revision, &listing.commit);
                self.commit.replace(Some(listing.commit.clone()));
            }
        }
        Ok(listing)
    }

    /// Takes what the cache has, where the hub does not tell whether there is better, or does not give it.
    fn fall_back<'n>(
        &self,
        names: &[&'n str],
        held: Option<(&'n str, PathBuf)>,
        error: Error,
    ) -> Result<Option<(&'n str, PathBuf)>> {
        let (name, path) = match held {
            Some(held) if error.kind() != Kind::Interrupted => held,
            _ => return Err(self.unknown(names, error)),
        };
        if self.environment.offline.is_none() {
            let id = &self.model.id;
            self.downloads.remark(&format!(
                "{}; taking {name} of {id}, which the cache has",
                error.report()
            ));
        }
        self.hand_out(name, path)
    }
}

impl Files for Repository<'_> {
    fn tell_settings(&self) -> bool {
        !self.is_published
    }

    fn first<'n>(&self, names: &[&'n str]) -> Result<Option<(&'n str, PathBuf)>> {
        let mut held = None;
        let mut is_certain = true;
        for &name in names {
            match self.look(name) {
                Known::Absent => {}
                Known::Here(path) => {
                    held = Some((name, path));
                    break;
                }
                Known::Nothing => is_certain = false,
            }
        }
        match held {
            Some((name, path)) if is_certain => return self.hand_out(name, path),
            None if is_certain => return Ok(None),
            // A better one is to be of the commit that this one is of.
            Some(_) => self.is_pinned.set(true),
            None => {}
        }
        let listing = match self.listing(held.is_none()) {
            Ok(listing) => listing,
            Err(error) => return self.fall_back(names, held, error),
        };
        let commit = listing.commit.clone();
        for &name in names {
            if !listing.has(&self.path(name)) {
                self.cache.note_absent(&commit, &self.path(name));
                continue;
            }
            let path = match self.look(name) {
                Known::Here(path) => path,
                _ => match self.fetch(name) {
                    Ok(path) => path,
                    Err(error) => return self.fall_back(names, held, error),
                },
            };
            return self.hand_out(name, path);
        }
        Ok(None)
    }
}
