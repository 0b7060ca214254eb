//! The constants of F(4x4, 3x3) and F(2x2, 3x3), and the transforms of filters, inputs and outputs.
//! `IN` is the side of an input tile, 6 or 4.

use crate::backend::cpu::Real;
use crate::backend::lanes::Vectors;
use crate::backend::packed::Packed;
use crate::backend::threads::each_chunk;

/// A row of `G`, which takes a filter's three values to `IN`.
fn filter_row<const IN: usize>(row: usize) -> [f64; 3] {
    const SIX: [[f64; 3]; 6] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    const FOUR: [[f64; 3]; 4] = [
        [1.0, 0.0, 0.0],
        [0.5, 0.5, 0.5],
        [0.5, -0.5, 0.5],
        [0.0, 0.0, 1.0],
    ];
    if IN == 6 { SIX[row] } else { FOUR[row] }
}

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

    /// `B^T`.
    #[inline(always)]
    pub fn to_input<const IN: usize>(self, d: [V::Vector; IN]) -> [V::Vector; IN] {
        let (v, mut to) = (self.vectors, d);
        if IN == 6 {
            let (a, b) = (
                v.mul_add(d[2], self.minus_four, d[4]),
                v.mul_add(d[1], self.minus_four, d[3]),
            );
            let (c, e) = (v.sub(d[4], d[2]), v.sub(d[3], d[1]));
            to[0] = v.mul_add(d[0], self.four, v.mul_add(d[2], self.minus_five, d[4]));
            to[1] = v.add(a, b);
            to[2] = v.sub(a, b);
            to[3] = v.mul_add(e, self.two, c);
            to[4] = v.mul_add(e, self.minus_two, c);
            to[5] = v.mul_add(d[1], self.four, v.mul_add(d[3], self.minus_five, d[5]));
        } else {
            to[0] = v.sub(d[0], d[2]);
            to[1] = v.add(d[1], d[2]);
            to[2] = v.sub(d[2], d[1]);
            to[3] = v.sub(d[1], d[3]);
        }
        to
    }

    /// `A^T`, from `IN` values to two fewer.
    #[inline(always)]
    pub fn to_output<const IN: usize, const OUT: usize>(
        self,
        m: [V::Vector; IN],
    ) -> [V::Vector; OUT] {
        let v = self.vectors;
        let (a, b) = (v.add(m[1], m[2]), v.sub(m[1], m[2]));
        let mut to = [a; OUT];
        if IN == 6 {
            let (c, d) = (v.add(m[3], m[4]), v.sub(m[3], m[4]));
            to[0] = v.add(m[0], v.add(a, c));
            to[1] = v.mul_add(d, self.two, b);
            to[2] = v.mul_add(c, self.four, a);
            to[3] = v.add(m[5], v.mul_add(d, self.eight, b));
        } else {
            to[0] = v.add(m[0], a);
            to[1] = v.sub(b, m[3]);
        }
        to
    }
}

/// The filters of all pairs of channels, transformed: a matrix `(from, to)` for each element of a
/// tile.
pub type Filters<T> = Vec<Packed<T>>;

/// `filter(from, to, y, x)` transformed: `IN * IN` matrices `(from, to)`.
pub fn filter_matrices<T: Real, const IN: usize>(
    (from, to): (usize, usize),
    filter: impl Fn(usize, usize, usize, usize) -> T + Sync,
) -> Vec<T> {
    // Not a buffer: those are kept for the next step, and this is needed once.
    let mut transformed = vec![T::zero(); IN * IN * from * to];
    // A chunk holds a row of elements: all that `left`, the row of `G` for it, goes into.
    each_chunk(&mut transformed, IN * from * to, |row, chunk| {
        let left = filter_row::<IN>(row);
        for i in 0..from {
            for o in 0..to {
                let mut part = [0.0; 3];
                for (x, part) in part.iter_mut().enumerate() {
                    for (y, left) in left.into_iter().enumerate() {
                        *part += left * filter(i, o, y, x).to_f64();
                    }
                }
                for column in 0..IN {
                    let right = filter_row::<IN>(column);
                    let value: f64 = (0..3).map(|x| part[x] * right[x]).sum();
                    chunk[(column * from + i) * to + o] = T::of(value);
                }
            }
        }
    });
    transformed
}

/// The same, each matrix packed.
pub fn transform_filters<T: Real, const IN: usize>(
    (from, to): (usize, usize),
    filter: impl Fn(usize, usize, usize, usize) -> T + Sync,
) -> Filters<T> {
    filter_matrices::<T, IN>((from, to), filter)
        .chunks_exact((from * to).max(1))
        .map(|matrix| Packed::new(from, to, |i, o| matrix[i * to + o]))
        .collect()
}
