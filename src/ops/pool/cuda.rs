//! Average pooling on a GPU (`kernels/pool.cu`).

use super::pooled;
use crate::backend::cuda::launch::{pool_bwd, pool_fwd, size};
use crate::backend::cuda::{Float, GpuField, Grid};
use crate::backend::field::Extent;
use crate::error::Result;

/// To `height / k` and `width / k`.
pub fn forward<T: Float>(x: &GpuField<T>, window: usize) -> Result<GpuField<T>> {
    let (gpu, from) = (x.gpu(), x.extent);
    let mut y = GpuField::any(gpu, pooled(from, window))?;
    pool_fwd(
        gpu,
        Grid::elements(y.extent.count()),
        (&x.elements).into(),
        (&mut y.elements).into(),
        size(from.images)?,
        size(from.height)?,
        size(from.width)?,
        size(from.channels)?,
        size(window)?,
    )?;
    Ok(y)
}

/// The cotangent of an input of the extent `from`.
pub fn pullback<T: Float>(dy: &GpuField<T>, window: usize, from: Extent) -> Result<GpuField<T>> {
    let gpu = dy.gpu();
    let mut dx = GpuField::any(gpu, from)?;
    pool_bwd(
        gpu,
        Grid::elements(from.count()),
        (&dy.elements).into(),
        (&mut dx.elements).into(),
        size(from.images)?,
        size(from.height)?,
        size(from.width)?,
        size(from.channels)?,
        size(window)?,
    )?;
    Ok(dx)
}
