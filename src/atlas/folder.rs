//! Where an atlas's files lie.

use std::collections::{HashMap, HashSet};
use std::fs;

use std::path::{Path, PathBuf};

use super::journal::{self, Entry, Event};
use super::plan::{Item, Plan};
use super::shard::Shard;
use super::within;
use crate::backend::threads::map_images;
use crate::error::{Context, Error, Result, bail};
use crate::input::digest;
use crate::output::file::is_missing;
use crate::output::temporary;

const PICTURES: &str = "pictures";
const RESPONSES: &str = "responses";
const JOURNALS: &str = "journal";

/// The ending of a journal's folder of files in the making.
const PENDING: &str = "pending";

/// The shards that began.
pub fn begun(events: &[Event]) -> Vec<Shard> {
    let shard = |event: &Event| match event {
        Event::Begin { shard, .. } => Some(*shard),
        _ => None,
    };
    events.iter().filter_map(shard).collect()
}

/// The digest of a plan, with those of all plans that grew into it.
fn with_parts<'a>(
    plan: String,
    events: impl Iterator<Item = &'a Event> + Clone,
) -> HashSet<String> {
    let mut plans = HashSet::from([plan]);
    loop {
        let known = plans.len();
        for event in events.clone() {
            if let Event::Grow { from, to } = event
                && plans.contains(to)
            {
                plans.insert(from.clone());
            }
        }
        if plans.len() == known {
            return plans;
        }
    }
}

/// An atlas's folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

/// One picture's files.
#[derive(Debug, Clone)]
pub struct Files {
    /// The PNG.
    pub picture: PathBuf,
    /// Its sidecar.
    pub sidecar: PathBuf,
    /// An `.npy` of the tap's `(channels)` standard scores, `f32`.
    pub response: PathBuf,
}

impl Folder {
    /// The folder at this path, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the plan lies.
    pub fn plan_file(&self) -> PathBuf {
        self.0.join("plan.json")
    }

    /// The folder of the journals.
    pub fn journals(&self) -> PathBuf {
        self.0.join(JOURNALS)
    }

    /// The journal of this name.
    pub fn journal(&self, name: &str) -> PathBuf {
        self.journals().join(format!("{name}.jsonl"))
    }

    /// Makes the folder for the files in the making of the journal of this name.
    ///
    /// # Errors
    /// When the system refuses, or a link lies on the way.
    pub fn make_pending(&self, name: &str) -> Result<PathBuf> {
        within::make(&self.0, &format!("{JOURNALS}/{name}.{PENDING}"))
    }

    /// Makes the folders of a tap's files.
    ///
    /// # Errors
    /// When the system refuses, or a link lies on the way.
    pub fn make_for_tap(&self, tap: &str) -> Result<[PathBuf; 2]> {
        let make = |name: &str| within::make(&self.0, &format!("{name}/{tap}"));
        Ok([make(PICTURES)?, make(RESPONSES)?])
    }

