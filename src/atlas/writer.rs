//! Puts pictures into an atlas: whole, and in the journal only when they are in their places.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::folder::{Files, Folder};
use super::held::{self, Held};
use super::journal::{Busy, Entry, Event, Journal};
use super::plan::{Item, Plan};
use super::within;
use crate::error::{Result, bail};
use crate::input::sha256;
use crate::output::file::{self, Pending};

/// The one process that appends to a journal of an atlas.
pub struct Writer {
    folder: Folder,
    held: Held,
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
    /// Opens the journal `name` of the atlas of a plan, which is begun where it is missing, and extended where
    /// it has fewer units.
    ///
    /// # Errors
    /// When the folder cannot be written to, holds another plan or what is no atlas, or another process has the
    /// journal and that is not waited for, or is at work on the plan of fewer units.
    pub fn open(folder: Folder, plan: &Plan, name: &str, busy: Busy) -> Result<Self> {
        if folder.plan()?.is_none() {
            folder.check_vacant()?;
            if folder.has_begun() {
                folder.events(plan)?;
            }
        }
        file::prepare_folder(folder.path())?;
        // The plan comes first: from then on whoever looks sees an atlas.
        held::put(&folder, plan)?;
        held::known(&folder, plan)?;
        folder.make_journals()?;
        let mut journal = Journal::open(&folder.journal(name), busy)?;
        let held = Held::new(&folder, plan, &mut journal)?;
        let taps = held.plan().parts.iter().map(|part| &part.units.tap);
        let taps: Vec<_> = taps
            .map(|tap| folder.make_for_tap(tap))
            .collect::<Result<_>>()?;
        let pending = folder.make_pending(name)?;
        for path in taps.iter().flatten() {
            within::prove_moves(&pending, path)?;
        }
        Ok(Self {
            folder,
            held,
            journal: Mutex::new(journal),
            staged: Mutex::default(),
            pending,
        })
    }

    /// The atlas's folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The folder's plan, which does not change as long as this process is at work.
    pub fn plan(&self) -> &Plan {
        self.held.plan()
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
    /// what the journal will have of it, with its share of the seconds that its batch climbed and the pictures in
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

    /// Finds out whether the plan and the journal are what they were when this process began. Where one is gone
    /// it is written again: without it the pictures that are done would be rendered again.
    ///
    /// # Errors
    /// When one was removed or replaced, or the folder is gone.
    pub fn check_in_place(&self) -> Result<()> {
        let folder = self.folder.path();
        if !folder.is_dir() {
            bail!(
                Io,
                "the folder {} is gone: put it back where it was",
                folder.display()
            );
        }
        let plan = self.folder.plan_file();
        let found = self.folder.plan()?;
        if found.is_none() {
            held::put(&self.folder, self.plan())?;
        }
        self.folder.make_journals()?;
        let journal = self.journal.lock();
        let journal = journal
            .unwrap_or_else(PoisonError::into_inner)
            .check_in_place();
        match found {
            Some(found) if found == *self.plan() => journal,
            Some(_) => bail!(
                Input,
                "{} was replaced by another plan while this ran: put the plan of these pictures back, or begin another atlas",
                plan.display()
            ),
            None => bail!(
                Input,
                "{} was removed while this ran, and is written again: look who removed it",
                plan.display()
            ),
        }
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
