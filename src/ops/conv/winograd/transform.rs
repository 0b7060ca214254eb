//! The constants of F(4x4, 3x3), and the transforms of filters, inputs and outputs.

use crate::backend::buffer::Buffer;
use crate::backend::cpu::Real;
use crate::backend::lanes::Lanes;
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

/// `B^T`, on six values.
#[inline(always)]
pub fn to_input<T: Real>(d: [Lanes<T>; IN]) -> [Lanes<T>; IN] {
    let (two, four, five) = (T::of(2.0), T::of(4.0), T::of(5.0));
    let (a, b) = (d[4] - d[2] * four, d[3] - d[1] * four);
    let (c, e) = (d[4] - d[2], (d[3] - d[1]) * two);
    [
        d[0] * four - d[2] * five + d[4],
        a + b,
        a - b,
        c + e,
        c - e,
        d[1] * four - d[3] * five + d[5],
    ]
}

/// `A^T`, from six values to four.
#[inline(always)]
pub fn to_output<T: Real>(m: [Lanes<T>; IN]) -> [Lanes<T>; OUT] {
    let (two, four, eight) = (T::of(2.0), T::of(4.0), T::of(8.0));
    let (a, b) = (m[1] + m[2], m[1] - m[2]);
    let (c, d) = (m[3] + m[4], m[3] - m[4]);
    [
        m[0] + a + c,
        b + d * two,
        a + c * four,
        b + d * eight + m[5],
    ]
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
