//! Convolutions on a GPU. Those of 1x1 are products of the field as it lies; any other goes the [`Way`] that the
//! table has for it.

mod choice;
#[cfg(feature = "cudnn")]
mod cudnn;
mod patches;
mod windowed;
mod winograd;

use std::sync::Arc;

use super::{Conv, Method};
use crate::backend::cpu::Real;
use crate::backend::cuda::{Float, Gpu, GpuField, GpuMask};
use crate::backend::field::Extent;
use crate::error::Result;
use crate::ops::linear::cuda::GpuLinear;
pub use choice::Way;
pub use windowed::GpuWindowed;
use windowed::Kernel;

/// A frozen convolution in a device's memory.
pub enum GpuConv<T: Float> {
    /// 1x1.
    Pointwise(GpuLinear<T>),
    /// Any other: by its shape, its type and the field's size.
    Windowed(Box<GpuWindowed<T>>),
}

impl<R: Real> Conv<R> {
    /// The same convolution on a device.
    ///
    /// # Errors
    /// When the device's memory is full, or a library is missing that the convolution needs.
    pub fn upload<T: Float>(&self, gpu: &Arc<Gpu>) -> Result<GpuConv<T>> {
        match &self.method {
            Method::Pointwise(linear) => Ok(GpuConv::Pointwise(linear.upload(gpu)?)),
            Method::Patches(own) => GpuConv::windowed(own.into(), None, gpu),
            Method::Spatial(own) => GpuConv::windowed(own.kernel().into(), None, gpu),
        }
    }

    /// The same, by one way for fields of every size, to compare them; `None` where this convolution cannot go it.
    ///
    /// # Errors
    /// As [`Self::upload`].
    pub fn upload_by<T: Float>(&self, gpu: &Arc<Gpu>, way: Way) -> Result<Option<GpuConv<T>>> {
        let kernel: Kernel = match &self.method {
            Method::Pointwise(_) => return Ok(None),
            Method::Patches(own) => own.into(),
            Method::Spatial(own) => own.kernel().into(),
        };
        let suits = way.suits(kernel.window, kernel.inputs);
        let upload = || GpuConv::windowed(kernel, Some(way), gpu);
        suits.then(upload).transpose()
    }
}

impl<T: Float> GpuConv<T> {
    fn windowed(kernel: Kernel, only: Option<Way>, gpu: &Arc<Gpu>) -> Result<Self> {
        Ok(Self::Windowed(Box::new(GpuWindowed::new(
            kernel, only, gpu,
        )?)))
    }

    /// As the CPU's forward.
    pub fn forward(
        &self,
        x: &GpuField<T>,
        add: Option<&GpuField<T>>,
        relu: bool,
    ) -> Result<(GpuField<T>, Option<GpuMask>)> {
        match self {
            Self::Pointwise(linear) => linear.forward(x, add, relu),
            Self::Windowed(own) => own.of(x.extent, x.gpu())?.forward(x, add, relu),
        }
    }

    /// The means of its ReLU over windows of [`POOL_WINDOW`](crate::ops::relu::cuda::POOL_WINDOW), and the
    /// ReLU's mask.
    pub fn forward_pooled(&self, x: &GpuField<T>) -> Result<(GpuField<T>, GpuMask)> {
        match self {
            Self::Pointwise(linear) => linear.forward_pooled(x),
            Self::Windowed(own) => own.of(x.extent, x.gpu())?.forward_pooled(x),
        }
    }

    /// As the CPU's pullback.
    pub fn pullback(
        &self,
        dy: &GpuField<T>,
        from: Extent,
        add: Option<&GpuField<T>>,
        gate: Option<&GpuMask>,
    ) -> Result<GpuField<T>> {
        match self {
            Self::Pointwise(linear) => linear.pullback(dy, add, gate),
            Self::Windowed(own) => own.of(from, dy.gpu())?.pullback(dy, from, add, gate),
        }
    }
}
