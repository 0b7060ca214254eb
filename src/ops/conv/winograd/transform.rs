//! The constants of F(4x4, 3x3), and the transforms of filters, inputs and outputs.

use crate::backend::buffer::Buffer;
use crate::backend::cpu::Real;
use crate::backend::lanes::Vectors;
use crate::backend::packed::Packed;
use crate::backend::threads::each_chunk;

/// Side of an input tile, of an output tile, and elements of an input tile.
pub const IN: usize = 6;
pub const OUT: usize = 4;
pub const ELEMENTS: usize = IN * IN;

/// `G`, which takes a filter's three values to six.
const FILTER: [[f64; 3]; IN] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// The transforms on vectors, with their constants in registers.
#[derive(Clone, Copy)]
pub struct Transform<T, V: Vectors<T>> {
    vectors: V,
    two: V::Vector,
    minus_two: V::Vector,
    four: V::Vector,
    minus_four: V::Vector,
    minus_five: V::Vector,
    eight: V::Vector,
}

impl<T: Real, V: Vectors<T>> Transform<T, V> {
    #[inline(always)]
    pub fn new(vectors: V) -> Self {
        Self {
            vectors,
            two: vectors.splat(T::of(2.0)),
            minus_two: vectors.splat(T::of(-2.0)),
            four: vectors.splat(T::of(4.0)),
            minus_four: vectors.splat(T::of(-4.0)),
            minus_five: vectors.splat(T::of(-5.0)),
            eight: vectors.splat(T::of(8.0)),
        }
    }

    /// `B^T`, on six values.
    #[inline(always)]
    pub fn to_input(self, d: [V::Vector; IN]) -> [V::Vector; IN] {
        let v = self.vectors;
        let (a, b) = (
            v.mul_add(d[2], self.minus_four, d[4]),
            v.mul_add(d[1], self.minus_four, d[3]),
        );
        let (c, e) = (v.sub(d[4], d[2]), v.sub(d[3], d[1]));
        [
            v.mul_add(d[0], self.four, v.mul_add(d[2], self.minus_five, d[4])),
            v.add(a, b),
            v.sub(a, b),
            v.mul_add(e, self.two, c),
            v.mul_add(e, self.minus_two, c),
            v.mul_add(d[1], self.four, v.mul_add(d[3], self.minus_five, d[5])),
        ]
    }

    /// `A^T`, from six values to four.
    #[inline(always)]
    pub fn to_output(self, m: [V::Vector; IN]) -> [V::Vector; OUT] {
        let v = self.vectors;
        let (a, b) = (v.add(m[1], m[2]), v.sub(m[1], m[2]));
        let (c, d) = (v.add(m[3], m[4]), v.sub(m[3], m[4]));
        [
            v.add(m[0], v.add(a, c)),
            v.mul_add(d, self.two, b),
            v.mul_add(c, self.four, a),
            v.add(m[5], v.mul_add(d, self.eight, b)),
        ]
    }
}

/// The filters of all pairs of channels, transformed: a matrix `(from, to)` for each of the
/// [`ELEMENTS`].
pub type Filters<T> = Vec<Packed<T>>;

/// `filter(from, to, y, x)` transformed.
pub fn transform_filters<T: Real>(
    (from, to): (usize, usize),
    filter: impl Fn(usize, usize, usize, usize) -> T + Sync,
) -> Filters<T> {
    let mut transformed = Buffer::any(ELEMENTS * from * to);
    // A chunk holds a row of elements: all that `left`, the row of `G` for it, goes into.
    each_chunk(&mut transformed, IN * from * to, |row, chunk| {
        let left = FILTER[row];
        for i in 0..from {
            for o in 0..to {
                let mut part = [0.0; 3];
                for (x, part) in part.iter_mut().enumerate() {
                    for (y, left) in left.into_iter().enumerate() {
                        *part += left * filter(i, o, y, x).to_f64();
                    }
                }
                for (column, right) in FILTER.iter().enumerate() {
                    let value: f64 = (0..3).map(|x| part[x] * right[x]).sum();
                    chunk[(column * from + i) * to + o] = T::of(value);
                }
            }
        }
    });
    transformed
        .chunks_exact((from * to).max(1))
        .map(|matrix| Packed::new(from, to, |i, o| matrix[i * to + o]))
        .collect()
}
