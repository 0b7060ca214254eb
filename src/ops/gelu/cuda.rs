//! Both activations on a GPU (`kernels/gelu.cu`).

use super::Gelu;
use crate::backend::cuda::launch::{gelu_bwd, gelu_fwd, quick_gelu_bwd, quick_gelu_fwd, size};
use crate::backend::cuda::{Float, GpuField, Grid};
use crate::error::Result;

/// The activation of every number.
pub fn forward<T: Float>(gelu: Gelu, x: &GpuField<T>) -> Result<GpuField<T>> {
    let (gpu, count) = (x.gpu(), x.extent.count());
    let mut y = GpuField::any(gpu, x.extent)?;
    let kernel = match gelu {
        Gelu::Quick => quick_gelu_fwd,
        Gelu::Exact => gelu_fwd,
    };
    let grid = Grid::elements(count.div_ceil(4));
    kernel(
        gpu,
        grid,
        (&x.elements).into(),
        (&mut y.elements).into(),
        size(count)?,
    )?;
    Ok(y)
}

/// The cotangent of the pre-activation `x`.
pub fn pullback<T: Float>(gelu: Gelu, x: &GpuField<T>, dy: &GpuField<T>) -> Result<GpuField<T>> {
    let (gpu, count) = (x.gpu(), x.extent.count());
    let mut dx = GpuField::any(gpu, x.extent)?;
    let kernel = match gelu {
        Gelu::Quick => quick_gelu_bwd,
        Gelu::Exact => gelu_bwd,
    };
    kernel(
        gpu,
        Grid::elements(count.div_ceil(4)),
        (&x.elements).into(),
        (&dy.elements).into(),
        (&mut dx.elements).into(),
        size(count)?,
    )?;
    Ok(dx)
}
