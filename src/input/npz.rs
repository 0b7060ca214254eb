//! NumPy's `.npz` files: a zip archive with an `.npy` file for each array.

use std::io::{Cursor, Read};
use std::ops::Range;
use std::sync::Arc;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::bytes::Bytes;
use crate::error::{Error, Kind, Result, bail};

/// What such a file begins with.
pub(super) const MAGIC: &[u8] = b"PK\x03\x04";

/// Bytes that a compressed array may unpack to, which are held in memory.
const LARGEST_UNPACKED: u64 = 1 << 30;

/// An open archive.
pub(super) struct Npz<'a> {
    bytes: &'a Arc<Bytes>,
    zip: ZipArchive<Cursor<&'a [u8]>>,
}

impl<'a> Npz<'a> {
    /// Reads the list of entries.
    pub fn open(bytes: &'a Arc<Bytes>) -> Result<Self> {
        let zip = ZipArchive::new(Cursor::new(&***bytes)).map_err(damaged)?;
        Ok(Self { bytes, zip })
    }

    /// What the arrays are called.
    pub fn names(&self) -> Vec<String> {
        let names = self.zip.file_names().flatten();
        names
            .filter_map(|name| name.strip_suffix(".npy").map(str::to_owned))
            .collect()
    }

    /// The `.npy` file of an array: bytes, and where in them it begins and ends. It lies in the archive's own where it
    /// is not compressed.
    pub fn entry(&mut self, name: &str) -> Result<(Arc<Bytes>, Range<usize>)> {
        let mut entry = self.zip.by_name(&format!("{name}.npy")).map_err(damaged)?;
        let size = entry.size();
        if entry.compression() == CompressionMethod::Stored {
            let place = entry.data_start().and_then(|start| {
                let start = usize::try_from(start).ok()?;
                let end = start.checked_add(usize::try_from(size).ok()?)?;
                (end <= self.bytes.len()).then_some(start..end)
            });
            return match place {
                Some(place) => Ok((self.bytes.clone(), place)),
                None => bail!(Input, "it lies outside the file, which is cut short"),
            };
        }
        if size > LARGEST_UNPACKED {
            bail!(
                Input,
                "it unpacks to {size} bytes, more than {LARGEST_UNPACKED}: save it with numpy.savez, which does not compress"
            );
        }
        let mut unpacked = Vec::new();
        let read = entry.by_ref().take(size).read_to_end(&mut unpacked);
        read.map_err(|error| damaged(error.into()))?;
        let place = 0..unpacked.len();
        Ok((Arc::new(Bytes::Held(unpacked)), place))
    }
}

fn damaged(error: ZipError) -> Error {
    Error::new(Kind::Input, "its archive is damaged").caused_by(error)
}
