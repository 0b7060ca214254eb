//! Numbers as they lie in a file, and their way into f32 tensors.

use candle_core::{Device, Tensor};
use half::{bf16, f16};

use crate::Result;
use crate::error::bail;

/// The element types that weights come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dtype {
    F16,
    Bf16,
    F32,
    F64,
    /// Integers, booleans, quantised numbers: no weight of CLIP has them.
    Other,
}

impl Dtype {
    fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Other => 1,
        }
    }
}

/// Where a tensor's elements lie in its storage; counts are in elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub dtype: Dtype,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

impl Layout {
    /// A row-major tensor that fills its storage.
    pub fn contiguous(dtype: Dtype, shape: &[usize]) -> Self {
        let strides = row_major(shape);
        Self {
            dtype,
            offset: 0,
            shape: shape.to_vec(),
            strides,
        }
    }

    /// The number of elements, where it can be counted at all.
    pub fn elements(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(1, |count: usize, &size| count.checked_mul(size))
    }

    /// One past the last element that the layout touches.
    fn end(&self) -> Option<usize> {
        let steps = self.shape.iter().zip(&self.strides);
        let last = steps.map(|(&size, &stride)| size.checked_sub(1)?.checked_mul(stride));
        last.chain([Some(1)])
            .try_fold(self.offset, |end, step| end.checked_add(step?))
    }
}

fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// A tensor that is still bytes.
pub(super) struct RawTensor<'a> {
    pub storage: &'a [u8],
    pub layout: Layout,
}

impl RawTensor<'_> {
    /// Converts to a contiguous f32 tensor. `name` is for the error: integers, and a layout that leaves
    /// its storage or reads elements of it twice.
    pub fn decode(&self, name: &str) -> Result<Tensor> {
        let Layout { dtype, shape, .. } = &self.layout;
        let stored = self.storage.len() / dtype.size();
        let Some(elements) = self.layout.elements().filter(|&count| count <= stored) else {
            bail!(
                Weights,
                "{name} of shape {shape:?} is larger than the {stored} numbers stored for it"
            );
        };
        if elements > 0 && self.layout.end().is_none_or(|end| end > stored) {
            bail!(
                Weights,
                "{name} reaches past the {stored} numbers stored for it"
            );
        }
        let values = match dtype {
            Dtype::F16 => self.gather(elements, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Dtype::Bf16 => self.gather(elements, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            Dtype::F32 => self.gather(elements, f32::from_le_bytes),
            Dtype::F64 => self.gather(elements, |bytes| f64::from_le_bytes(bytes) as f32),
            Dtype::Other => bail!(
                Weights,
                "{name} holds no floating-point numbers, so it is no weight"
            ),
        };
        Ok(Tensor::from_vec(values, shape.as_slice(), &Device::Cpu)?)
    }

    /// Reads the elements in row-major order; `decode` has checked that all lie in the storage.
    fn gather<const N: usize>(&self, elements: usize, read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        let Layout {
            offset,
            shape,
            strides,
            ..
        } = &self.layout;
        let (stored, _) = self.storage.as_chunks::<N>();
        if elements == 0 {
            return Vec::new();
        }
        if *strides == row_major(shape) {
            return stored[*offset..offset + elements]
                .iter()
                .map(|&bytes| read(bytes))
                .collect();
        }
        let mut index = vec![0; shape.len()];
        let mut at = *offset;
        let mut values = Vec::with_capacity(elements);
        while values.len() < elements {
            values.push(read(stored[at]));
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    at += strides[axis];
                    break;
                }
                at -= strides[axis] * (shape[axis] - 1);
                index[axis] = 0;
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halves(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
        values
            .into_iter()
            .flat_map(|value| f16::from_f32(value).to_le_bytes())
            .collect()
    }

    fn view<'a>(
        storage: &'a [u8],
        offset: usize,
        shape: &[usize],
        strides: &[usize],
    ) -> RawTensor<'a> {
        let (shape, strides) = (shape.to_vec(), strides.to_vec());
        RawTensor {
            storage,
            layout: Layout {
                dtype: Dtype::F16,
                offset,
                shape,
                strides,
            },
        }
    }

    #[test]
    fn strided_views_read_like_transposed_tensors() {
        let storage = halves((0..24).map(|value| value as f32));
        let whole = view(&storage, 0, &[2, 3, 4], &[12, 4, 1])
            .decode("x")
            .unwrap();
        let permuted = view(&storage, 0, &[4, 2, 3], &[1, 12, 4])
            .decode("x")
            .unwrap();
        let expected = whole.permute((2, 0, 1)).unwrap().contiguous().unwrap();
        assert_eq!(
            permuted.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            expected.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        );
        let column = view(&storage, 5, &[3], &[4]).decode("x").unwrap();
        assert_eq!(column.to_vec1::<f32>().unwrap(), [5., 9., 13.]);
    }

    #[test]
    fn layouts_that_leave_their_storage_are_errors() {
        let storage = halves([0.; 6]);
        let huge = usize::MAX;
        for (offset, shape, strides) in [
            (1, vec![6], vec![1]),
            (0, vec![2, 3], vec![6, 1]),
            (huge, vec![1], vec![1]),
            (0, vec![2], vec![huge]),
            (0, vec![huge, huge], vec![0, 0]),
            (0, vec![7], vec![0]),
        ] {
            assert!(
                view(&storage, offset, &shape, &strides)
                    .decode("x")
                    .is_err(),
                "{shape:?}"
            );
        }
        assert!(
            view(&storage, huge, &[0, huge], &[1, 1])
                .decode("x")
                .is_ok()
        );
        assert!(view(&storage, 5, &[], &[]).decode("x").is_ok());
    }

    #[test]
    fn every_float_type_is_read() {
        for (dtype, bytes) in [
            (Dtype::F16, f16::from_f32(-1.5).to_le_bytes().to_vec()),
            (Dtype::Bf16, bf16::from_f32(-1.5).to_le_bytes().to_vec()),
            (Dtype::F32, (-1.5f32).to_le_bytes().to_vec()),
            (Dtype::F64, (-1.5f64).to_le_bytes().to_vec()),
        ] {
            let view = RawTensor {
                storage: &bytes,
                layout: Layout::contiguous(dtype, &[1]),
            };
            assert_eq!(view.decode("x").unwrap().to_vec1::<f32>().unwrap(), [-1.5]);
        }
        let view = RawTensor {
            storage: &[0; 8],
            layout: Layout::contiguous(Dtype::Other, &[8]),
        };
        assert!(view.decode("num_batches_tracked").is_err());
    }
}
