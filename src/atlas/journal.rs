//! What was done, a line a picture, each with a checksum; lines are only ever appended.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::Item;
use super::shard::Shard;
use super::spelled;
use super::within;
use crate::error::{Error, Kind, Result, bail};
use crate::input::sha256;
use crate::output::file;

/// A line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A process began to work on the plan.
    Begin {
        /// The plan's digest.
        plan: String,
        /// The process's share of it.
        #[serde(with = "spelled")]
        shard: Shard,
        /// Pictures that climb together.
        batch: usize,
        /// Threads of the pool.
        threads: usize,
    },
    /// The plan is about to be replaced by one that holds it and more units.
    Grow {
        /// The digest of the plan that was there.
        from: String,
        /// The digest of the plan that takes its place.
        to: String,
    },
    /// A picture's files are in their places.
    Done(Entry),
    /// A picture could not be made.
    Failed {
        /// Which.
        #[serde(with = "spelled")]
        item: Item,
        /// Why.
        error: String,
    },
}

/// A picture that is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Which.
    #[serde(with = "spelled")]
    pub item: Item,
    /// The SHA-256 of the PNG.
    pub picture: String,
    /// The SHA-256 of its sidecar.
    pub sidecar: String,
    /// The SHA-256 of the response.
    pub response: String,
    /// Its share of the seconds that its batch climbed.
    pub seconds: f64,
    /// Pictures in that batch.
    pub batch: usize,
}

/// What stands before and after a line's checksum.
const BEFORE: &str = ",\"checksum\":\"";
const AFTER: &str = "\"}";

/// Hexadecimal digits of a line's checksum.
const DIGITS: usize = 16;

fn checksum(event: &str) -> String {
    let mut digest = sha256(event.as_bytes());
    digest.truncate(DIGITS);
    digest
}

/// The event as a JSON object on a line, the last key its checksum: of the object without it.
fn line(event: &Event) -> Result<String> {
    let text = serde_json::to_string(event).map_err(|source| {
        Error::new(Kind::Internal, "cannot write a journal's line").caused_by(source)
    })?;
    let open = text.strip_suffix('}').unwrap_or(&text);
    Ok(format!("{open}{BEFORE}{}{AFTER}\n", checksum(&text)))
}

/// The event of a line with its line feed; none where the line is torn or was changed.
fn event(line: &[u8]) -> Option<Event> {
    let line = std::str::from_utf8(line).ok()?;
    let line = line.strip_suffix('\n')?.strip_suffix(AFTER)?;
    let (open, digits) = line.split_at_checked(line.len().checked_sub(DIGITS)?)?;
    let text = format!("{}}}", open.strip_suffix(BEFORE)?);
    (checksum(&text) == digits).then(|| serde_json::from_str(&text).ok())?
}

/// The whole lines of a journal, and where the last of them ends.
fn events(bytes: &[u8]) -> (Vec<Event>, u64) {
    let (mut events, mut position, mut end) = (Vec::new(), 0, 0);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        position += line.len();
        if let Some(event) = event(line) {
            events.push(event);
            end = position;
        }
    }
    (events, end as u64)
}

/// The whole lines of a journal.
///
/// # Errors
/// When the file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Event>> {
    let bytes = std::fs::read(path).map_err(|source| Error::io("cannot read", path, source))?;
    Ok(events(&bytes).0)
}

/// A journal that this process alone appends to.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    length: u64,
}

/// What to do while another process has a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// It is an error.
    Refuse,
    /// Wait for it.
    Wait,
}

impl Journal {
    /// Opens or creates it, and cuts off what follows the last whole line: a line that was torn
    /// when its process died.
    ///
    /// # Errors
    /// When another process has it open and that is not waited for, or the system refuses.
    pub fn open(path: &Path, busy: Busy) -> Result<Self> {
        let refused = |source| Error::io("cannot write", path, source);
        within::check_no_link(path, "put the file itself there")?;
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path);
        let file = file.map_err(refused)?;
        let locked = match busy {
            Busy::Refuse => file.try_lock(),
            Busy::Wait => file.lock().map_err(TryLockError::Error),
        };
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                Request,
                "another percept is at work on {}: wait for it, or take another --shard",
                path.display()
            ),
            // Some network file systems have no locks.
            Err(TryLockError::Error(source)) if source.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(source)) => {
                return Err(Error::io("cannot lock", path, source));
            }
        }
        let bytes = std::fs::read(path).map_err(refused)?;
        let mut journal = Self {
            file,
            path: path.to_owned(),
            length: events(&bytes).1,
        };
        if journal.length < bytes.len() as u64 {
            journal.cut().map_err(refused)?;
        }
        Ok(journal)
    }

    /// Appends a line an event; they are on disk when this returns.
    ///
    /// # Errors
    /// When the system refuses; the journal is then as it was.
    pub fn append(&mut self, events: &[Event]) -> Result<()> {
        let lines = events.iter().map(line).collect::<Result<String>>()?;
        let written = self.file.write_all(lines.as_bytes());
        if let Err(source) = written.and_then(|()| self.file.sync_data()) {
            // What cannot be cut off now is cut off when the journal is next opened.
            let _ = self.cut();
            return Err(Error::io("cannot write", &self.path, source));
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Finds out whether what this process appended is still what the path leads to. Where nothing is there any
    /// more, it is written again.
    ///
    /// # Errors
    /// When it was removed or replaced.
    pub fn check_in_place(&mut self) -> Result<()> {
        let unreadable = |source| Error::io("cannot read", &self.path, source);
        let mut own = Vec::new();
        self.file.rewind().map_err(unreadable)?;
        self.file.read_to_end(&mut own).map_err(unreadable)?;
        match std::fs::read(&self.path) {
            Ok(found) if found == own => Ok(()),
            Ok(_) => bail!(
                Input,
                "{} was replaced or changed while this ran: look who else writes there; pictures that it does not list any more are rendered again",
                self.path.display()
            ),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                file::stage(&self.path, &own)?.finish()?;
                bail!(
                    Input,
                    "{} was removed while this ran, and is written again: look who removed it",
                    self.path.display()
                )
            }
            Err(source) => Err(unreadable(source)),
        }
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::End(0)).map(drop)
    }
}
