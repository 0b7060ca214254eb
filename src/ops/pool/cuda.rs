//! Average pooling on a GPU (`kernels/pool.cu`).

use std::sync::Arc;

use super::pooled;
use crate::backend::cuda::launch::{pool_bwd, pool_fwd, size};
use crate::backend::cuda::{Float, Gpu, GpuField, Grid, In, Out};
use crate::backend::field::Extent;
use crate::error::Result;

/// A kernel between a field and its windows' means: images, height, width and channels of the field, and
/// the windows' side.
type Kernel<T> = fn(&Arc<Gpu>, Grid, In<T>, Out<T>, u32, u32, u32, u32, u32) -> Result<()>;

fn run<T: Float>(
    kernel: Kernel<T>,
    x: &GpuField<T>,
    to: Extent,
    of: Extent,
    window: usize,
) -> Result<GpuField<T>> {
    let gpu = x.gpu();
    let mut y = GpuField::any(gpu, to)?;
    kernel(
        gpu,
        Grid::elements(to.count()),
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

/// To `height / k` and `width / k`.
pub fn forward<T: Float>(x: &GpuField<T>, window: usize) -> Result<GpuField<T>> {
    run(pool_fwd, x, pooled(x.extent, window), x.extent, window)
}

/// The cotangent of an input of the extent `from`.
pub fn pullback<T: Float>(dy: &GpuField<T>, window: usize, from: Extent) -> Result<GpuField<T>> {
    run(pool_bwd, dy, from, from, window)
}
