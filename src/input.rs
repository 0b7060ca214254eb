//! What users hand in besides weights: vectors, tensor files.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use ndarray::ArrayD;
use ndarray_npy::{ReadNpyError, ReadNpyExt};
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result, bail};

/// The SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// When the file cannot be read.
pub fn digest(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|source| Error::io("cannot read", path, source))?;
    Ok(Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
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

/// Fails on a header whose shape is empty or larger than the file: `read_npy` takes memory for it,
/// or panics.
fn check_npy_header(bytes: &[u8], path: &Path) -> Result<()> {
    let header = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    let shape = header
        .split_once("'shape': (")
        .and_then(|(_, rest)| rest.split_once(')'));
    let count = shape.and_then(|(shape, _)| {
        let sizes = shape.split(',').map(str::trim);
        sizes
            .filter(|size| !size.is_empty())
            .try_fold(1usize, |count, size| count.checked_mul(size.parse().ok()?))
    });
    match count {
        Some(count) if (1..=bytes.len()).contains(&count) => Ok(()),
        _ => bail!(
            Input,
            "{} is no array: its shape ({}) does not fit its {} bytes",
            path.display(),
            shape.map_or("unknown", |(shape, _)| shape),
            bytes.len()
        ),
    }
}

fn npy(bytes: &[u8], path: &Path) -> Result<Tensor> {
    check_npy_header(bytes, path)?;
    let from = |array: ArrayD<f64>| {
        Tensor::from_iter(array.iter().copied(), &Device::Cpu)?.reshape(array.shape())
    };
    let array = match ArrayD::<f64>::read_npy(bytes) {
        Err(ReadNpyError::WrongDescriptor(_)) => {
            ArrayD::<f32>::read_npy(bytes).map(|array| array.mapv(f64::from))
        }
        other => other,
    };
    match array {
        Ok(array) => Ok(from(array)?),
        Err(source) => Err(Error::new(
            Kind::Input,
            format!("cannot read {} as an array of f32 or f64", path.display()),
        )
        .caused_by(source)),
    }
}

fn safetensors(bytes: Vec<u8>, path: &Path) -> Result<Tensor> {
    let unreadable = |source: candle_core::Error| {
        let message = format!(
            "{} is neither an .npy nor a .safetensors file",
            path.display()
        );
        Error::new(Kind::Input, message).caused_by(source)
    };
    let file = candle_core::safetensors::BufferedSafetensors::new(bytes).map_err(unreadable)?;
    match file.tensors().as_slice() {
        [(name, _)] => Ok(file.load(name, &Device::Cpu).map_err(unreadable)?),
        tensors => bail!(
            Input,
            "{} holds {} tensors, and only a file with one can be read here",
            path.display(),
            tensors.len()
        ),
    }
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
