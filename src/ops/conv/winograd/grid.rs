//! Tiles of one image: where they lie, and their transforms.

use super::transform::Transform;
use crate::backend::cpu::Real;
use crate::backend::field::{Extent, Field};
use crate::backend::lanes::{Loop, One, Vectors};

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
}

/// The transform of one tile of the input, `B^T d B`: `IN * IN` rows of channels.
pub struct InputTile<'a, T: Real, const IN: usize, const OUT: usize> {
    pub grid: &'a Grid,
    pub x: &'a Field<T>,
    /// As many as there are channels: what lies in the padding.
    pub zeros: &'a [T],
    pub tile: usize,
    pub values: &'a mut [T],
}

impl<'a, T: Real, const IN: usize, const OUT: usize> InputTile<'a, T, IN, OUT> {
    /// The channels at the place `(y, x)` of the tile.
    #[inline(always)]
    fn channels(&self, y: usize, x: usize) -> &'a [T] {
        let Grid { extent, image, .. } = *self.grid;
        // The tile begins one position above and to the left of its outputs.
        let y = (self.grid.top + self.tile / self.grid.across) * OUT + y;
        let x = self.tile % self.grid.across * OUT + x;
        if (1..=extent.height).contains(&y) && (1..=extent.width).contains(&x) {
            let position = (image * extent.height + y - 1) * extent.width + x - 1;
            &self.x.elements[position * extent.channels..][..extent.channels]
        } else {
            self.zeros
        }
    }

    /// Some channels, from `first` on.
    #[inline(always)]
    #[expect(
        clippy::needless_range_loop,
        reason = "what is only indexed by constants stays in registers"
    )]
    fn some<V: Vectors<T>>(
        transform: Transform<T, V>,
        vectors: V,
        places: &[[&[T]; IN]; IN],
        first: usize,
        values: &mut [T],
    ) {
        let channels = values.len() / (IN * IN);
        let none = vectors.splat(T::zero());
        let mut half = [[none; IN]; IN];
        for column in 0..IN {
            let mut d = [none; IN];
            for row in 0..IN {
                d[row] = vectors.load(&places[row][column][first..]);
            }
            let d = transform.to_input(d);
            for row in 0..IN {
                half[row][column] = d[row];
            }
        }
        for row in 0..IN {
            let d = transform.to_input(half[row]);
            for column in 0..IN {
                let place = (row * IN + column) * channels + first;
                vectors.store(d[column], &mut values[place..]);
            }
        }
    }
}

impl<T: Real, const IN: usize, const OUT: usize> Loop<T> for InputTile<'_, T, IN, OUT> {
    #[inline(always)]
    fn run<V: Vectors<T>>(self, vectors: V) {
        let mut places = [[self.zeros; IN]; IN];
        for (y, places) in places.iter_mut().enumerate() {
            for (x, place) in places.iter_mut().enumerate() {
                *place = self.channels(y, x);
            }
        }
        let (transform, one) = (Transform::new(vectors), Transform::new(One));
        let channels = self.grid.extent.channels;
        let whole = channels / V::LANES * V::LANES;
        for first in (0..whole).step_by(V::LANES) {
            Self::some(transform, vectors, &places, first, self.values);
        }
        for first in whole..channels {
            Self::some(one, One, &places, first, self.values);
        }
    }
}

/// The transforms of one row of tiles of the output, `A^T M A`.
pub struct OutputRow<'a, T: Real, const IN: usize, const OUT: usize> {
    pub grid: &'a Grid,
    pub product: &'a [T],
    pub outputs: usize,
    pub y: &'a mut [T],
}

impl<T: Real, const IN: usize, const OUT: usize> OutputRow<'_, T, IN, OUT> {
    /// Some channels, from `first` on, of the tile in a column.
    #[inline(always)]
    #[expect(
        clippy::needless_range_loop,
        reason = "what is only indexed by constants stays in registers"
    )]
    fn some<V: Vectors<T>>(
        &mut self,
        transform: Transform<T, V>,
        vectors: V,
        tile: usize,
        first: usize,
    ) {
        let (width, outputs) = (self.grid.extent.width, self.outputs);
        let rows = self.y.len() / (width * outputs);
        let product = &self.product[tile * IN * IN * outputs..][..IN * IN * outputs];
        let none = vectors.splat(T::zero());
        let mut half = [[none; IN]; OUT];
        for column in 0..IN {
            let mut m = [none; IN];
            for row in 0..IN {
                m[row] = vectors.load(&product[(row * IN + column) * outputs + first..]);
            }
            let m: [_; OUT] = transform.to_output(m);
            for row in 0..OUT {
                half[row][column] = m[row];
            }
        }
        for row in 0..OUT {
            let m: [_; OUT] = transform.to_output(half[row]);
            for column in 0..OUT {
                let x = tile * OUT + column;
                if row < rows && x < width {
                    let place = (row * width + x) * outputs + first;
                    vectors.store(m[column], &mut self.y[place..]);
                }
            }
        }
    }
}

impl<T: Real, const IN: usize, const OUT: usize> Loop<T> for OutputRow<'_, T, IN, OUT> {
    #[inline(always)]
    fn run<V: Vectors<T>>(mut self, vectors: V) {
        let (transform, one) = (Transform::new(vectors), Transform::new(One));
        let whole = self.outputs / V::LANES * V::LANES;
        for tile in 0..self.grid.across {
            for first in (0..whole).step_by(V::LANES) {
                self.some(transform, vectors, tile, first);
            }
            for first in whole..self.outputs {
                self.some(one, One, tile, first);
            }
        }
    }
}
