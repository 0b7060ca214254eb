//! Activations and masks in a device's memory.

use std::sync::Arc;

use super::array::{Array, Float};
use super::device::Gpu;
use crate::backend::buffer::Buffer;
use crate::backend::field::{Extent, Field};
use crate::error::Result;

/// Activations with the channels last, as [`Field`] has them.
pub struct GpuField<T: Float> {
    /// The sizes.
    pub extent: Extent,
    /// Row-major, channels last.
    pub elements: Array<T>,
}

impl<T: Float> GpuField<T> {
    /// Elements of any values, to be written.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn any(gpu: &Arc<Gpu>, extent: Extent) -> Result<Self> {
        Ok(Self {
            extent,
            elements: Array::any(gpu, extent.count())?,
        })
    }

    /// A copy of a field in the host's memory, rounded to nearest.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn upload(gpu: &Arc<Gpu>, field: &Field<f32>) -> Result<Self> {
        Ok(Self {
            extent: field.extent,
            elements: Array::upload_rounded(gpu, field.elements.iter().copied())?,
        })
    }

    /// The field in the host's memory; waits for what computes it.
    ///
    /// # Errors
    /// When something that was asked of the device before failed.
    pub fn download(&self) -> Result<Field<f32>> {
        let elements: Vec<f32> = self
            .elements
            .download()?
            .into_iter()
            .map(T::value)
            .collect();
        Ok(Field {
            extent: self.extent,
            elements: Buffer::from(&elements[..self.extent.count()]),
        })
    }

    /// A copy on the device.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn copy(&self) -> Result<Self> {
        Ok(Self {
            extent: self.extent,
            elements: self.elements.copy()?,
        })
    }

    /// The device.
    pub fn gpu(&self) -> &Arc<Gpu> {
        self.elements.gpu()
    }
}

/// What a ReLU remembers: `ceil(channels / 32)` words a row, bit `c % 32` of word `c / 32` set where
/// channel `c` was active.
pub struct GpuMask {
    /// The sizes of the field.
    pub extent: Extent,
    /// All rows' words.
    pub words: Array<u32>,
}

impl GpuMask {
    /// For a field's rows, of any values, to be written.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn any(gpu: &Arc<Gpu>, extent: Extent) -> Result<Self> {
        Ok(Self {
            extent,
            words: Array::any(gpu, Self::words(extent))?,
        })
    }

    /// Words of a field's mask, which are also the warps that make it.
    pub fn words(extent: Extent) -> usize {
        extent.rows() * extent.channels.div_ceil(32)
    }
}
