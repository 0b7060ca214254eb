//! A 3x3 convolution of stride 1 by Winograd's filtering on a GPU (`kernels/winograd.cu`).

use std::sync::Arc;

use super::convolver::Convolver;
use crate::backend::cuda::launch::{
    size, winograd_input_fwd, winograd_output_fwd, winograd_pool_fwd,
};
use crate::backend::cuda::product::{Matrices, Product};
use crate::backend::cuda::{Array, Float, Gpu, GpuField, GpuMask, Grid};
use crate::backend::field::Extent;
use crate::error::Result;
use crate::ops::conv::kernel::Kernel;
use crate::ops::conv::winograd::transform::filter_matrices;
use crate::ops::pool::pooled;
use crate::ops::relu::cuda::POOL_WINDOW;

/// Side of the tiles of F(4x4, 3x3) that are read, and of those that are written.
const TILE_IN: usize = 6;
const TILE_OUT: usize = 4;
/// Matrices of a product of tiles.
const PLACES: usize = TILE_IN * TILE_IN;

/// F(4x4, 3x3).
pub struct GpuWinograd {
    /// `(36, inputs, outputs)`.
    filters: Array<f32>,
    /// Turned by 180 degrees, `(36, outputs, inputs)`.
    turned: Array<f32>,
    bias: Array<f32>,
    inputs: usize,
    outputs: usize,
}

impl GpuWinograd {
    pub fn upload(kernel: &Kernel<f32>, gpu: &Arc<Gpu>) -> Result<Self> {
        let (inputs, outputs) = (kernel.inputs, kernel.outputs);
        let straight =
            filter_matrices::<f32, TILE_IN>((inputs, outputs), |i, o, y, x| kernel.at(i, o, y, x));
        let turned = filter_matrices::<f32, TILE_IN>((outputs, inputs), |o, i, y, x| {
            kernel.at(i, o, 2 - y, 2 - x)
        });
        Ok(Self {
            filters: Array::upload(gpu, &straight)?,
            turned: Array::upload(gpu, &turned)?,
            bias: Array::upload(gpu, &kernel.bias)?,
            inputs,
            outputs,
        })
    }
}

impl<T: Float> Convolver<T> for GpuWinograd {
    fn forward(
        &self,
        x: &GpuField<T>,
        add: Option<&GpuField<T>>,
        relu: bool,
    ) -> Result<(GpuField<T>, Option<GpuMask>)> {
        let to = x.extent.with_channels(self.outputs);
        let mut mask = relu.then(|| GpuMask::any(x.gpu(), to)).transpose()?;
        let after = After {
            bias: Some(&self.bias),
            add,
            made: mask.as_mut(),
            gate: None,
        };
        let y = filter(x, &self.filters, self.outputs, after)?;
        Ok((y, mask))
    }

    fn forward_pooled(&self, x: &GpuField<T>) -> Result<(GpuField<T>, GpuMask)> {
        let (gpu, to) = (x.gpu(), x.extent.with_channels(self.outputs));
        let tiles = Tiles::of(to);
        let products = tiles.products(x, &self.filters)?;
        let mut y = GpuField::any(gpu, pooled(to, POOL_WINDOW))?;
        let mut mask = GpuMask::any(gpu, to)?;
        winograd_pool_fwd(
            gpu,
            tiles.grid(),
            (&products).into(),
            (&self.bias).into(),
            (&mut y.elements).into(),
            (&mut mask.words).into(),
            size(to.images)?,
            size(to.height)?,
            size(to.width)?,
            size(to.channels)?,
        )?;
        Ok((y, mask))
    }

    fn pullback(
        &self,
        dy: &GpuField<T>,
        _from: Extent,
        add: Option<&GpuField<T>>,
        gate: Option<&GpuMask>,
    ) -> Result<GpuField<T>> {
        let after = After {
            bias: None,
            add,
            made: None,
            gate,
        };
        filter(dy, &self.turned, self.inputs, after)
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
