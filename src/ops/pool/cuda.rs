//! Average pooling on a GPU (`kernels/pool.cu`).

use super::pooled;
use crate::backend::cuda::launch::{pool_bwd, pool_fwd, size};
use crate::backend::cuda::{Float, GpuField, GpuMask, Grid};
use crate::backend::field::Extent;
use crate::error::Result;

/// `(n, h, w, channels)` to `(n, h / k, w / k, channels)`.
pub fn forward<T: Float>(x: &GpuField<T>, window: usize) -> Result<GpuField<T>> {
    let (gpu, of) = (x.gpu(), x.extent);
    let mut y = GpuField::any(gpu, pooled(of, window))?;
    pool_fwd(
        gpu,
        Grid::elements(y.extent.count()),
        (&x.elements).into(),
        (&mut y.elements).into(),
        size(of.images)?,
        size(of.height)?,
        size(of.width)?,
        size(of.channels)?,
        size(window)?,
    )?;
    Ok(y)
}

/// The cotangent of an input of the extent `from`, plus `add`, gated.
pub fn pullback<T: Float>(
    dy: &GpuField<T>,
    window: usize,
    from: Extent,
    add: Option<&GpuField<T>>,
    gate: Option<&GpuMask>,
) -> Result<GpuField<T>> {
    let gpu = dy.gpu();
    let mut dx = GpuField::any(gpu, from)?;
    pool_bwd(
        gpu,
        Grid::elements(from.count()),
        (&dy.elements).into(),
        add.map(|add| &add.elements).into(),
        gate.map(|mask| &mask.words).into(),
        (&mut dx.elements).into(),
        size(from.images)?,
        size(from.height)?,
        size(from.width)?,
        size(from.channels)?,
        size(window)?,
    )?;
    Ok(dx)
}
