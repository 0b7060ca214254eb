//! A 3x3 convolution of stride 1 on a GPU: by Winograd's filtering (`kernels/winograd.cu`), or of patches, as
//! [`Way`] has it.

use std::sync::{Arc, OnceLock};

use super::{GpuPatches, Way};
use crate::backend::cpu::Real;
use crate::backend::cuda::launch::{
    size, winograd_input_fwd, winograd_output_fwd, winograd_pool_fwd,
};
use crate::backend::cuda::product::{Matrices, Product};
use crate::backend::cuda::{Array, Float, Gpu, GpuField, GpuMask, Grid};
use crate::backend::field::Extent;
use crate::error::Result;
use crate::ops::conv::spatial::Kernel;
use crate::ops::conv::winograd::transform::filter_matrices;
use crate::ops::linear::cuda::single;
use crate::ops::pool::pooled;
use crate::ops::relu::cuda::POOL_WINDOW;

/// Side of the tiles of F(4x4, 3x3) that are read, and of those that are written.
const TILE_IN: usize = 6;
const TILE_OUT: usize = 4;
/// Matrices of a product of tiles.
const PLACES: usize = TILE_IN * TILE_IN;

/// A 3x3 convolution of stride 1.
pub struct GpuSpatial<T: Float> {
    kernel: Kernel<f32>,
    /// From positions and input channels.
    choose: fn(usize, usize) -> Way,
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

impl<T: Float> GpuSpatial<T> {
    /// Of the CPU's kernel; what each method needs is uploaded when it is first used.
    pub fn new<R: Real>(kernel: &Kernel<R>) -> Self {
        Self {
            kernel: Kernel {
                weight: single(&kernel.weight),
                inputs: kernel.inputs,
                outputs: kernel.outputs,
                bias: single(&kernel.bias),
            },
            choose: Way::of::<T>,
            patches: OnceLock::new(),
            winograd: OnceLock::new(),
        }
    }

    /// As [`GpuConv::by`](super::GpuConv::by).
    pub fn by(self, way: Way) -> Self {
        let choose: fn(usize, usize) -> Way = match way {
            Way::Winograd => |_, _| Way::Winograd,
            Way::Patches => |_, _| Way::Patches,
        };
        Self { choose, ..self }
    }

    fn way(&self, field: Extent) -> Way {
        (self.choose)(field.positions(), self.kernel.inputs)
    }

    /// As [`GpuConv::forward`](super::GpuConv::forward).
    pub fn forward(
        &self,
        x: &GpuField<T>,
        add: Option<&GpuField<T>>,
        relu: bool,
    ) -> Result<(GpuField<T>, Option<GpuMask>)> {
        if self.way(x.extent) == Way::Patches {
            return self.patches(x.gpu())?.forward(x, add, relu);
        }
        let winograd = self.winograd(x.gpu())?;
        let to = x.extent.with_channels(self.kernel.outputs);
        let mut mask = relu.then(|| GpuMask::any(x.gpu(), to)).transpose()?;
        let after = After {
            bias: Some(&winograd.bias),
            add,
            made: mask.as_mut(),
            gate: None,
        };
        let y = filter(x, &winograd.filters, self.kernel.outputs, after)?;
        Ok((y, mask))
    }

    /// As [`GpuConv::forward_pooled`](super::GpuConv::forward_pooled).
    pub fn forward_pooled(&self, x: &GpuField<T>) -> Result<(GpuField<T>, GpuMask)> {
        if self.way(x.extent) == Way::Patches {
            return self.patches(x.gpu())?.forward_pooled(x);
        }
        let winograd = self.winograd(x.gpu())?;
        let (gpu, to) = (x.gpu(), x.extent.with_channels(self.kernel.outputs));
        let tiles = Tiles::of(to);
        let products = tiles.products(x, &winograd.filters)?;
        let mut y = GpuField::any(gpu, pooled(to, POOL_WINDOW))?;
        let mut mask = GpuMask::any(gpu, to)?;
        winograd_pool_fwd(
            gpu,
            tiles.grid(),
            (&products).into(),
            (&winograd.bias).into(),
            (&mut y.elements).into(),
            (&mut mask.words).into(),
            size(to.images)?,
            size(to.height)?,
            size(to.width)?,
            size(to.channels)?,
        )?;
        Ok((y, mask))
    }

    /// As [`GpuConv::pullback`](super::GpuConv::pullback).
    pub fn pullback(
        &self,
        dy: &GpuField<T>,
        from: Extent,
        add: Option<&GpuField<T>>,
        gate: Option<&GpuMask>,
    ) -> Result<GpuField<T>> {
        if self.way(from) == Way::Patches {
            return self.patches(dy.gpu())?.pullback(dy, from, add, gate);
        }
        let winograd = self.winograd(dy.gpu())?;
        let after = After {
            bias: None,
            add,
            made: None,
            gate,
        };
        filter(dy, &winograd.turned, self.kernel.inputs, after)
    }

    fn patches(&self, gpu: &Arc<Gpu>) -> Result<&GpuPatches<T>> {
        get_or_try(&self.patches, || {
            GpuPatches::upload(&self.kernel.patches(), gpu)
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
    let (gpu, to) = (x.gpu(), x.extent.with_channels(outputs));
    let tiles = Tiles::of(to);
    let products = tiles.products(x, filters)?;
    let mut y = GpuField::any(gpu, to)?;
    winograd_output_fwd(
        gpu,
        tiles.grid(),
        (&products).into(),
        after.bias.into(),
        after.add.map(|add| &add.elements).into(),
        (&mut y.elements).into(),
        after.made.map(|mask| &mut mask.words).into(),
        after.gate.map(|mask| &mask.words).into(),
        size(to.images)?,
        size(to.height)?,
        size(to.width)?,
        size(to.channels)?,
    )?;
    Ok(y)
}

/// The tiles of a field, and its channels.
struct Tiles {
    count: usize,
    channels: usize,
}

impl Tiles {
    fn of(field: Extent) -> Self {
        let [down, across] = [field.height, field.width].map(|side| side.div_ceil(TILE_OUT));
        Self {
            count: field.images * down * across,
            channels: field.channels,
        }
    }

    /// A warp for a tile's 32 channels.
    fn grid(&self) -> Grid {
        Grid::warps(self.count * self.channels.div_ceil(32))
    }

    /// The products of the transformed input with the filters, `(36, tiles, channels)`.
    fn products<T: Float>(&self, x: &GpuField<T>, filters: &Array<f32>) -> Result<Array<f32>> {
        let (gpu, from, outputs) = (x.gpu(), Self::of(x.extent), self.channels);
        let (tiles, inputs) = (from.count, from.channels);
        let mut transformed = Array::<f32>::any(gpu, PLACES * tiles * inputs)?;
        winograd_input_fwd(
            gpu,
            from.grid(),
            (&x.elements).into(),
            (&mut transformed).into(),
            size(x.extent.images)?,
            size(x.extent.height)?,
            size(x.extent.width)?,
            size(inputs)?,
        )?;
        let mut products = Array::<f32>::any(gpu, PLACES * tiles * outputs)?;
        Product::new(tiles, inputs, outputs).times(PLACES).run(
            gpu,
            (&transformed, Matrices::every(tiles * inputs)),
            (filters, Matrices::every(inputs * outputs)),
            (&mut products, Matrices::every(tiles * outputs)),
        )?;
        Ok(products)
    }
}
