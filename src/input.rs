//! What users hand in besides weights: pictures, vectors, tensor files.

pub mod listing;
pub mod picture;

mod npy;

use std::path::Path;

use candle_core::{DType, Device, Tensor};
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

/// The one array of an `.npy` or `.safetensors` file, of its own shape and type.
///
/// # Errors
/// When the file cannot be read, holds several tensors, or a number that is not finite.
pub fn array(path: &Path) -> Result<Tensor> {
    tensor(path)
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
        npy::tensor(&bytes, path)?
    } else {
        safetensors(bytes, path)?
    };
    let values: Vec<f64> = tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?;
    if !values.iter().all(|value| value.is_finite()) {
        bail!(
            Input,
            "{} holds a number that is not finite",
            path.display()
        );
    }
    Ok(tensor)
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
    fn large_numbers_are_finite_though_their_sum_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let file = std::fs::File::create(&path).unwrap();
        ndarray::array![f64::MAX, f64::MAX].write_npy(file).unwrap();
        assert_eq!(vector(&path).unwrap(), [f64::MAX; 2]);
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
