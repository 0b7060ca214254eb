//! A convolution as a product of its patches on a GPU (`kernels/patches.cu`).

use std::sync::Arc;

use super::convolver::Convolver;
use crate::backend::cuda::launch::{patches_bwd, patches_fwd, size};
use crate::backend::cuda::{Float, Gpu, GpuField, GpuMask, Grid, In, Out};
use crate::backend::field::Extent;
use crate::error::Result;
use crate::ops::conv::kernel::{Kernel, Window};
use crate::ops::linear::cuda::GpuLinear;
use crate::ops::relu::cuda::finish_pullback;

/// A map of patches.
pub struct GpuPatches<T: Float> {
    linear: GpuLinear<T>,
    window: Window,
}

/// A kernel between a field and its patches: images, height, width and channels of the field, the
/// window's side, stride and padding, height and width of the patches.
type Launch<T> =
    fn(&Arc<Gpu>, Grid, In<T>, Out<T>, u32, u32, u32, u32, u32, u32, u32, u32, u32) -> Result<()>;

impl<T: Float> GpuPatches<T> {
    pub fn upload(kernel: &Kernel<f32>, gpu: &Arc<Gpu>) -> Result<Self> {
        let sizes = (kernel.patch(), kernel.outputs);
        let element = |k, o| kernel.of_patch(k, o);
        Ok(Self {
            linear: GpuLinear::of(gpu, sizes, element, Some(&kernel.bias))?,
            window: kernel.window,
        })
    }

    /// From a field of the extent `of` to its patches, or back.
    fn run(
        &self,
        launch: Launch<T>,
        x: &GpuField<T>,
        to: Extent,
        of: Extent,
    ) -> Result<GpuField<T>> {
        let (gpu, patches) = (x.gpu(), self.window.patches(of));
        let mut y = GpuField::any(gpu, to)?;
        launch(
            gpu,
            Grid::elements(to.count()),
            (&x.elements).into(),
            (&mut y.elements).into(),
            size(of.images)?,
            size(of.height)?,
            size(of.width)?,
            size(of.channels)?,
            size(self.window.side)?,
            size(self.window.stride)?,
            size(self.window.padding)?,
            size(patches.height)?,
            size(patches.width)?,
        )?;
        Ok(y)
    }

    fn rows(&self, x: &GpuField<T>) -> Result<GpuField<T>> {
        let to = self.window.patches(x.extent);
        self.run(patches_fwd, x, to, x.extent)
    }
}

impl<T: Float> Convolver<T> for GpuPatches<T> {
    fn forward(
        &self,
        x: &GpuField<T>,
        add: Option<&GpuField<T>>,
        relu: bool,
    ) -> Result<(GpuField<T>, Option<GpuMask>)> {
        self.linear.forward(&self.rows(x)?, add, relu)
    }

    fn forward_pooled(&self, x: &GpuField<T>) -> Result<(GpuField<T>, GpuMask)> {
        self.linear.forward_pooled(&self.rows(x)?)
    }

    fn pullback(
        &self,
        dy: &GpuField<T>,
        from: Extent,
        add: Option<&GpuField<T>>,
        gate: Option<&GpuMask>,
    ) -> Result<GpuField<T>> {
        let rows = self.linear.pullback(dy, None, None)?;
        let mut dx = self.run(patches_bwd, &rows, from, from)?;
        finish_pullback(&mut dx, add, gate)?;
        Ok(dx)
    }
}
