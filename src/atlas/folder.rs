//! Where an atlas's files lie.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::journal::{self, Entry, Event};
use super::plan::{Item, Plan};
use crate::backend::threads::map_images;
use crate::error::{Context, Error, Result, bail};
use crate::input::digest;

const PICTURES: &str = "pictures";
const RESPONSES: &str = "responses";

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
        self.0.join("journal")
    }

    /// The journal of this name.
    pub fn journal(&self, name: &str) -> PathBuf {
        self.journals().join(format!("{name}.jsonl"))
    }

    /// The folder for the files in the making of the journal of this name.
    pub fn pending(&self, name: &str) -> PathBuf {
        self.journals().join(format!("{name}.pending"))
    }

    /// The folders of a tap's files.
    pub fn of_tap(&self, tap: &str) -> [PathBuf; 2] {
        [PICTURES, RESPONSES].map(|name| self.0.join(name).join(tap))
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
            Err(source)
                if matches!(
                    source.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(source) => Err(Error::io("cannot read", &path, source)),
        }
    }

    /// What every journal of the folder holds, for the plan of this digest.
    ///
    /// # Errors
    /// When one cannot be read, or is of another plan.
    pub fn events(&self, plan: &str) -> Result<Vec<Event>> {
        let folder = self.journals();
        let unreadable = |source| Error::io("cannot read", &folder, source);
        let mut paths = Vec::new();
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|ending| ending == "jsonl") {
                paths.push(path);
            }
        }
        paths.sort();
        let mut events = Vec::new();
        for path in paths {
            for event in journal::read(&path)? {
                if let Event::Begin { plan: other, .. } = &event
                    && other != plan
                {
                    bail!(
                        Input,
                        "{} is the journal of another plan: take it away, or begin another atlas",
                        path.display()
                    );
                }
                events.push(event);
            }
        }
        Ok(events)
    }

    /// The plan's pictures that are done: a journal says so, and their files are in their places with
    /// the bytes that they had then.
    ///
    /// # Errors
    /// When a journal cannot be read, or is of another plan.
    pub fn done(&self, plan: &Plan) -> Result<HashMap<Item, Entry>> {
        let mut known: HashMap<Item, Entry> = HashMap::new();
        for event in self.events(&plan.digest()?)? {
            if let Event::Done(entry) = event {
                known.insert(entry.item.clone(), entry);
            }
        }
        let known: Vec<Entry> = plan
            .items()
            .filter_map(|item| known.remove(&item))
            .collect();
        let held = map_images(known, |_, entry| self.holds(&entry).then_some(entry));
        let held = held.into_iter().flatten();
        Ok(held.map(|entry| (entry.item.clone(), entry)).collect())
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
