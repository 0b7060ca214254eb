//! The zip archive that PyTorch writes: `<prefix>/data.pkl`, and a storage in each
//! `<prefix>/data/<key>`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use zip::{CompressionMethod, ZipArchive};

use crate::error::{Kind, bail};
use crate::{Error, Result};

/// Bytes of a data.pkl: that of the largest CLIP checkpoint has under 2 MiB.
const MAX_PICKLE: u64 = 64 << 20;

/// Bytes of a module's code, all files together: that of the largest CLIP archive has a few hundred KiB. Entries may
/// lie over each other, so that a small archive can have very many of them.
const MAX_CODE: u64 = 16 << 20;

/// How much larger than the file its unpacked entries may be, all together. PyTorch does not
/// compress weights, and weights hardly compress.
const MAX_INFLATION: u64 = 4;

/// An open archive. Entries that are not compressed are borrowed from the file's bytes.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    zip: ZipArchive<Cursor<&'a [u8]>>,
    prefix: String,
    /// Bytes that compressed entries have unpacked to.
    inflated: u64,
    storages: BTreeMap<String, Cow<'a, [u8]>>,
}

impl<'a> Archive<'a> {
    /// Reads the list of entries.
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| {
            let message = "it begins like a PyTorch archive, but its list of entries is damaged or \
                           missing: probably the download did not finish";
            Error::new(Kind::Weights, message).caused_by(error)
        })?;
        let pickle = zip
            .file_names()
            .flatten()
            .find(|name| name == "data.pkl" || name.ends_with("/data.pkl"));
        let Some(pickle) = pickle else {
            bail!(
                Weights,
                "it is a zip archive, but PyTorch did not write it: it has no data.pkl"
            );
        };
        let prefix = pickle.trim_end_matches("data.pkl").to_owned();
        let mut archive = Self {
            bytes,
            zip,
            prefix,
            inflated: 0,
            storages: BTreeMap::new(),
        };
        let order = format!("{}byteorder", archive.prefix);
        if archive.zip.index_for_name(&order).is_some()
            && archive.entry("byteorder", 16)?.trim_ascii() == b"big"
        {
            bail!(
                Weights,
                "it was written on a big-endian machine; save it again on another one"
            );
        }
        Ok(archive)
    }

    /// The pickle of the object tree.
    pub fn pickle(&mut self) -> Result<Cow<'a, [u8]>> {
        self.entry("data.pkl", MAX_PICKLE)
    }

    /// Unpacks the storages of these keys, each once.
    pub fn load<'k>(&mut self, keys: impl IntoIterator<Item = &'k str>) -> Result<()> {
        for key in keys {
            if !self.storages.contains_key(key) {
                let storage = self.entry(&format!("data/{key}"), u64::MAX)?;
                self.storages.insert(key.to_owned(), storage);
            }
        }
        Ok(())
    }

    /// The bytes of a storage that was loaded.
    pub fn storage(&self, key: &str) -> Result<&[u8]> {
        match self.storages.get(key) {
            Some(storage) => Ok(storage),
            None => bail!(Internal, "the storage {key} was not loaded"),
        }
    }

    /// Bytes that storages can have altogether, if none shares another's.
    pub fn available(&self) -> usize {
        self.bytes.len().saturating_add(self.inflated as usize)
    }

    /// The code of a TorchScript module, a file each.
    pub fn code(&mut self) -> Result<Vec<Cow<'a, [u8]>>> {
        let prefix = self.prefix.as_str();
        let own = |name: Cow<'_, str>| name.strip_prefix(prefix).map(str::to_owned);
        let names = self.zip.file_names().flatten().filter_map(own);
        let names: Vec<String> = names
            .filter(|name| name.starts_with("code/") && name.ends_with(".py"))
            .collect();
        let mut room = MAX_CODE;
        let mut files = Vec::new();
        for name in &names {
            let file = self.entry(name, room)?;
            room -= file.len() as u64;
            files.push(file);
        }
        Ok(files)
    }

    fn entry(&mut self, name: &str, limit: u64) -> Result<Cow<'a, [u8]>> {
        let path = format!("{}{name}", self.prefix);
        let damaged = |error: zip::result::ZipError| {
            Error::new(
                Kind::Weights,
                format!("the archive's entry {path} cannot be read"),
            )
            .caused_by(error)
        };
        let budget = MAX_INFLATION.saturating_mul(self.bytes.len() as u64) - self.inflated;
        let mut entry = self.zip.by_name(&path).map_err(damaged)?;
        let (start, size) = (entry.data_start(), entry.size());
        if size > limit {
            bail!(
                Weights,
                "the archive's entry {path} has {size} bytes, too many by {}: save the weights \
                 alone, with torch.save(model.state_dict(), ...)",
                size - limit
            );
        }
        if entry.compression() == CompressionMethod::Stored {
            let slice = start.and_then(|start| {
                let start = usize::try_from(start).ok()?;
                let end = start.checked_add(usize::try_from(size).ok()?)?;
                self.bytes.get(start..end)
            });
            return match slice {
                Some(slice) => Ok(Cow::Borrowed(slice)),
                None => bail!(Weights, "the archive's entry {path} lies outside the file"),
            };
        }
        if size > budget {
            bail!(
                Weights,
                "the archive unpacks to more than {MAX_INFLATION} times its size"
            );
        }
        let mut unpacked = Vec::new();
        let read = entry.by_ref().take(size).read_to_end(&mut unpacked);
        read.map_err(|error| damaged(error.into()))?;
        self.inflated += size;
        Ok(Cow::Owned(unpacked))
    }
}
