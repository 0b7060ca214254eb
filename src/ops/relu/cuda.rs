//! ReLU, gate and what else follows a product, on a GPU (`kernels/epilogue.cu`).

use crate::backend::cuda::launch::{
    epilogue_bwd, epilogue_fwd, epilogue_pool_fwd, relu_alive_bwd, relu_redirect_bwd, size,
};
use crate::backend::cuda::{Array, Float, GpuField, GpuMask, Grid, Out};
use crate::backend::field::Extent;
use crate::error::Result;
use crate::ops::pool::pooled;

/// Side of the windows whose means can be taken along with a ReLU.
pub const POOL_WINDOW: usize = 2;

/// `y + bias + add`, then a ReLU if it is asked for, in place; and the ReLU's mask.
pub fn finish<T: Float>(
    y: &mut GpuField<T>,
    bias: Option<&Array<f32>>,
    add: Option<&GpuField<T>>,
    relu: bool,
) -> Result<Option<GpuMask>> {
    if bias.is_none() && add.is_none() && !relu {
        return Ok(None);
    }
    let (gpu, extent) = (y.gpu().clone(), y.extent);
    let mut mask = relu.then(|| GpuMask::any(&gpu, extent)).transpose()?;
    let (from, to) = Out::in_place(&mut y.elements);
    epilogue_fwd(
        &gpu,
        Grid::warps(GpuMask::words(extent)),
        from,
        bias.into(),
        add.map(|add| &add.elements).into(),
        to,
        mask.as_mut().map(|mask| &mut mask.words).into(),
        size(extent.rows())?,
        size(extent.channels)?,
    )?;
    Ok(mask)
}

/// The means of `ReLU(x + bias)` over windows of [`POOL_WINDOW`], and the ReLU's mask.
pub fn finish_pooled<T: Float>(
    x: &GpuField<T>,
    bias: Option<&Array<f32>>,
) -> Result<(GpuField<T>, GpuMask)> {
    let (gpu, extent) = (x.gpu(), x.extent);
    let mut y = GpuField::any(gpu, pooled(extent, POOL_WINDOW))?;
    let mut mask = GpuMask::any(gpu, extent)?;
    let windows = Extent {
        height: extent.height.div_ceil(POOL_WINDOW),
        width: extent.width.div_ceil(POOL_WINDOW),
        ..extent
    };
    epilogue_pool_fwd(
        gpu,
        Grid::warps(GpuMask::words(windows)),
        (&x.elements).into(),
        bias.into(),
        (&mut y.elements).into(),
        (&mut mask.words).into(),
        size(extent.images)?,
        size(extent.height)?,
        size(extent.width)?,
        size(extent.channels)?,
    )?;
    Ok((y, mask))
}

/// `dx + add`, then zero where the mask says inactive, in place.
pub fn finish_pullback<T: Float>(
    dx: &mut GpuField<T>,
    add: Option<&GpuField<T>>,
    gate: Option<&GpuMask>,
) -> Result<()> {
    if add.is_none() && gate.is_none() {
        return Ok(());
    }
    let (gpu, extent) = (dx.gpu().clone(), dx.extent);
    let (from, to) = Out::in_place(&mut dx.elements);
    epilogue_bwd(
        &gpu,
        Grid::warps(GpuMask::words(extent)),
        from,
        add.map(|add| &add.elements).into(),
        gate.map(|mask| &mask.words).into(),
        to,
        size(extent.rows())?,
        size(extent.channels)?,
    )
}

/// The rectified field, with the mask of `x > 0`.
pub fn forward<T: Float>(x: &GpuField<T>) -> Result<(GpuField<T>, GpuMask)> {
    let (gpu, extent) = (x.gpu().clone(), x.extent);
    let mut y = GpuField::any(&gpu, extent)?;
    let mut mask = GpuMask::any(&gpu, extent)?;
    epilogue_fwd(
        &gpu,
        Grid::warps(GpuMask::words(extent)),
        (&x.elements).into(),
        None.into(),
        None.into(),
        (&mut y.elements).into(),
        (&mut mask.words).into(),
        size(extent.rows())?,
        size(extent.channels)?,
    )?;
    Ok((y, mask))
}

/// As the CPU's [`redirect`](super::redirect).
pub fn redirect<T: Float>(dy: &mut GpuField<T>, mask: &GpuMask) -> Result<()> {
    let (gpu, extent) = (dy.gpu().clone(), dy.extent);
    let (rows, channels) = (size(extent.positions())?, size(extent.channels)?);
    let mut alive = Array::any(&gpu, extent.images)?;
    relu_alive_bwd(
        &gpu,
        Grid::blocks(extent.images),
        (&dy.elements).into(),
        (&mask.words).into(),
        (&mut alive).into(),
        rows,
        channels,
    )?;
    let (from, to) = Out::in_place(&mut dy.elements);
    relu_redirect_bwd(
        &gpu,
        Grid::elements(extent.count()),
        from,
        (&mask.words).into(),
        (&alive).into(),
        to,
        size(extent.images)?,
        rows,
        channels,
    )
}
