//! From records to the files of an atlas.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::flags::Flags;
use super::manifest::{FileEntry, Header, Manifest};
use super::record::Record;
use super::site::{self, Site};
use super::table;
use crate::error::{Error, Result, bail};
use crate::input::sha256;
use crate::output::file::{self, Pending};

/// The manifest's name in an atlas' folder.
pub const MANIFEST: &str = "manifest.json";

/// Writes `manifest.json`, `units.parquet` and the site into an atlas' folder, over those that are
/// there; each file appears whole, `index.html` after what it shows and the manifest last. The records
/// may come in any order; notes from `flags.toml` in the folder take the place of their own. The same
/// records, pictures and notes make the same bytes.
///
/// # Errors
/// When a record is of a tap that the header has not, appears twice or names a file outside the folder,
/// when a picture cannot be read, `flags.toml` cannot be understood or a file cannot be written.
pub fn publish(folder: &Path, header: &Header, records: &[Record]) -> Result<()> {
    let records = in_order(header, records, &Flags::read(folder, &header.taps)?)?;
    let site = Site::new(folder, header, &records)?;
    let units = table::encode(&records)?;
    let entry = FileEntry {
        sha256: sha256(&units),
        bytes: units.len(),
    };
    let files = BTreeMap::from([(table::FILE, entry)]);
    let manifest = Manifest::new(header, &records, files).to_json()?;
    let making = Making::begin(folder)?;
    let first = site
        .files
        .iter()
        .map(|(name, bytes)| (&name[..], &bytes[..]));
    let last = [
        (table::FILE, &units[..]),
        (site::PAGE, site.page.as_bytes()),
        (MANIFEST, manifest.as_bytes()),
    ];
    file::finish(
        first
            .chain(last)
            .map(|(name, bytes)| making.stage(name, bytes)),
    )?;
    site.remove_others(folder)?;
    making.clear()
}

/// The folder of files in the making, in the atlas' folder: what a process that died has left there is
/// removed by the next one.
const PENDING: &str = ".publishing";

/// Files on their way into an atlas' folder.
struct Making<'a> {
    folder: &'a Path,
    pending: PathBuf,
}

impl<'a> Making<'a> {
    fn begin(folder: &'a Path) -> Result<Self> {
        let making = Self {
            folder,
            pending: folder.join(PENDING),
        };
        making.clear()?;
        make_folder(&making.pending)?;
        Ok(making)
    }

    fn stage(&self, name: &str, bytes: &[u8]) -> Result<Pending> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            make_folder(parent)?;
        }
        file::stage_in(&self.pending, &path, bytes)
    }

    fn clear(&self) -> Result<()> {
        match fs::remove_dir_all(&self.pending) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                Err(Error::io("cannot clear out", &self.pending, source))
            }
            _ => Ok(()),
        }
    }
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|source| Error::io("cannot make the folder", path, source))
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
