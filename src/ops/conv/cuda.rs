//! Convolutions on a GPU: products by cuBLAS, of the field as it lies, of its patches
//! (`kernels/patches.cu`), or of Winograd's transforms (`kernels/winograd.cu`).

mod choice;
mod spatial;

use std::sync::Arc;

use super::patches::{Patches, Window};
use super::{Conv, Method};
use crate::backend::cpu::Real;
use crate::backend::cuda::launch::{patches_bwd, patches_fwd, size};
use crate::backend::cuda::{Float, Gpu, GpuField, GpuMask, Grid, In, Out};
use crate::backend::field::Extent;
use crate::error::Result;
use crate::ops::linear::cuda::GpuLinear;
use crate::ops::relu::cuda::finish_pullback;
pub use choice::Way;
pub use spatial::GpuSpatial;

/// A frozen convolution in a device's memory.
pub enum GpuConv<T: Float> {
    /// 1x1.
    Pointwise(GpuLinear<T>),
    /// Any.
    Patches(GpuPatches<T>),
    /// 3x3 of stride 1 with many channels: by the field's size and type.
    Spatial(Box<GpuSpatial<T>>),
}

/// A convolution as a product of its patches.
pub struct GpuPatches<T: Float> {
    linear: GpuLinear<T>,
    window: Window,
}

impl<R: Real> Conv<R> {
    /// The same convolution on a device.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn upload<T: Float>(&self, gpu: &Arc<Gpu>) -> Result<GpuConv<T>> {
        Ok(match &self.method {
            Method::Pointwise(linear) => GpuConv::Pointwise(linear.upload(gpu)?),
            Method::Patches(patches) => GpuConv::Patches(GpuPatches::upload(patches, gpu)?),
            Method::Spatial(spatial) => {
                GpuConv::Spatial(Box::new(GpuSpatial::new(spatial.kernel())))
            }
        })
    }
}

impl<T: Float> GpuConv<T> {
    /// The same, with one way for fields of every size where it has a choice, to compare them.
    pub fn by(self, way: Way) -> Self {
        match self {
            Self::Spatial(spatial) => Self::Spatial(Box::new(spatial.by(way))),
            other => other,
        }
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
            Self::Patches(patches) => patches.forward(x, add, relu),
            Self::Spatial(spatial) => spatial.forward(x, add, relu),
        }
    }

    /// The means of its ReLU over windows of [`POOL_WINDOW`](crate::ops::relu::cuda::POOL_WINDOW), and the
    /// ReLU's mask.
    pub fn forward_pooled(&self, x: &GpuField<T>) -> Result<(GpuField<T>, GpuMask)> {
        match self {
            Self::Pointwise(linear) => linear.forward_pooled(x),
            Self::Patches(patches) => patches.forward_pooled(x),
            Self::Spatial(spatial) => spatial.forward_pooled(x),
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
            Self::Patches(patches) => patches.pullback(dy, from, add, gate),
            Self::Spatial(spatial) => spatial.pullback(dy, from, add, gate),
        }
    }
}

/// A kernel between a field and its patches: images, height, width and channels of the field, the
/// window's kernel, stride and padding, height and width of the patches.
type Kernel<T> =
    fn(&Arc<Gpu>, Grid, In<T>, Out<T>, u32, u32, u32, u32, u32, u32, u32, u32, u32) -> Result<()>;

impl<T: Float> GpuPatches<T> {
    fn upload<R: Real>(own: &Patches<R>, gpu: &Arc<Gpu>) -> Result<Self> {
        Ok(Self {
            linear: own.linear.upload(gpu)?,
            window: own.window,
        })
    }

    /// From a field of the extent `of` to its patches, or back.
    fn run(
        &self,
        kernel: Kernel<T>,
        x: &GpuField<T>,
        to: Extent,
        of: Extent,
    ) -> Result<GpuField<T>> {
        let (gpu, patches) = (x.gpu(), self.window.patches(of));
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
            size(self.window.kernel)?,
            size(self.window.stride)?,
            size(self.window.padding)?,
            size(patches.height)?,
            size(patches.width)?,
        )?;
        Ok(y)
    }

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

    fn rows(&self, x: &GpuField<T>) -> Result<GpuField<T>> {
        let to = self.window.patches(x.extent);
        self.run(patches_fwd, x, to, x.extent)
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
