//! An NVIDIA GPU, activations stored as `f32`, `f16` or `bf16`.

mod layers;

use std::marker::PhantomData;
use std::sync::Arc;

use super::{Cpu, Engine, Rectified};
use crate::backend::cpu::Real;
use crate::backend::cuda::{Float, Gpu, GpuField, GpuMask};
use crate::backend::field::Extent;
use crate::encoder::affine::Affine;
use crate::encoder::program::Program;
use crate::error::Result;
use crate::ops::conv::cuda::GpuConv;
use crate::ops::linear::Back;
use crate::ops::linear::cuda::GpuLinear;
use crate::ops::relu;
use layers::{GpuLayer, GpuSaved};

/// A GPU that stores activations as `T`.
pub struct Cuda<T>(PhantomData<T>);

/// A map that is a product with a frozen matrix in the end.
pub enum GpuAffine<T: Float> {
    /// Of the neighbourhood of each position.
    Conv(GpuConv<T>),
    /// Of each position by itself.
    Linear(GpuLinear<T>),
}

impl<T: Float> Cuda<T> {
    /// A program of the CPU on a device.
    ///
    /// # Errors
    /// When the device's memory is full, or this build needs cuDNN for 16 bits and it is missing.
    pub fn upload<R: Real>(program: &Program<Cpu<R>>, gpu: &Arc<Gpu>) -> Result<Program<Self>> {
        program.on(
            |affine| {
                Ok(match affine {
                    Affine::Conv(conv) => GpuAffine::Conv(conv.upload(gpu)?),
                    Affine::Linear(linear) => GpuAffine::Linear(linear.upload(gpu)?),
                })
            },
            |layer| GpuLayer::of(layer, gpu),
        )
    }
}

impl<T: Float> Engine for Cuda<T> {
    type Field = GpuField<T>;
    type Mask = GpuMask;
    type Affine = GpuAffine<T>;
    type Layer = GpuLayer<T>;
    type Saved = GpuSaved<T>;

    fn extent(x: &GpuField<T>) -> Extent {
        x.extent
    }

    fn copy(x: &GpuField<T>) -> Result<GpuField<T>> {
        x.copy()
    }

    fn add(sum: &mut GpuField<T>, other: &GpuField<T>) -> Result<()> {
        relu::cuda::finish_pullback(sum, Some(other), None)
    }

    fn affine(
        affine: &GpuAffine<T>,
        x: &GpuField<T>,
        add: Option<&GpuField<T>>,
        relu: bool,
    ) -> Result<(GpuField<T>, Option<GpuMask>)> {
        match affine {
            GpuAffine::Conv(conv) => conv.forward(x, add, relu),
            GpuAffine::Linear(linear) => linear.forward(x, add, relu),
        }
    }

    fn affine_pullback(
        affine: &GpuAffine<T>,
        dy: &GpuField<T>,
        from: Extent,
        Back { add, gate }: Back<GpuField<T>, GpuMask>,
    ) -> Result<GpuField<T>> {
        match affine {
            GpuAffine::Conv(conv) => conv.pullback(dy, from, add, gate),
            GpuAffine::Linear(linear) => linear.pullback(dy, add, gate),
        }
    }

    fn affine_relu_layer(
        affine: &GpuAffine<T>,
        x: &GpuField<T>,
        layer: &GpuLayer<T>,
    ) -> Result<Option<Rectified<Self>>> {
        match affine {
            GpuAffine::Conv(conv) => layer.of_rectified(conv, x),
            GpuAffine::Linear(_) => Ok(None),
        }
    }

    fn layer(layer: &GpuLayer<T>, x: &Arc<GpuField<T>>) -> Result<(GpuField<T>, GpuSaved<T>)> {
        layer.forward(x)
    }

    fn layer_pullback(
        layer: &GpuLayer<T>,
        saved: &GpuSaved<T>,
        dy: &GpuField<T>,
        Back { add, gate }: Back<GpuField<T>, GpuMask>,
    ) -> Result<GpuField<T>> {
        layer.pullback(saved, dy, add, gate)
    }

    fn relu(x: &GpuField<T>) -> Result<(GpuField<T>, GpuMask)> {
        relu::cuda::forward(x)
    }

    fn gate(dy: &mut GpuField<T>, mask: &GpuMask) -> Result<()> {
        relu::cuda::finish_pullback(dy, None, Some(mask))
    }

    fn redirect(dy: &mut GpuField<T>, mask: &GpuMask) -> Result<()> {
        relu::cuda::redirect(dy, mask)
    }
}
