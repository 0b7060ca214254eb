//! Safetensors files: a JSON header with names, types and offsets, then the numbers.

use safetensors::{Dtype as FileDtype, SafeTensors};

use super::Format;
use super::bounds::{MAX_NAMES, Names, joined};
use super::stored::{Opened, Place, Stored};
use super::view::{Dtype, Layout};
use crate::error::{Kind, bail};
use crate::{Error, Result};

/// Lists the tensors of a safetensors file.
pub(super) fn open(bytes: &[u8]) -> Result<Opened<'_>> {
    let header = bytes
        .first_chunk()
        .map_or(0, |length| u64::from_le_bytes(*length));
    // A header that is longer than the file is none.
    if header > MAX_NAMES as u64 && header < bytes.len() as u64 {
        bail!(
            Weights,
            "its header has {header} bytes, more than the names, types and places of a model's tensors take: save the \
             weights alone"
        );
    }
    let file = SafeTensors::deserialize(bytes).map_err(|error| {
        let message = "it begins like a safetensors file, but its header does not fit what follows: \
                       probably the download did not finish";
        Error::new(Kind::Weights, message).caused_by(error)
    })?;
    let mut names = Names::default();
    let mut tensors = Vec::new();
    for (name, tensor) in file.iter() {
        let name = joined("", name)?;
        names.count(&name)?;
        tensors.push(Stored {
            name,
            layout: Layout::contiguous(dtype_of(tensor.dtype()), tensor.shape()),
            place: Place::Bytes(tensor.data()),
        });
    }
    Ok(Opened {
        format: Format::Safetensors,
        tensors,
        archive: None,
        object: None,
    })
}

fn dtype_of(dtype: FileDtype) -> Dtype {
    match dtype {
        FileDtype::F16 => Dtype::F16,
        FileDtype::BF16 => Dtype::Bf16,
        FileDtype::F32 => Dtype::F32,
        FileDtype::F64 => Dtype::F64,
        _ => Dtype::Other,
    }
}
