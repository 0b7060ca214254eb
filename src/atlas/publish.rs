//! From records to the files of an atlas.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::flags::Flags;
use super::manifest::{FileEntry, Files, Header, Manifest};
use super::published::{MAKING, Published};
use super::record::Record;
use super::site::{self, Site};
use super::table;
use super::within::{self, Found};
use crate::error::{Error, Result, bail};
use crate::output::file::{self, Pending};
use crate::output::temporary;

/// The manifest's name in an atlas' folder.
pub const MANIFEST: &str = "manifest.json";

/// What a process has locked while it publishes, in the folder of files in the making.
const LOCK: &str = "lock";

/// Writes `manifest.json`, `units.parquet` and the site into an atlas' folder, over those that an earlier
/// publishing wrote there, and removes those of its files that there are no more; each file appears whole,
/// `index.html` after what it shows and the manifest, which lists them all, last. The records may come in any
/// order; notes from `flags.toml` in the folder take the place of their own. The same records, pictures and notes
/// make the same bytes. One process publishes in a folder at a time; others wait.
///
/// # Errors
/// When a record is of a tap that the header has not, appears twice or names a file outside the folder,
/// when a picture cannot be read, `flags.toml` cannot be understood or a file cannot be written, or when a file
/// that percept did not write lies where one is to be; nothing is then replaced.
pub fn publish(folder: &Path, header: &Header, records: &[Record]) -> Result<()> {
    let records = in_order(header, records, &Flags::read(folder, &header.taps)?)?;
    let making = Making::begin(folder)?;
    let mut published = Published::read(folder)?;
    let site = Site::new(folder, header, &records, &published)?;
    let units = table::encode(&records)?;
    let first = site
        .files
        .iter()
        .map(|(name, bytes)| (&name[..], &bytes[..]));
    let last = [
        (table::FILE, &units[..]),
        (site::PAGE, site.page.as_bytes()),
    ];
    let new: Vec<(&str, &[u8])> = first.chain(last).collect();
    let entries = new
        .iter()
        .map(|&(name, bytes)| (name.to_owned(), FileEntry::of(bytes)));
    let files: Files = entries.chain(site.kept).collect();
    let manifest = Manifest::new(header, &records, &files).to_json()?;

    for (folders, _) in files.keys().filter_map(|name| name.rsplit_once('/')) {
        within::make(folder, folders)?;
    }
    let missing = published.missing(folder, &files)?;
    published.begin(folder, &files)?;
    let new = new.iter().filter(|(name, _)| missing.contains(name));
    let staged = new.map(|&(name, bytes)| making.stage(name, bytes));
    file::finish(staged.chain([making.stage(MANIFEST, manifest.as_bytes())]))?;
    published.remove_others(folder, &files)?;
    published.end(folder)
}

/// Finds out before any work whether what was published in a folder is still as percept wrote it.
///
/// # Errors
/// When it was changed since, so that [`publish`] would refuse to replace it, or a file cannot be read.
pub fn check_unchanged(folder: &Path) -> Result<()> {
    if within::find(folder, MANIFEST)? == Found::Nothing && !folder.join(MAKING).exists() {
        return Ok(());
    }
    // Another process may be replacing what is looked at here.
    let _making = Making::begin(folder)?;
    Published::read(folder)?.check_unchanged(folder)
}

/// The one process that publishes in a folder, and its folder of files in the making.
struct Making<'a> {
    folder: &'a Path,
    pending: PathBuf,
    lock: File,
}

impl<'a> Making<'a> {
    /// Waits for another process that publishes there, and removes what one that died has left half written.
    fn begin(folder: &'a Path) -> Result<Self> {
        let refused = |source| Error::io("cannot write into the folder", folder, source);
        fs::create_dir_all(folder).map_err(refused)?;
        let (pending, lock) = loop {
            let pending = within::make(folder, MAKING)?;
            let path = pending.join(LOCK);
            within::check_no_link(&path, "remove it")?;
            let mut options = OpenOptions::new();
            let lock = options.write(true).create(true).truncate(false).open(&path);
            let lock = match lock {
                // Who had it removes it with its folder.
                Err(source) if source.kind() == ErrorKind::NotFound => continue,
                lock => lock.map_err(refused)?,
            };
            match lock.lock() {
                // Some network file systems have no locks.
                Err(source) if source.kind() != ErrorKind::Unsupported => {
                    return Err(Error::io("cannot lock", &path, source));
                }
                _ if temporary::is_at(&lock, &path) => break (pending, lock),
                _ => {}
            }
        };
        temporary::sweep(&pending);
        Ok(Self {
            folder,
            pending,
            lock,
        })
    }

    fn stage(&self, name: &str, bytes: &[u8]) -> Result<Pending> {
        file::stage_in(&self.pending, &self.folder.join(name), bytes)
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        let path = self.pending.join(LOCK);
        if temporary::is_at(&self.lock, &path) {
            // The folder stays where it holds anything else, a publishing that was begun among it.
            let _ = fs::remove_file(path);
            let _ = fs::remove_dir(&self.pending);
        }
    }
}

/// By the header's taps and by unit, with the user's notes.
fn in_order(header: &Header, records: &[Record], flags: &Flags) -> Result<Vec<Record>> {
    let mut placed = Vec::with_capacity(records.len());
    for record in records {
        record.check()?;
        let Record { tap, unit, .. } = record;
        let Some(place) = header.taps.iter().position(|known| known.name == *tap) else {
            bail!(Internal, "the atlas has a unit of {tap}, and no such tap");
        };
        if *unit >= header.taps[place].units {
            bail!(
                Internal,
                "the atlas has the unit {unit} of {tap}, which has only {}",
                header.taps[place].units
            );
        }
        let mut record = record.clone();
        if let Some(note) = flags.get(tap, *unit) {
            record.flag = Some(note.to_owned());
        }
        placed.push((place, record));
    }
    placed.sort_by_key(|(place, record)| (*place, record.unit));
    let records: Vec<Record> = placed.into_iter().map(|(_, record)| record).collect();
    let same = |pair: &&[Record]| pair[0].tap == pair[1].tap && pair[0].unit == pair[1].unit;
    if let Some([record, _]) = records.windows(2).find(same) {
        bail!(
            Internal,
            "the atlas has the unit {}:{} twice",
            record.tap,
            record.unit
        );
    }
    Ok(records)
}
