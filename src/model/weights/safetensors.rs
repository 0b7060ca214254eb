//! Safetensors files: a JSON header with names, types and offsets, then the numbers.

use safetensors::{Dtype as FileDtype, SafeTensors};

use super::Format;
use super::tensors::Tensors;
use super::view::{Dtype, Layout, View};
use crate::error::Kind;
use crate::{Error, Result};

/// Reads every weight of a safetensors file into `tensors`.
pub(super) fn read(bytes: &[u8], tensors: &mut Tensors) -> Result<Format> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| {
        let message = "it begins like a safetensors file, but its header does not fit what follows: \
                       probably the download did not finish";
        Error::new(Kind::Weights, message).caused_by(error)
    })?;
    for (name, tensor) in file.iter() {
        let layout = Layout::contiguous(dtype_of(tensor.dtype()), tensor.shape());
        tensors.add(
            name,
            &View {
                storage: tensor.data(),
                layout,
            },
        )?;
    }
    Ok(Format::Safetensors)
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
