//! safetensors: a JSON header with shapes and places, then the numbers.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::{Array, Content, Copy};
use crate::output::own::KEY;

/// The header's length is a multiple of it, so that numbers are aligned.
const ALIGNMENT: usize = 8;

pub(super) fn write(
    file: &mut File,
    parts: &[(Array, Content)],
    notes: &str,
    copy: Copy,
) -> io::Result<()> {
    let mut at = 0;
    let info = parts.iter().map(|(array, _)| {
        let data_offsets = (at, at + array.bytes());
        at = data_offsets.1;
        let info = TensorInfo {
            dtype: Dtype::F32,
            shape: array.shape.clone(),
            data_offsets,
        };
        (array.name.clone(), info)
    });
    let notes = HashMap::from([(KEY.to_owned(), notes.to_owned())]);
    let header = Metadata::new(Some(notes), info.collect()).map_err(io::Error::other)?;
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    let mut out = BufWriter::with_capacity(1 << 16, file);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    for (_, content) in parts {
        copy(content, &mut out)?;
    }
    out.flush()
}
