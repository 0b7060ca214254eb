//! Convolutions on a GPU: products by cuBLAS, of the field as it lies, of its patches
//! (`kernels/patches.cu`), or of Winograd's transforms (`kernels/winograd.cu`).

mod spatial;

use std::sync::Arc;

use super::{Conv, Method};
use crate::backend::cpu::Real;
use crate::backend::cuda::launch::{patches_bwd, patches_fwd, size};
use crate::backend::cuda::{Float, Gpu, GpuField, GpuMask, Grid};
use crate::backend::field::Extent;
use crate::error::Result;
use crate::ops::linear::cuda::GpuLinear;
use crate::ops::relu::cuda::finish_pullback;
pub use spatial::GpuSpatial;

/// A frozen convolution in a device's memory.
pub enum GpuConv<T: Float> {
    /// 1x1.
    Pointwise(GpuLinear<T>),
    /// Any.
    Patches(GpuPatches<T>),
    /// 3x3 of stride 1 with many channels: by the size of the field.
    Spatial(Box<GpuSpatial<T>>),
}

/// A convolution as a product of its patches.
pub struct GpuPatches<T: Float> {
    linear: GpuLinear<T>,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl<R: Real> Conv<R> {
    /// The same convolution on a device.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn upload<T: Float>(&self, gpu: &Arc<Gpu>) -> Result<GpuConv<T>> {
        Ok(match &self.method {
            Method::Pointwise(linear) => GpuConv::Pointwise(linear.upload(gpu)?),
            Method::Patches(patches) => GpuConv::Patches(GpuPatches {
                linear: patches.linear.upload(gpu)?,
                kernel: patches.kernel,
                stride: patches.stride,
                padding: patches.padding,
            }),
            Method::Spatial(spatial) => {
                GpuConv::Spatial(Box::new(GpuSpatial::new(spatial.kernel())))
            }
        })
    }
}

impl<T: Float> GpuConv<T> {
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

impl<T: Float> GpuPatches<T> {
    fn patches(&self, from: Extent) -> Extent {
        let size = |size: usize| (size + 2 * self.padding - self.kernel) / self.stride + 1;
        Extent {
            images: from.images,
            height: size(from.height),
            width: size(from.width),
            channels: self.kernel * self.kernel * from.channels,
        }
    }

    fn forward(
        &self,
        x: &GpuField<T>,
        add: Option<&GpuField<T>>,
        relu: bool,
    ) -> Result<(GpuField<T>, Option<GpuMask>)> {
        let (gpu, from) = (x.gpu(), x.extent);
        let mut rows = GpuField::any(gpu, self.patches(from))?;
        patches_fwd(
            gpu,
            Grid::elements(rows.extent.count()),
            (&x.elements).into(),
            (&mut rows.elements).into(),
            size(from.images)?,
            size(from.height)?,
            size(from.width)?,
            size(from.channels)?,
            size(self.kernel)?,
            size(self.stride)?,
            size(self.padding)?,
            size(rows.extent.height)?,
            size(rows.extent.width)?,
        )?;
        self.linear.forward(&rows, add, relu)
    }

    fn pullback(
        &self,
        dy: &GpuField<T>,
        from: Extent,
        add: Option<&GpuField<T>>,
        gate: Option<&GpuMask>,
    ) -> Result<GpuField<T>> {
        let gpu = dy.gpu();
        let rows = self.linear.pullback(dy, None, None)?;
        let mut dx = GpuField::any(gpu, from)?;
        patches_bwd(
            gpu,
            Grid::elements(from.count()),
            (&rows.elements).into(),
            (&mut dx.elements).into(),
            size(from.images)?,
            size(from.height)?,
            size(from.width)?,
            size(from.channels)?,
            size(self.kernel)?,
            size(self.stride)?,
            size(self.padding)?,
            size(rows.extent.height)?,
            size(rows.extent.width)?,
        )?;
        finish_pullback(&mut dx, add, gate)?;
        Ok(dx)
    }
}
