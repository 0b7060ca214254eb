//! The bytes of a file, mapped into memory: what is not read is not loaded.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use crate::error::{Error, Result};

/// A file's bytes, which count as untrusted.
pub enum Bytes {
    /// Those of a file.
    Mapped(Mmap),
    /// Those of a pipe, and what was unpacked.
    Held(Vec<u8>),
}

impl Bytes {
    /// Those of the file at `path`; a pipe is read to its end.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn of_file(path: &Path) -> Result<Self> {
        let open = || {
            let mut file = File::open(path)?;
            if file.metadata()?.is_file() {
                return map(&file).map(Self::Mapped);
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(Self::Held(bytes))
        };
        open().map_err(|error| Error::io("cannot read", path, error))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Held(bytes) => bytes,
        }
    }
}

/// Maps a regular file.
///
/// # Errors
/// When the system refuses.
pub fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is only read. Its bytes change if another process writes to the file in these moments; what is
    // read from them is checked as untrusted data, whatever it is.
    unsafe { Mmap::map(file) }
}
