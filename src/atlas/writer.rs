//! Puts pictures into an atlas: whole, and in the journal only when they are in their places.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::folder::{Files, Folder};
use super::journal::{Entry, Event, Journal};
use super::plan::{Item, Plan};
use crate::error::{Error, Result, bail};
use crate::input::sha256;
use crate::output::file::{self, Pending};

/// The one process that appends to a journal of an atlas.
pub struct Writer {
    folder: Folder,
    journal: Mutex<Journal>,
    staged: Mutex<Vec<Staged>>,
    pending: PathBuf,
}

/// A picture whose files are written, and not yet in their places.
struct Staged {
    files: [Pending; 3],
    entry: Entry,
}

/// Pictures that are put into their places together: what they wait for the disk, they wait once.
const TOGETHER: usize = 32;

/// What one picture's files hold.
pub struct Bytes {
    /// The PNG.
    pub picture: Vec<u8>,
    /// Its sidecar.
    pub sidecar: Vec<u8>,
    /// The tap's response.
    pub response: Vec<u8>,
}

impl Writer {
    /// Opens the journal `name` of the atlas of a plan, which is begun where it is missing.
    ///
    /// # Errors
    /// When the folder cannot be written to, holds another plan, or another process has the
    /// journal.
    pub fn open(folder: Folder, plan: &Plan, name: &str) -> Result<Self> {
        let pending = folder.pending(name);
        for path in [folder.path(), &folder.journals(), &pending] {
            file::prepare_folder(path)?;
        }
        for part in &plan.parts {
            for path in folder.of_tap(&part.units.tap) {
                file::prepare_folder(&path)?;
            }
        }
        let journal = Journal::open(&folder.journal(name))?;
        // What is here was left by a process that died: the journal's lock keeps others away.
        let refused = |source| Error::io("cannot write into the folder", &pending, source);
        fs::remove_dir_all(&pending).map_err(refused)?;
        fs::create_dir(&pending).map_err(refused)?;
        put_plan(&folder, plan, &pending)?;
        Ok(Self {
            folder,
            journal: Mutex::new(journal),
            staged: Mutex::default(),
            pending,
        })
    }

    /// The atlas's folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Appends lines to the journal.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn append(&self, events: &[Event]) -> Result<()> {
        let journal = self.journal.lock();
        journal
            .unwrap_or_else(PoisonError::into_inner)
            .append(events)
    }

    /// Writes a picture's files, which [`Writer::settle`] puts in their places, at the latest; says
    /// what the journal will have of it, with the seconds that its batch climbed and the pictures in
    /// that batch.
    ///
    /// # Errors
    /// When the system refuses; nothing is then half written.
    pub fn put(&self, item: &Item, bytes: &Bytes, (seconds, batch): (f64, usize)) -> Result<Entry> {
        let Files {
            picture,
            sidecar,
            response,
        } = self.folder.files(item);
        let stage = |path: &Path, bytes: &[u8]| file::stage_in(&self.pending, path, bytes);
        let files = [
            stage(&picture, &bytes.picture)?,
            stage(&response, &bytes.response)?,
            stage(&sidecar, &bytes.sidecar)?,
        ];
        let entry = Entry {
            item: item.clone(),
            picture: sha256(&bytes.picture),
            sidecar: sha256(&bytes.sidecar),
            response: sha256(&bytes.response),
            seconds,
            batch,
        };
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        staged.push(Staged {
            files,
            entry: entry.clone(),
        });
        if staged.len() >= TOGETHER {
            let enough = std::mem::take(&mut *staged);
            drop(staged);
            self.place(enough)?;
        }
        Ok(entry)
    }

    /// Puts in their places what is written; then, and only then, the journal has it.
    ///
    /// # Errors
    /// When the system refuses; nothing is then half written.
    pub fn settle(&self) -> Result<()> {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        let all = std::mem::take(&mut *staged);
        drop(staged);
        self.place(all)
    }

    fn place(&self, staged: Vec<Staged>) -> Result<()> {
        let (files, events): (Vec<_>, Vec<_>) = staged
            .into_iter()
            .map(|staged| (staged.files, Event::Done(staged.entry)))
            .unzip();
        file::finish(files.into_iter().flatten().map(Ok))?;
        match events.is_empty() {
            true => Ok(()),
            false => self.append(&events),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It is empty, and does no harm where it cannot be removed.
        let _ = fs::remove_dir(&self.pending);
    }
}

/// Writes the plan where there is none yet; several processes may try.
fn put_plan(folder: &Folder, plan: &Plan, pending: &Path) -> Result<()> {
    let path = folder.plan_file();
    if !path.exists() {
        let staged = file::stage_in(pending, &path, &plan.to_json()?)?;
        match staged.finish_new() {
            Err(source) if source.kind() != ErrorKind::AlreadyExists => {
                return Err(Error::io("cannot write", &path, source));
            }
            _ => {}
        }
    }
    match folder.plan()? {
        Some(known) if known == *plan => Ok(()),
        _ => bail!(
            Request,
            "{} holds an atlas of another plan: give another --out",
            folder.path().display()
        ),
    }
}
