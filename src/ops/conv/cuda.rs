//! Convolutions on a GPU. Those of 1x1 are products of the field as it lies; any other is made by the
//! [`GpuMethod`] that the table has for it.

mod choice;
mod convolver;
#[cfg(feature = "cudnn")]
mod cudnn;
mod patches;
mod windowed;
mod winograd;

use std::sync::Arc;

use super::kernel::Kernel;
use super::{Conv, Form};
use crate::backend::cpu::Real;
use crate::backend::cuda::{Float, Gpu, GpuField, GpuMask};
use crate::backend::field::Extent;
use crate::error::Result;
use crate::ops::linear::cuda::{GpuLinear, single};
pub use choice::GpuMethod;
pub use windowed::GpuWindowed;

/// A frozen convolution in a device's memory.
pub enum GpuConv<T: Float> {
    /// 1x1.
    Pointwise(GpuLinear<T>),
    /// Any other: by its shape, its type and the field's size.
    Windowed(Box<GpuWindowed<T>>),
}

impl<R: Real> Kernel<R> {
    fn single(&self) -> Kernel<f32> {
        Kernel {
            weight: single(&self.weight),
            bias: single(&self.bias),
            inputs: self.inputs,
            outputs: self.outputs,
            window: self.window,
        }
    }
}

impl<R: Real> Conv<R> {
    /// The same convolution on a device.
    ///
    /// # Errors
    /// When the device's memory is full, or a library is missing that the convolution needs.
    pub fn upload<T: Float>(&self, gpu: &Arc<Gpu>) -> Result<GpuConv<T>> {
        match &self.form {
            Form::Pointwise(linear) => Ok(GpuConv::Pointwise(linear.upload(gpu)?)),
            Form::Patches(own) => GpuConv::windowed(own.kernel().single(), None, gpu),
            Form::Spatial(own) => GpuConv::windowed(own.kernel().single(), None, gpu),
        }
    }

    /// The same, by one method for fields of every size, to compare them; `None` where this convolution cannot be
    /// made by it.
    ///
    /// # Errors
    /// As [`Self::upload`].
    pub fn upload_by<T: Float>(
        &self,
        gpu: &Arc<Gpu>,
        method: GpuMethod,
    ) -> Result<Option<GpuConv<T>>> {
        let kernel = match &self.form {
            Form::Pointwise(_) => return Ok(None),
            Form::Patches(own) => own.kernel().single(),
            Form::Spatial(own) => own.kernel().single(),
        };
        let suits = method.suits(kernel.window, kernel.inputs);
        let upload = || GpuConv::windowed(kernel, Some(method), gpu);
        suits.then(upload).transpose()
    }
}

impl<T: Float> GpuConv<T> {
    fn windowed(kernel: Kernel<f32>, only: Option<GpuMethod>, gpu: &Arc<Gpu>) -> Result<Self> {
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
