//! Convolutions on a GPU: products by cuBLAS, of the field as it lies, of its patches
//! (`kernels/patches.cu`), or of Winograd's transforms (`kernels/winograd.cu`).

use std::sync::{Arc, OnceLock};

use super::spatial::Kernel;
use super::winograd::transform::filter_matrices;
use super::{Conv, Method};
use crate::backend::cpu::Real;
use crate::backend::cuda::launch::{
    patches_bwd, patches_fwd, size, winograd_input_fwd, winograd_output_fwd,
};
use crate::backend::cuda::product::{Matrices, Product};
use crate::backend::cuda::{Array, Float, Gpu, GpuField, GpuMask, Grid};
use crate::backend::field::Extent;
use crate::error::Result;
use crate::ops::linear::cuda::{GpuLinear, single};
use crate::ops::relu::cuda::finish_pullback;

/// Side of the tiles of F(4x4, 3x3) that are read, and of those that are written.
const TILE_IN: usize = 6;
const TILE_OUT: usize = 4;
/// Matrices of a product of tiles.
const PLACES: usize = TILE_IN * TILE_IN;

/// Positions of an image from which on Winograd's filtering multiplies less than its transforms
/// cost; as on the CPU, where the same small fields of few channels go through patches.
const WINOGRAD_POSITIONS: usize = 144;

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

/// A 3x3 convolution of stride 1.
pub struct GpuSpatial<T: Float> {
    kernel: Kernel<f32>,
    patches: OnceLock<GpuPatches<T>>,
    winograd: OnceLock<GpuWinograd>,
}

/// F(4x4, 3x3).
struct GpuWinograd {
    /// `(36, inputs, outputs)`.
    filters: Array<f32>,
    /// Turned by 180 degrees, `(36, outputs, inputs)`.
    turned: Array<f32>,
    bias: Array<f32>,
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
                let kernel = spatial.kernel();
                GpuConv::Spatial(Box::new(GpuSpatial {
                    kernel: Kernel {
                        weight: single(&kernel.weight),
                        inputs: kernel.inputs,
                        outputs: kernel.outputs,
                        bias: single(&kernel.bias),
                    },
                    patches: OnceLock::new(),
                    winograd: OnceLock::new(),
                }))
            }
        })
    }
}

/// What the cell holds; made, which can fail, if it is empty.
fn get_or_try<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    match cell.get() {
        Some(made) => Ok(made),
        None => {
            let made = make()?;
            Ok(cell.get_or_init(|| made))
        }
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
            Self::Spatial(spatial) if x.extent.positions() < WINOGRAD_POSITIONS => {
                spatial.patches(x.gpu())?.forward(x, add, relu)
            }
            Self::Spatial(spatial) => {
                let winograd = spatial.winograd(x.gpu())?;
                let mut mask = relu
                    .then(|| GpuMask::any(x.gpu(), x.extent.with_channels(spatial.kernel.outputs)))
                    .transpose()?;
                let after = After {
                    bias: Some(&winograd.bias),
                    add,
                    made: mask.as_mut(),
                    gate: None,
                };
                let y = filter(x, &winograd.filters, spatial.kernel.outputs, after)?;
                Ok((y, mask))
            }
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
            Self::Spatial(spatial) if from.positions() < WINOGRAD_POSITIONS => {
                spatial.patches(dy.gpu())?.pullback(dy, from, add, gate)
            }
            Self::Spatial(spatial) => {
                let winograd = spatial.winograd(dy.gpu())?;
                let after = After {
                    bias: None,
                    add,
                    made: None,
                    gate,
                };
                filter(dy, &winograd.turned, spatial.kernel.inputs, after)
            }
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

impl<T: Float> GpuSpatial<T> {
    fn patches(&self, gpu: &Arc<Gpu>) -> Result<&GpuPatches<T>> {
        get_or_try(&self.patches, || {
            Ok(GpuPatches {
                linear: self.kernel.patches().linear.upload(gpu)?,
                kernel: 3,
                stride: 1,
                padding: 1,
            })
        })
    }

    fn winograd(&self, gpu: &Arc<Gpu>) -> Result<&GpuWinograd> {
        let kernel = &self.kernel;
        get_or_try(&self.winograd, || {
            let straight =
                filter_matrices::<f32, TILE_IN>((kernel.inputs, kernel.outputs), |i, o, y, x| {
                    kernel.at(i, o, y, x)
                });
            let turned =
                filter_matrices::<f32, TILE_IN>((kernel.outputs, kernel.inputs), |o, i, y, x| {
                    kernel.at(i, o, 2 - y, 2 - x)
                });
            Ok(GpuWinograd {
                filters: Array::upload(gpu, &straight)?,
                turned: Array::upload(gpu, &turned)?,
                bias: Array::upload(gpu, &kernel.bias)?,
            })
        })
    }
}

/// What follows the products in registers.
struct After<'a, T: Float> {
    bias: Option<&'a Array<f32>>,
    add: Option<&'a GpuField<T>>,
    made: Option<&'a mut GpuMask>,
    gate: Option<&'a GpuMask>,
}

fn filter<T: Float>(
    x: &GpuField<T>,
    filters: &Array<f32>,
    outputs: usize,
    after: After<T>,
) -> Result<GpuField<T>> {
    let (gpu, from) = (x.gpu(), x.extent);
    let tiles = from.images * from.height.div_ceil(TILE_OUT) * from.width.div_ceil(TILE_OUT);
    let inputs = from.channels;
    let (images, height, width) = (size(from.images)?, size(from.height)?, size(from.width)?);
    let mut transformed = Array::<f32>::any(gpu, PLACES * tiles * inputs)?;
    winograd_input_fwd(
        gpu,
        Grid::warps(tiles * inputs.div_ceil(32)),
        (&x.elements).into(),
        (&mut transformed).into(),
        images,
        height,
        width,
        size(inputs)?,
    )?;
    let mut products = Array::<f32>::any(gpu, PLACES * tiles * outputs)?;
    Product::new(tiles, inputs, outputs).times(PLACES).run(
        gpu,
        (&transformed, Matrices::every(tiles * inputs)),
        (filters, Matrices::every(inputs * outputs)),
        (&mut products, Matrices::every(tiles * outputs)),
    )?;
    let mut y = GpuField::any(gpu, from.with_channels(outputs))?;
    winograd_output_fwd(
        gpu,
        Grid::warps(tiles * outputs.div_ceil(32)),
        (&products).into(),
        after.bias.into(),
        after.add.map(|add| &add.elements).into(),
        (&mut y.elements).into(),
        after.made.map(|mask| &mut mask.words).into(),
        after.gate.map(|mask| &mask.words).into(),
        images,
        height,
        width,
        size(outputs)?,
    )?;
    Ok(y)
}
