//! Winograd's minimal filtering for 3x3 convolutions of stride 1 with padding 1 (Lavin and Gray
//! 2016, "Fast Algorithms for Convolutional Neural Networks").
//!
//! F(4x4, 3x3): the input is cut into tiles of 6x6 positions that overlap by two; a tile `d` of
//! each channel becomes `V = B^T d B`, the filter `g` became `U = G g G^T` beforehand. For each of
//! the 36 elements of a tile the sum over channels is one product of matrices, and the 4x4 outputs
//! of a tile are `A^T M A`: 36 multiplications instead of 144. F(2x2, 3x3) has 16 instead of 36, wastes less at the
//! edges of small fields, and its filters are half as large. The pullback is the same convolution
//! with the filters turned by 180 degrees and inputs and outputs swapped.
//!
//! The constants of F(4x4, 3x3) are those of the interpolation points 0, 1, -1, 2, -2. They amplify
//! rounding: in `f32` the result is about ten times as far from the exact one as a direct sum's, at most
//! 9e-6 of the largest output over all convolutions of OpenAI's ResNets (`tests/convolutions.rs`).

mod grid;
pub mod transform;

use std::sync::OnceLock;

use super::kernel::Kernel;
use crate::backend::buffer::Buffer;
use crate::backend::cpu::Real;
use crate::backend::field::Field;
use crate::backend::mask::Mask;
use crate::backend::packed::finish::{Last, Rows};
use crate::backend::packed::{Epilogue, Packed, multiply_each};
use crate::backend::threads::{each_row, each_two_rows, each_two_rows_in_rounds, get_or_make};
use crate::ops::linear::{Back, Forward};
use grid::{Grid, InputTile, OutputRow};
use transform::{Filters, transform_filters};

/// Tiles that are transformed and multiplied together: whole rows of tiles, at least so many. Few
/// enough to stay in a cache with their products, many enough to read a filter's matrix seldom.
const TILES: usize = 24;

/// The transformed filters of a kernel, made when they are first used.
pub struct Winograd<T: Real, const IN: usize, const OUT: usize> {
    filters: OnceLock<Filters<T>>,
    turned: OnceLock<Filters<T>>,
}

impl<T: Real, const IN: usize, const OUT: usize> Default for Winograd<T, IN, OUT> {
    fn default() -> Self {
        Self {
            filters: OnceLock::new(),
            turned: OnceLock::new(),
        }
    }
}

/// What follows the convolution, on each row of outputs.
struct Then<'a, T: Real> {
    bias: Option<&'a [T]>,
    add: Option<&'a Field<T>>,
    gate: Option<&'a Mask>,
    relu: bool,
}

impl<T: Real, const IN: usize, const OUT: usize> Winograd<T, IN, OUT> {
    pub fn forward(
        &self,
        kernel: &Kernel<T>,
        x: &Field<T>,
        then: Forward<T>,
    ) -> (Field<T>, Option<Mask>) {
        let filters = get_or_make(&self.filters, || {
            let filter = |i, o, y, x| kernel.at(i, o, y, x);
            transform_filters::<T, IN>((kernel.inputs, kernel.outputs), filter)
        });
        let after = Then {
            bias: Some(&kernel.bias),
            add: then.add,
            gate: None,
            relu: then.relu,
        };
        let (y, mask) = run::<T, IN, OUT>(x, filters, kernel.outputs, &after);
        (y, then.relu.then_some(mask))
    }

    pub fn pullback(&self, kernel: &Kernel<T>, dy: &Field<T>, then: Back<Field<T>>) -> Field<T> {
        let turned = get_or_make(&self.turned, || {
            let filter = |o, i, y, x| kernel.at(i, o, 2 - y, 2 - x);
            transform_filters::<T, IN>((kernel.outputs, kernel.inputs), filter)
        });
        let after = Then {
            bias: None,
            add: then.add,
            gate: then.gate,
            relu: false,
        };
        run::<T, IN, OUT>(dy, turned, kernel.inputs, &after).0
    }
}

/// The convolution, and the mask of its ReLU; where there is no ReLU the mask means nothing.
fn run<T: Real, const IN: usize, const OUT: usize>(
    x: &Field<T>,
    filters: &[Packed<T>],
    outputs: usize,
    then: &Then<T>,
) -> (Field<T>, Mask) {
    let extent = x.extent;
    let mut y = Field::any(extent.with_channels(outputs));
    let mut mask = Mask::new(extent.rows(), outputs);
    let (positions, row) = (extent.positions(), OUT * extent.width);
    let across = extent.width.div_ceil(OUT);
    let band = TILES.div_ceil(across.max(1));
    let zeros = Buffer::zeros(extent.channels);
    let per_image = (
        y.elements.chunks_exact_mut((positions * outputs).max(1)),
        mask.bytes
            .chunks_exact_mut((positions * mask.stride).max(1)),
    );
    for (image, (y, bytes)) in per_image.0.zip(per_image.1).enumerate() {
        each_two_rows_in_rounds(
            (y, band * row * outputs),
            (bytes, band * row * mask.stride),
            |index, y, bytes| {
                let grid = Grid {
                    extent,
                    image,
                    top: index * band,
                    rows: (y.len() / (extent.width * outputs).max(1)).div_ceil(OUT),
                    across,
                };
                let mut input = Buffer::any(grid.tiles() * IN * IN * extent.channels);
                each_row(&mut input, IN * IN * extent.channels, |tile, values| {
                    T::vectorised(InputTile::<T, IN, OUT> {
                        grid: &grid,
                        x,
                        zeros: &zeros,
                        tile,
                        values,
                    });
                });
                let mut product = Buffer::any(grid.tiles() * IN * IN * outputs);
                multiply_each(&input, filters, &mut product, Epilogue::default());
                each_two_rows(
                    (y, row * outputs),
                    (bytes, row * mask.stride),
                    |tile_row, y, bytes| {
                        T::vectorised(OutputRow::<T, IN, OUT> {
                            grid: &grid,
                            product: &product[tile_row * across * IN * IN * outputs..],
                            outputs,
                            y,
                        });
                        let first = image * positions + (grid.top + tile_row) * row;
                        then.finish(first, outputs, y, bytes);
                    },
                );
            },
        );
    }
    (y, mask)
}

impl<T: Real> Then<'_, T> {
    /// On rows of outputs, the first of which is number `first` of the field.
    fn finish(&self, first: usize, outputs: usize, y: &mut [T], bytes: &mut [u8]) {
        let (start, count) = (first * outputs, y.len());
        let last = match (self.relu, self.gate) {
            (true, _) => Last::Relu(bytes),
            (false, Some(mask)) => Last::Gate(&mask.bytes[first * mask.stride..][..bytes.len()]),
            (false, None) => Last::Keep,
        };
        T::finish(Rows {
            rows: y,
            length: outputs,
            bias: self.bias,
            add: self.add.map(|add| &add.elements[start..][..count]),
            last,
        });
    }
}
