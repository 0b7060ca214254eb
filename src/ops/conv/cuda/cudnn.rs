//! A convolution by cuDNN, and what follows it as a pass of its own (`kernels/epilogue.cu`).

use std::sync::Arc;

use super::convolver::Convolver;
use crate::backend::cuda::convolution::Convolution;
use crate::backend::cuda::{Array, Float, Gpu, GpuField, GpuMask};
use crate::backend::field::Extent;
use crate::error::Result;
use crate::ops::conv::kernel::{Kernel, Window};
use crate::ops::relu::cuda::{finish, finish_pooled, finish_pullback};

/// A convolution that gathers its patches while it multiplies.
pub struct GpuCudnn<T: Float> {
    /// `(outputs, k, k, inputs)`.
    filters: Array<T>,
    bias: Array<f32>,
    outputs: usize,
    window: Window,
}

impl<T: Float> GpuCudnn<T> {
    pub fn upload(kernel: &Kernel<f32>, gpu: &Arc<Gpu>) -> Result<Self> {
        gpu.demand_cudnn()?;
        let rows = (0..kernel.outputs).flat_map(|o| (0..kernel.patch()).map(move |k| (k, o)));
        let filters = rows.map(|(k, o)| kernel.of_patch(k, o));
        Ok(Self {
            filters: Array::upload_rounded(gpu, filters)?,
            bias: Array::upload(gpu, &kernel.bias)?,
            outputs: kernel.outputs,
            window: kernel.window,
        })
    }

    fn of(&self, from: Extent) -> Convolution {
        Convolution {
            from,
            to: self.window.patches(from).with_channels(self.outputs),
            kernel: self.window.side,
            stride: self.window.stride,
            padding: self.window.padding,
        }
    }
}

impl<T: Float> Convolver<T> for GpuCudnn<T> {
    fn forward(
        &self,
        x: &GpuField<T>,
        add: Option<&GpuField<T>>,
        relu: bool,
    ) -> Result<(GpuField<T>, Option<GpuMask>)> {
        let mut y = self.of(x.extent).forward(x, &self.filters)?;
        let mask = finish(&mut y, Some(&self.bias), add, relu)?;
        Ok((y, mask))
    }

    fn forward_pooled(&self, x: &GpuField<T>) -> Result<(GpuField<T>, GpuMask)> {
        let y = self.of(x.extent).forward(x, &self.filters)?;
        finish_pooled(&y, Some(&self.bias))
    }

    fn pullback(
        &self,
        dy: &GpuField<T>,
        from: Extent,
        add: Option<&GpuField<T>>,
        gate: Option<&GpuMask>,
    ) -> Result<GpuField<T>> {
        let mut dx = self.of(from).pullback(dy, &self.filters)?;
        finish_pullback(&mut dx, add, gate)?;
        Ok(dx)
    }
}
