//! The tensors of an open file, still bytes.

use candle_core::Tensor;

use super::Format;
use super::archive::Archive;
use super::view::{Layout, RawTensor};
use crate::Result;
use crate::error::bail;

/// A tensor that was found, and not read yet.
pub(super) struct Stored<'a> {
    /// As the file has it; for nested dictionaries and modules the path, joined by dots.
    pub name: String,
    pub layout: Layout,
    pub place: Place<'a>,
}

/// Where a tensor's storage lies.
pub(super) enum Place<'a> {
    /// In the file, as it is.
    Bytes(&'a [u8]),
    /// In an archive's entry of this key.
    Entry(String),
}

impl Stored<'_> {
    /// Whether both are the same numbers under two names, as modules that are registered twice have them.
    pub fn is_alias(&self, other: &Self) -> bool {
        let is_same_place = match (&self.place, &other.place) {
            (Place::Bytes(a), Place::Bytes(b)) => std::ptr::eq(*a, *b),
            (Place::Entry(a), Place::Entry(b)) => a == b,
            _ => false,
        };
        is_same_place && self.layout == other.layout
    }
}

/// A file whose tensors are listed.
pub(super) struct Opened<'a> {
    /// Of the container.
    pub format: Format,
    pub tensors: Vec<Stored<'a>>,
    /// Where the entries of a PyTorch archive are read.
    pub archive: Option<Archive<'a>>,
    /// A class that stands where a tensor or a dictionary could have been.
    pub object: Option<String>,
}

impl Opened<'_> {
    /// Reads some of the tensors, given by their places in the list.
    ///
    /// # Errors
    /// When one cannot be read, or together they are larger than the file.
    pub fn decode(&mut self, wanted: &[usize]) -> Result<Vec<Tensor>> {
        if let Some(archive) = &mut self.archive {
            let keys = wanted
                .iter()
                .filter_map(|&index| match &self.tensors[index].place {
                    Place::Entry(key) => Some(key.as_str()),
                    Place::Bytes(_) => None,
                });
            archive.load(keys)?;
            let available = archive.available();
            let elements = wanted.iter().fold(0usize, |sum, &index| {
                let layout = &self.tensors[index].layout;
                sum.saturating_add(layout.elements().unwrap_or(usize::MAX))
            });
            if elements > available {
                bail!(
                    Weights,
                    "its tensors add up to more numbers than the file can hold"
                );
            }
        }
        wanted.iter().map(|&index| self.read(index)).collect()
    }

    fn read(&self, index: usize) -> Result<Tensor> {
        let Stored {
            name,
            layout,
            place,
        } = &self.tensors[index];
        let storage = match (place, &self.archive) {
            (Place::Bytes(bytes), _) => bytes,
            (Place::Entry(key), Some(archive)) => archive.storage(key)?,
            (Place::Entry(key), None) => bail!(Internal, "there is no archive for {key}"),
        };
        let layout = layout.clone();
        RawTensor { storage, layout }.decode(name)
    }
}
