//! One weight file, mapped into memory.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use super::content::{Container, recognise};
use super::tensors::Tensors;
use super::{Format, safetensors, torch};
use crate::error::{Context, bail};
use crate::{Error, Result};

/// What a file's bytes tell besides its tensors.
pub(super) struct Read {
    pub format: Format,
    /// sha256 of the bytes, in lower-case hex.
    pub digest: String,
}

/// Reads the weights of the file at `path` into `tensors`.
pub(super) fn read(path: &Path, tensors: &mut Tensors) -> Result<Read> {
    let cannot_read = |error| Error::io("cannot read", path, error);
    let file = File::open(path).map_err(cannot_read)?;
    if !file.metadata().map_err(cannot_read)?.is_file() {
        bail!(
            Weights,
            "{} is no file that could hold weights",
            path.display()
        );
    }
    // SAFETY: the map is read-only and private to this function. Its bytes change only if another
    // process writes to the weight file in these moments; what is read from them is checked as
    // untrusted data, whatever it is.
    let map = unsafe { Mmap::map(&file) }.map_err(cannot_read)?;
    read_bytes(&map, tensors).context(|| format!("cannot use {} as weights", path.display()))
}

/// Reads the weights in `bytes` into `tensors`.
pub(super) fn read_bytes(bytes: &[u8], tensors: &mut Tensors) -> Result<Read> {
    let container = recognise(bytes)?;
    let (digest, format) = rayon::join(
        || crate::input::sha256(bytes),
        || match container {
            Container::Archive => torch::read(bytes, tensors),
            Container::Safetensors => safetensors::read(bytes, tensors),
        },
    );
    Ok(Read {
        format: format?,
        digest,
    })
}
