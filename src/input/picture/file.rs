//! The bytes of a picture file.

use std::fs::{File, FileType};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::fault::Fault;
use crate::error::{Error, Result};

/// Bytes in which headers usually lie, and beyond whose last few nothing but an end does.
const PART: u64 = 1 << 16;

/// Opens a file; its length comes with it. What is no file is not opened: a pipe would wait for
/// somebody who writes to it.
///
/// # Errors
/// When there is no file, or the system refuses.
pub(super) fn open(path: &Path) -> Result<(File, u64)> {
    let refused = |source| Error::io("cannot read", path, source);
    let found = std::fs::metadata(path).map_err(refused)?;
    if !found.is_file() {
        return Err(Fault::no_file(kind(found.file_type())).of(path));
    }
    Ok((File::open(path).map_err(refused)?, found.len()))
}

fn kind(found: FileType) -> &'static str {
    if found.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if found.is_fifo() {
            return "a pipe, not a file";
        }
        if found.is_socket() {
            return "a socket, not a file";
        }
    }
    "a device, not a file"
}

/// The first bytes of a file.
pub(super) fn head(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(PART).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Looks for a format's end after the byte `from`: in the last bytes, and if it is not there,
/// because something was appended, in all of them.
pub(super) fn holds(file: &mut File, from: u64, end: &[u8]) -> Result<(), Fault> {
    let length = file.metadata()?.len();
    for start in [length.saturating_sub(PART).max(from), from] {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        file.read_to_end(&mut bytes)?;
        if bytes.windows(end.len()).any(|bytes| bytes == end) {
            return Ok(());
        }
    }
    Err(Fault::cut())
}
