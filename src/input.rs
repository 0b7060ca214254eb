//! What users hand in besides weights: pictures and arrays of numbers.

pub mod arrays;
pub mod bytes;
pub mod listing;
pub mod picture;
pub mod vectors;

mod array;
mod npy;
mod npz;
mod number;

use std::path::Path;

use candle_core::{DType, Tensor};
use sha2::{Digest, Sha256};

pub use array::Array;
use arrays::ArrayFile;

use crate::error::{Error, Result, bail};

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

/// A batch `(n, 3, h, w)` of normalised pixels from a file of one array (`.npy`, `.npz`,
/// `.safetensors`); a single image `(3, h, w)` counts as a batch of one.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub fn batch(path: &Path) -> Result<Tensor> {
    let array = ArrayFile::open(path)?.array(None)?;
    let tensor = array.tensor()?.to_dtype(DType::F32)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use ndarray_npy::WriteNpyExt;

    fn values(path: &Path) -> Result<Vec<f64>> {
        let tensor = ArrayFile::open(path)?.array(None)?.tensor()?;
        Ok(tensor.flatten_all()?.to_vec1()?)
    }

    #[test]
    fn large_numbers_are_finite_though_their_sum_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let file = std::fs::File::create(&path).unwrap();
        ndarray::array![f64::MAX, f64::MAX].write_npy(file).unwrap();
        assert_eq!(values(&path).unwrap(), [f64::MAX; 2]);
        assert!(batch(&path).is_err());
    }

    #[test]
    fn an_array_in_fortran_s_order_is_the_same_tensor() {
        let folder = tempfile::tempdir().unwrap();
        let numbers = ndarray::Array::from_iter(0..2 * 3 * 2 * 4);
        let rows = numbers.into_shape_with_order((2, 3, 2, 4)).unwrap();
        let rows = rows.mapv(f64::from);
        let mut columns = ndarray::Array4::zeros(ndarray::ShapeBuilder::f((2, 3, 2, 4)));
        columns.assign(&rows);
        let [first, second] = [&rows, &columns].map(|array| {
            let path = folder.path().join("a.npy");
            array
                .write_npy(std::fs::File::create(&path).unwrap())
                .unwrap();
            let batch = batch(&path).unwrap();
            assert_eq!(batch.dims(), [2, 3, 2, 4]);
            values(&path).unwrap()
        });
        assert_eq!(first, rows.into_iter().collect::<Vec<_>>());
        assert_eq!(first, second);
    }

    #[test]
    fn what_is_not_an_array_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        assert_eq!(values(&path).unwrap_err().kind(), Kind::Io);
        for bytes in [&b""[..], b"\x93NUMPY", b"not a tensor", &[255; 64]] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(values(&path).unwrap_err().kind(), Kind::Input, "{bytes:?}");
        }
        ndarray::array![f32::NAN]
            .write_npy(std::fs::File::create(&path).unwrap())
            .unwrap();
        let report = values(&path).unwrap_err().report();
        assert!(report.contains("not finite"), "{report}");
    }
}
