//! Layer normalisation on a GPU (`kernels/layer_norm.cu`).

use std::sync::Arc;

use super::LayerNorm;
use crate::backend::cpu::Real;
use crate::backend::cuda::launch::{layer_norm_bwd, layer_norm_fwd, size};
use crate::backend::cuda::{Array, Float, Gpu, GpuField, Grid};
use crate::error::Result;
use crate::ops::linear::cuda::single;

/// A frozen layer normalisation in a device's memory.
pub struct GpuLayerNorm {
    gain: Array<f32>,
    bias: Array<f32>,
    epsilon: f32,
}

/// What the pullback needs.
pub struct Saved<T: Float> {
    x: Arc<GpuField<T>>,
    /// Mean and inverse deviation of every row.
    moments: Array<f32>,
}

impl<R: Real> LayerNorm<R> {
    /// The same on a device.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn upload(&self, gpu: &Arc<Gpu>) -> Result<GpuLayerNorm> {
        Ok(GpuLayerNorm {
            gain: Array::upload(gpu, &single(&self.gain))?,
            bias: Array::upload(gpu, &single(&self.bias))?,
            epsilon: single(&[self.epsilon])[0],
        })
    }
}

impl GpuLayerNorm {
    /// The normalised rows, and what the pullback needs.
    pub fn forward<T: Float>(&self, x: &Arc<GpuField<T>>) -> Result<(GpuField<T>, Saved<T>)> {
        let (gpu, rows) = (x.gpu(), x.extent.rows());
        let mut y = GpuField::any(gpu, x.extent)?;
        let mut moments = Array::any(gpu, 2 * rows)?;
        layer_norm_fwd(
            gpu,
            Grid::every_row(rows),
            (&x.elements).into(),
            (&self.gain).into(),
            (&self.bias).into(),
            (&mut y.elements).into(),
            (&mut moments).into(),
            size(rows)? as i32,
            size(x.extent.channels)? as i32,
            self.epsilon,
        )?;
        let x = x.clone();
        Ok((y, Saved { x, moments }))
    }

    /// As the CPU's pullback.
    pub fn pullback<T: Float>(&self, saved: &Saved<T>, dy: &GpuField<T>) -> Result<GpuField<T>> {
        let (gpu, rows) = (dy.gpu(), dy.extent.rows());
        let mut dx = GpuField::any(gpu, dy.extent)?;
        layer_norm_bwd(
            gpu,
            Grid::every_row(rows),
            (&saved.x.elements).into(),
            (&saved.moments).into(),
            (&self.gain).into(),
            (&dy.elements).into(),
            (&mut dx.elements).into(),
            size(rows)? as i32,
            size(dy.extent.channels)? as i32,
        )?;
        Ok(dx)
    }
}
