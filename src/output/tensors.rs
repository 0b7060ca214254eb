//! Named tensors to `.npz` or `.safetensors` files.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;

use candle_core::{DType, Tensor};
use ndarray::ArrayD;
use ndarray_npy::NpzWriter;

use super::file::Pending;
use crate::error::{Error, Kind, Result, bail};

/// A file format for named tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// NumPy's archive, uncompressed.
    Npz,
    /// safetensors.
    Safetensors,
}

impl Format {
    /// The format that a file's extension asks for.
    ///
    /// # Errors
    /// When it is neither.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("npz") => Ok(Self::Npz),
            Some("safetensors") => Ok(Self::Safetensors),
            _ => bail!(
                Request,
                "{} ends in neither .npz nor .safetensors",
                path.display()
            ),
        }
    }
}

/// Writes all tensors as `f32`.
///
/// # Errors
/// When the file cannot be written; nothing is then left behind.
pub fn write(path: &Path, format: Format, named: &[(String, Tensor)]) -> Result<()> {
    let mut pending = Pending::create(path)?;
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(Kind::Io, format!("cannot write {}", path.display())).caused_by(source)
    };
    match format {
        Format::Npz => {
            // In memory: a ZipWriter that cannot write complains on standard error when dropped.
            let mut archive = NpzWriter::new(Cursor::new(Vec::new()));
            for (name, tensor) in named {
                archive
                    .add_array(name.as_str(), &array(tensor)?)
                    .map_err(|source| failed(source.into()))?;
            }
            let bytes = archive.finish().map_err(|source| failed(source.into()))?;
            pending
                .file()
                .write_all(bytes.get_ref())
                .map_err(|source| failed(source.into()))?;
        }
        Format::Safetensors => {
            let tensors: BTreeMap<&str, Tensor> = named
                .iter()
                .map(|(name, tensor)| {
                    Ok((name.as_str(), tensor.to_dtype(DType::F32)?.contiguous()?))
                })
                .collect::<Result<_>>()?;
            let bytes =
                safetensors::serialize(tensors, None).map_err(|source| failed(source.into()))?;
            pending
                .file()
                .write_all(&bytes)
                .map_err(|source| failed(source.into()))?;
        }
    }
    pending.finish()
}

fn array(tensor: &Tensor) -> Result<ArrayD<f32>> {
    let values = tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
    ArrayD::from_shape_vec(tensor.dims(), values).map_err(|source| {
        Error::new(Kind::Internal, "a tensor's shape does not fit it").caused_by(source)
    })
}
