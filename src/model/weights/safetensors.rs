//! Safetensors files: a JSON header with names, types and offsets, then the numbers.

use safetensors::{Dtype as FileDtype, SafeTensors};

use super::Format;
use super::stored::{Opened, Place, Stored};
use super::view::{Dtype, Layout};
use crate::error::Kind;
use crate::{Error, Result};

/// Lists the tensors of a safetensors file.
pub(super) fn open(bytes: &[u8]) -> Result<Opened<'_>> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| {
        let message = "it begins like a safetensors file, but its header does not fit what follows: \
                       probably the download did not finish";
        Error::new(Kind::Weights, message).caused_by(error)
    })?;
    let tensors = file.tensors().into_iter().map(|(name, tensor)| Stored {
        name,
        layout: Layout::contiguous(dtype_of(tensor.dtype()), tensor.shape()),
        place: Place::Bytes(tensor.data()),
    });
    Ok(Opened {
        format: Format::Safetensors,
        tensors: tensors.collect(),
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
