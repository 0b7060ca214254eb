//! An array of real numbers, read where it lies.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::bytes::Bytes;
use super::number::Number;
use crate::error::{Result, bail};

/// How an array's numbers lie in bytes, one after the other.
pub(super) struct Layout {
    pub number: Number,
    pub shape: Vec<usize>,
    /// Whether the first axis is the fastest, instead of the last.
    pub is_fortran: bool,
    /// Where the first number begins.
    pub start: usize,
}

impl Layout {
    /// The bytes that the numbers take, where they can be counted.
    pub fn bytes(&self) -> Option<usize> {
        let mut sizes = self.shape.iter();
        sizes.try_fold(self.number.size, |bytes, &size| bytes.checked_mul(size))
    }
}

/// An array of a file; what is not asked for is not read.
pub struct Array {
    /// As it is spelled, such as `sae.npz#W_dec`.
    pub(super) label: String,
    pub(super) bytes: Arc<Bytes>,
    /// Within the bytes.
    pub(super) layout: Layout,
}

impl Array {
    /// As it is spelled, such as `sae.npz#W_dec`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The sizes of its axes.
    pub fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    /// Whether the first axis is the fastest, instead of the last.
    pub(super) fn is_fortran(&self) -> bool {
        self.layout.is_fortran
    }

    /// So many numbers, `stride` from each to the next, counted as they lie; NaN for those outside the file.
    pub(super) fn read(&self, first: usize, stride: usize, count: usize) -> Vec<f64> {
        let Layout { number, start, .. } = self.layout;
        let places = (0..count).map(|index| start + (first + index * stride) * number.size);
        let values = places.map(|place| match self.bytes.get(place..) {
            Some(bytes) => number.read(bytes),
            None => f64::NAN,
        });
        values.collect()
    }

    /// All of it, as a tensor of `f64`.
    ///
    /// # Errors
    /// When a number is not finite, or the shape is none of an array that could be.
    pub fn tensor(&self) -> Result<Tensor> {
        let shape = self.shape();
        // Of an empty array any size may be said.
        let mut sizes = shape.iter().map(|&size| size.max(1));
        if sizes.try_fold(1usize, usize::checked_mul).is_none() {
            bail!(
                Input,
                "{} has the shape {shape:?}, which is too large: save it again with its true shape",
                self.label
            );
        }
        let values = self.read(0, 1, shape.iter().product());
        check_finite(&values, &self.label)?;
        if !self.is_fortran() {
            return Ok(Tensor::from_vec(values, shape, &Device::Cpu)?);
        }
        let reversed: Vec<usize> = shape.iter().rev().copied().collect();
        let axes: Vec<usize> = (0..shape.len()).rev().collect();
        let tensor = Tensor::from_vec(values, reversed, &Device::Cpu)?;
        Ok(tensor.permute(axes)?.contiguous()?)
    }
}

/// # Errors
/// When one of the numbers is not finite: says of what they are.
pub(super) fn check_finite(values: &[f64], of: &str) -> Result<()> {
    if !values.iter().all(|value| value.is_finite()) {
        bail!(Input, "{of} holds a number that is not finite");
    }
    Ok(())
}
