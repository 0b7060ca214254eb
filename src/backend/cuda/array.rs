//! Numbers in a device's memory.

use std::sync::Arc;

use cudarc::cublas::sys::cudaDataType;
use cudarc::driver::{CudaSlice, DeviceRepr, ValidAsZeroBits};
use half::{bf16, f16};

use super::device::Gpu;
use super::error::device_error;
use crate::error::{Result, bail};

/// What an array can hold.
pub trait Element: DeviceRepr + ValidAsZeroBits + Copy + Send + Sync + 'static {}

impl Element for f32 {}
impl Element for f64 {}
impl Element for i32 {}
impl Element for u8 {}
impl Element for u32 {}
impl Element for f16 {}
impl Element for bf16 {}

/// What activations are stored as; kernels and products compute in `f32`.
pub trait Float: Element + std::fmt::Debug {
    /// The end of the names of kernels for it.
    const SUFFIX: &'static str;
    /// Whether a number that is finite in `f32` may not be finite in this type.
    const IS_NARROW: bool;
    #[doc(hidden)]
    const DATA_TYPE: cudaDataType;

    /// The nearest number of this type.
    fn of(value: f32) -> Self;

    /// The same number in `f32`, exactly.
    fn value(self) -> f32;
}

impl Float for f32 {
    const SUFFIX: &'static str = "f32";
    const IS_NARROW: bool = false;
    const DATA_TYPE: cudaDataType = cudaDataType::CUDA_R_32F;

    fn of(value: f32) -> Self {
        value
    }

    fn value(self) -> f32 {
        self
    }
}

impl Float for f16 {
    const SUFFIX: &'static str = "f16";
    const IS_NARROW: bool = true;
    const DATA_TYPE: cudaDataType = cudaDataType::CUDA_R_16F;

    fn of(value: f32) -> Self {
        Self::from_f32(value)
    }

    fn value(self) -> f32 {
        self.to_f32()
    }
}

impl Float for bf16 {
    const SUFFIX: &'static str = "bf16";
    const IS_NARROW: bool = false;
    const DATA_TYPE: cudaDataType = cudaDataType::CUDA_R_16BF;

    fn of(value: f32) -> Self {
        Self::from_f32(value)
    }

    fn value(self) -> f32 {
        self.to_f32()
    }
}

/// An array in a device's memory.
pub struct Array<T: Element> {
    pub(super) slice: CudaSlice<T>,
    gpu: Arc<Gpu>,
}

impl<T: Element> Drop for Array<T> {
    fn drop(&mut self) {
        self.gpu.meter().give_back(self.slice.num_bytes());
    }
}

impl<T: Element> Array<T> {
    fn new(gpu: &Arc<Gpu>, slice: CudaSlice<T>) -> Self {
        gpu.meter().take(slice.num_bytes());
        Self {
            slice,
            gpu: gpu.clone(),
        }
    }

    /// `length` elements of any values, to be written.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn any(gpu: &Arc<Gpu>, length: usize) -> Result<Self> {
        // SAFETY: any bits are a number of these types, and every kernel writes its outputs whole.
        let slice = unsafe { gpu.stream.alloc(length.max(1)) }.map_err(device_error)?;
        Ok(Self::new(gpu, slice))
    }

    /// `length` zeros.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn zeros(gpu: &Arc<Gpu>, length: usize) -> Result<Self> {
        let mut array = Self::any(gpu, length)?;
        gpu.stream
            .memset_zeros(&mut array.slice)
            .map_err(device_error)?;
        Ok(array)
    }

    /// A copy of elements in the host's memory; where there are none, an array of one element.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn upload(gpu: &Arc<Gpu>, elements: &[T]) -> Result<Self> {
        let mut array = Self::any(gpu, elements.len())?;
        if !elements.is_empty() {
            array.set(elements)?;
        }
        Ok(array)
    }

    /// Overwrites the first elements.
    ///
    /// # Errors
    /// When there are more than the array has (a defect of the caller), or the device failed.
    pub fn set(&mut self, elements: &[T]) -> Result<()> {
        if elements.len() > self.len() {
            bail!(
                Internal,
                "{} elements do not fit an array of {}",
                elements.len(),
                self.len()
            );
        }
        self.gpu
            .stream
            .memcpy_htod(elements, &mut self.slice)
            .map_err(device_error)
    }

    /// The elements in the host's memory; waits for what computes them.
    ///
    /// # Errors
    /// When something that was asked of the device before failed.
    pub fn download(&self) -> Result<Vec<T>> {
        self.gpu
            .stream
            .clone_dtoh(&self.slice)
            .map_err(device_error)
    }

    /// A copy on the device.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn copy(&self) -> Result<Self> {
        let slice = self.gpu.stream.clone_dtod(&self.slice);
        Ok(Self::new(&self.gpu, slice.map_err(device_error)?))
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.slice.len()
    }

    /// Never: an array has at least one element.
    pub fn is_empty(&self) -> bool {
        self.slice.is_empty()
    }

    /// The device.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }
}

impl<T: Float> Array<T> {
    /// A copy of numbers in the host's memory, rounded to nearest.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn upload_rounded(gpu: &Arc<Gpu>, numbers: impl IntoIterator<Item = f32>) -> Result<Self> {
        let rounded: Vec<T> = numbers.into_iter().map(T::of).collect();
        Self::upload(gpu, &rounded)
    }
}
