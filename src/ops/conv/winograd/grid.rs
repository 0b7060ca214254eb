//! Tiles of one image: where they lie, and their transforms.

use super::transform::{ELEMENTS, IN, OUT, to_input, to_output};
use crate::backend::cpu::Real;
use crate::backend::field::{Extent, Field};
use crate::backend::lanes::{LANES, Lanes, Loop};

/// Some rows of tiles of one image.
pub struct Grid {
    pub extent: Extent,
    pub image: usize,
    /// The first row of tiles, and how many.
    pub top: usize,
    pub rows: usize,
    /// Tiles in a row.
    pub across: usize,
}

impl Grid {
    pub fn tiles(&self) -> usize {
        self.rows * self.across
    }

    /// `B^T d B` of one tile, for all channels: [`ELEMENTS`] rows of channels.
    #[inline(always)]
    fn transform_input<T: Real>(&self, x: &Field<T>, tile: usize, values: &mut [T]) {
        let Extent {
            height,
            width,
            channels,
            ..
        } = self.extent;
        let (top, left) = (
            (self.top + tile / self.across) * OUT,
            tile % self.across * OUT,
        );
        let place = |y: usize, x: usize| {
            // The tile begins one position above and to the left of its outputs.
            let (y, x) = (top + y, left + x);
            let inside = (1..=height).contains(&y) && (1..=width).contains(&x);
            inside.then(|| ((self.image * height + y - 1) * width + x - 1) * channels)
        };
        let mut places = [[None; IN]; IN];
        for (y, places) in places.iter_mut().enumerate() {
            for (x, found) in places.iter_mut().enumerate() {
                *found = place(y, x);
            }
        }
        for first in (0..channels).step_by(LANES) {
            let count = LANES.min(channels - first);
            let mut half = [[Lanes::zero(); IN]; IN];
            for column in 0..IN {
                let mut d = [Lanes::zero(); IN];
                for (d, places) in d.iter_mut().zip(&places) {
                    if let Some(place) = places[column] {
                        *d = Lanes::load(&x.elements[place + first..][..count]);
                    }
                }
                let transformed = to_input(d);
                for (half, value) in half.iter_mut().zip(transformed) {
                    half[column] = value;
                }
            }
            for (row, half) in half.into_iter().enumerate() {
                for (column, value) in to_input(half).into_iter().enumerate() {
                    let element = row * IN + column;
                    value.store(&mut values[element * channels + first..][..count]);
                }
            }
        }
    }

    /// `A^T M A` of one tile into the rows of `y` that it covers.
    #[inline(always)]
    fn transform_output<T: Real>(&self, product: &[T], column: usize, outputs: usize, y: &mut [T]) {
        let width = self.extent.width;
        let rows = y.len() / (width * outputs);
        let left = column * OUT;
        for first in (0..outputs).step_by(LANES) {
            let count = LANES.min(outputs - first);
            let mut half = [[Lanes::zero(); IN]; OUT];
            for column in 0..IN {
                let mut m = [Lanes::zero(); IN];
                for (row, m) in m.iter_mut().enumerate() {
                    let element = row * IN + column;
                    *m = Lanes::load(&product[element * outputs + first..][..count]);
                }
                for (half, value) in half.iter_mut().zip(to_output(m)) {
                    half[column] = value;
                }
            }
            for (row, half) in half.into_iter().enumerate().take(rows) {
                for (column, value) in to_output(half).into_iter().enumerate() {
                    if left + column < width {
                        let place = (row * width + left + column) * outputs + first;
                        value.store(&mut y[place..][..count]);
                    }
                }
            }
        }
    }
}

/// The transform of one tile of the input.
pub struct InputTile<'a, T: Real> {
    pub grid: &'a Grid,
    pub x: &'a Field<T>,
    pub tile: usize,
    pub values: &'a mut [T],
}

impl<T: Real> Loop for InputTile<'_, T> {
    #[inline(always)]
    fn run(self) {
        self.grid.transform_input(self.x, self.tile, self.values);
    }
}

/// The transforms of one row of tiles of the output.
pub struct OutputRow<'a, T: Real> {
    pub grid: &'a Grid,
    pub product: &'a [T],
    pub outputs: usize,
    pub y: &'a mut [T],
}

impl<T: Real> Loop for OutputRow<'_, T> {
    #[inline(always)]
    fn run(self) {
        for column in 0..self.grid.across {
            let product = &self.product[column * ELEMENTS * self.outputs..];
            self.grid
                .transform_output(product, column, self.outputs, self.y);
        }
    }
}
