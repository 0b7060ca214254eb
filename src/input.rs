//! What users hand in besides weights: vectors, tensor files.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use ndarray::ArrayViewD;
use ndarray_npy::{ViewNpyError, ViewNpyExt};
use safetensors::Dtype;
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result, bail, without_backtrace};

/// The SHA-256 of some bytes, in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The SHA-256 of a file.
///
/// # Errors
/// When the file cannot be read.
pub fn digest(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|source| Error::io("cannot read", path, source))?;
    Ok(sha256(&bytes))
}

/// One vector from an `.npy` or `.safetensors` file, flattened.
///
/// # Errors
/// When the file cannot be read, holds several tensors, or a number that is not finite.
pub fn vector(path: &Path) -> Result<Vec<f64>> {
    let tensor = tensor(path)?;
    Ok(tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?)
}

/// A batch `(n, 3, h, w)` of normalised pixels from an `.npy` or `.safetensors` file; a single
/// image `(3, h, w)` counts as a batch of one.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub fn batch(path: &Path) -> Result<Tensor> {
    let tensor = tensor(path)?.to_dtype(DType::F32)?;
    match tensor.dims() {
        [count, 3, height, width] if count * height * width > 0 => Ok(tensor),
        [3, height, width] if height * width > 0 => Ok(tensor.unsqueeze(0)?),
        dims => bail!(
            Input,
            "{} has the shape {dims:?}; a batch of pixels is (n, 3, h, w)",
            path.display()
        ),
    }
}

fn tensor(path: &Path) -> Result<Tensor> {
    let bytes = std::fs::read(path).map_err(|source| Error::io("cannot read", path, source))?;
    let tensor = if bytes.starts_with(b"\x93NUMPY") {
        npy(&bytes, path)?
    } else {
        safetensors(bytes, path)?
    };
    let sum = tensor
        .to_dtype(DType::F64)?
        .abs()?
        .sum_all()?
        .to_scalar::<f64>()?;
    if !sum.is_finite() {
        bail!(
            Input,
            "{} holds a number that is not finite",
            path.display()
        );
    }
    Ok(tensor)
}

/// Views the file's own bytes, so that no memory is taken for what its header claims.
fn npy(bytes: &[u8], path: &Path) -> Result<Tensor> {
    let array = match ArrayViewD::<f64>::view_npy(bytes) {
        Err(ViewNpyError::WrongDescriptor(_)) => {
            ArrayViewD::<f32>::view_npy(bytes).map(|array| array.mapv(f64::from))
        }
        other => other.map(|array| array.to_owned()),
    };
    let array = array.map_err(|source| {
        let message = format!("cannot read {} as an array of f32 or f64", path.display());
        Error::new(Kind::Input, message).caused_by(source)
    })?;
    Ok(Tensor::from_iter(array.iter().copied(), &Device::Cpu)?.reshape(array.shape())?)
}

fn safetensors(bytes: Vec<u8>, path: &Path) -> Result<Tensor> {
    let unreadable = |source: candle_core::Error| {
        let message = format!("cannot read {} as .npy or .safetensors", path.display());
        Error::new(Kind::Input, message).caused_by(without_backtrace(source))
    };
    let file = candle_core::safetensors::BufferedSafetensors::new(bytes).map_err(unreadable)?;
    let tensors = file.tensors();
    let [(name, view)] = tensors.as_slice() else {
        bail!(
            Input,
            "{} holds {} tensors, and only a file with one can be read here",
            path.display(),
            tensors.len()
        );
    };
    if !matches!(
        view.dtype(),
        Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64
    ) {
        bail!(
            Input,
            "{} holds numbers of type {}; f16, bf16, f32 and f64 can be read here",
            path.display(),
            view.dtype()
        );
    }
    file.load(name, &Device::Cpu).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray_npy::WriteNpyExt;

    #[test]
    fn vectors_come_from_either_format_and_precision() {
        let folder = tempfile::tempdir().unwrap();
        let values = ndarray::array![1.5f64, -2.0, 0.25];
        let path = folder.path().join("a.npy");
        values
            .write_npy(std::fs::File::create(&path).unwrap())
            .unwrap();
        assert_eq!(vector(&path).unwrap(), [1.5, -2.0, 0.25]);
        values
            .mapv(|x| x as f32)
            .write_npy(std::fs::File::create(&path).unwrap())
            .unwrap();
        assert_eq!(vector(&path).unwrap(), [1.5, -2.0, 0.25]);
        let path = folder.path().join("a.safetensors");
        let tensor = Tensor::new(&[1.5f32, -2.0, 0.25], &Device::Cpu).unwrap();
        tensor.save_safetensors("v", &path).unwrap();
        assert_eq!(vector(&path).unwrap(), [1.5, -2.0, 0.25]);
        assert!(batch(&path).is_err());
    }

    #[test]
    fn what_is_not_a_tensor_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        assert_eq!(vector(&path).unwrap_err().kind(), Kind::Io);
        for bytes in [&b""[..], b"\x93NUMPY", b"not a tensor", &[255; 64]] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(vector(&path).unwrap_err().kind(), Kind::Input, "{bytes:?}");
        }
        ndarray::array![f32::NAN]
            .write_npy(std::fs::File::create(&path).unwrap())
            .unwrap();
        assert!(
            vector(&path)
                .unwrap_err()
                .to_string()
                .contains("not finite")
        );
    }
}