    /// Makes the folder of the journals, and removes what processes that died have left half written there.
    ///
    /// # Errors
    /// When the system refuses, or a link lies on the way.
    pub fn make_journals(&self) -> Result<()> {
        let folder = within::make(&self.0, JOURNALS)?;
        let entries = fs::read_dir(&folder);
        let entries = entries.map_err(|source| Error::io("cannot read", &folder, source))?;
        for entry in entries.flatten() {
            let is_pending = entry
                .path()
                .extension()
                .is_some_and(|ending| ending == PENDING);
            if is_pending && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                temporary::sweep(&entry.path());
            }
        }
        Ok(())
    }

    /// Where a picture's files lie.
    pub fn files(&self, item: &Item) -> Files {
        let picture = self.0.join(PICTURES).join(format!("{item}.png"));
        Files {
            sidecar: picture.with_extension("json"),
            picture,
            response: self.0.join(RESPONSES).join(format!("{item}.npy")),
        }
    }

    /// Whether pictures of a plan, which may be lost, were rendered or brought here.
    pub fn has_begun(&self) -> bool {
        let journals = self.journal_files().unwrap_or_default();
        journals
            .iter()
            .any(|path| journal::read(path).is_ok_and(|events| !events.is_empty()))
    }

    /// The plan that the atlas was begun with; none where there is no atlas.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub fn plan(&self) -> Result<Option<Plan>> {
        let path = self.plan_file();
        match fs::read(&path) {
            Ok(text) => Plan::from_json(&text)
                .context(|| format!("cannot go on with {}", path.display()))
                .map(Some),
            Err(source) if is_missing(source.kind()) => Ok(None),
            Err(source) => Err(Error::io("cannot read", &path, source)),
        }
    }

    /// What every journal of the folder holds, for this plan and those that grew into it.
    ///
    /// # Errors
    /// When one cannot be read, or is of another plan.
    pub fn events(&self, plan: &Plan) -> Result<Vec<Event>> {
        let paths = self.journal_files()?;
        let journals = paths.iter().map(|path| journal::read(path));
        let journals: Vec<Vec<Event>> = journals.collect::<Result<_>>()?;
        let plans = with_parts(plan.digest()?, journals.iter().flatten());
        for (path, events) in paths.iter().zip(&journals) {
            let is_foreign = |event: &Event| match event {
                Event::Begin { plan, .. } => !plans.contains(plan),
                _ => false,
            };
            if events.iter().any(is_foreign) {
                bail!(
                    Input,
                    "{} is the journal of another plan: take it away, or begin another atlas",
                    path.display()
                );
            }
        }
        Ok(journals.into_iter().flatten().collect())
    }

    /// The shards in which the plan was rendered until now, those that began several times as often; none
    /// where there is no journal.
    ///
    /// # Errors
    /// When a journal cannot be read, or is of another plan.
    pub fn begun(&self, plan: &Plan) -> Result<Vec<Shard>> {
        Ok(begun(&self.events(plan)?))
    }

    /// The journals that there are.
    fn journal_files(&self) -> Result<Vec<PathBuf>> {
        let folder = self.journals();
        let unreadable = |source| Error::io("cannot read", &folder, source);
        let mut paths = Vec::new();
        let entries = match fs::read_dir(&folder) {
            Err(source) if is_missing(source.kind()) => return Ok(paths),
            entries => entries.map_err(unreadable)?,
        };
        for entry in entries {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|ending| ending == "jsonl") {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    /// The plan's pictures that are done: a journal says so, and their files are in their places with
    /// the bytes that they had then.
    ///
    /// # Errors
    /// When a journal cannot be read, or is of another plan.
    pub fn done(&self, plan: &Plan) -> Result<HashMap<Item, Entry>> {
        let mut known = self.recorded(plan)?;
        let known: Vec<Entry> = plan
            .items()
            .filter_map(|item| known.remove(&item))
            .collect();
        let held = map_images(known, |_, entry| self.holds(&entry).then_some(entry));
        let held = held.into_iter().flatten();
        Ok(held.map(|entry| (entry.item.clone(), entry)).collect())
    }

    /// What the journals say is done, whatever lies in its place.
    ///
    /// # Errors
    /// When a journal cannot be read, or is of another plan.
    pub fn recorded(&self, plan: &Plan) -> Result<HashMap<Item, Entry>> {
        let events = self.events(plan)?.into_iter();
        let entries = events.filter_map(|event| match event {
            Event::Done(entry) => Some((entry.item.clone(), entry)),
            _ => None,
        });
        Ok(entries.collect())
    }

    /// Whether a picture's files are in their places, with the bytes that they had when it was
    /// done.
    fn holds(&self, entry: &Entry) -> bool {
        let Files {
            picture,
            sidecar,
            response,
        } = self.files(&entry.item);
        let is = |path: &Path, sha256: &str| digest(path).is_ok_and(|found| found == sha256);
        is(&picture, &entry.picture)
            && is(&sidecar, &entry.sidecar)
            && is(&response, &entry.response)
    }
}
