//! One weight file, mapped into memory.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::content::{Container, recognise};
use super::stored::Opened;
use super::{safetensors, torch};
use crate::error::{Context, bail};
use crate::input::bytes::map;
use crate::{Error, Result};

/// A weight file's bytes.
pub(super) struct WeightFile {
    bytes: Bytes,
    /// Where they lie; `None` for those in the binary.
    path: Option<PathBuf>,
}

enum Bytes {
    Map(Mmap),
    Embedded(&'static [u8]),
}

impl WeightFile {
    /// Maps the file at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let cannot_read = |error| Error::io("cannot read", path, error);
        let file = File::open(path).map_err(cannot_read)?;
        if !file.metadata().map_err(cannot_read)?.is_file() {
            bail!(
                Weights,
                "{} is no file that could hold weights",
                path.display()
            );
        }
        let map = map(&file).map_err(cannot_read)?;
        Ok(Self {
            bytes: Bytes::Map(map),
            path: Some(path.to_owned()),
        })
    }

    /// A file inside the binary.
    pub fn embedded(bytes: &'static [u8]) -> Self {
        Self {
            bytes: Bytes::Embedded(bytes),
            path: None,
        }
    }

    /// sha256 of the bytes, in lower-case hex.
    pub fn digest(&self) -> String {
        crate::input::sha256(self.bytes())
    }

    /// The tensors in it.
    ///
    /// # Errors
    /// When it is no weight file, or a damaged one.
    pub fn tensors(&self) -> Result<Opened<'_>> {
        let bytes = self.bytes();
        let opened = recognise(bytes).and_then(|container| match container {
            Container::Archive => torch::open(bytes),
            Container::Safetensors => safetensors::open(bytes),
        });
        match &self.path {
            Some(path) => opened.context(|| format!("cannot use {} as weights", path.display())),
            None => opened,
        }
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Map(map) => map,
            Bytes::Embedded(bytes) => bytes,
        }
    }
}
