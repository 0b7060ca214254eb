//! What follows a product, on rows of outputs that were just written.

use pulp::{Simd, WithSimd};

use super::bits::{active, passing};
use crate::backend::number::Number;

/// The last step before a row is written, with its bytes of a mask.
pub enum Last<'a> {
    /// Nothing.
    Keep,
    /// ReLU; the bytes get its bits.
    Relu(&'a mut [u8]),
    /// Zero where a bit is not set.
    Gate(&'a [u8]),
}

impl Last<'_> {
    /// With the bytes from byte `first` on.
    #[inline(always)]
    fn from(&mut self, first: usize) -> Last<'_> {
        match self {
            Last::Keep => Last::Keep,
            Last::Relu(bytes) => Last::Relu(&mut bytes[first..]),
            Last::Gate(bytes) => Last::Gate(&bytes[first..]),
        }
    }
}

/// `row + bias + add`, then the last step: in plain loops.
#[inline(always)]
pub fn finish_plain<T: Number>(row: &mut [T], bias: Option<&[T]>, add: Option<&[T]>, last: Last) {
    for values in [bias, add].into_iter().flatten() {
        for (y, &value) in row.iter_mut().zip(values) {
            *y += value;
        }
    }
    match last {
        Last::Keep => {}
        Last::Relu(bytes) => {
            for (values, byte) in row.chunks_mut(8).zip(bytes) {
                *byte = 0;
                for (bit, value) in values.iter_mut().enumerate() {
                    *byte |= u8::from(*value > T::zero()) << bit;
                    // NaN is not active, yet has to reach the check of the result.
                    *value = if *value <= T::zero() {
                        T::zero()
                    } else {
                        *value
                    };
                }
            }
        }
        Last::Gate(bytes) => {
            for (values, &byte) in row.chunks_mut(8).zip(bytes) {
                for (bit, value) in values.iter_mut().enumerate() {
                    *value = if byte >> bit & 1 == 1 {
                        *value
                    } else {
                        T::zero()
                    };
                }
            }
        }
    }
}

/// What follows, on `V` vectors of a row, with as many numbers of a bias and a sum, and bits of a
/// mask.
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "what is only indexed by constants stays in registers"
)]
pub fn finish_group<S: Simd, const V: usize>(
    simd: S,
    mut y: [S::f32s; V],
    bias: Option<&[f32]>,
    add: Option<&[f32]>,
    last: Last,
) -> [S::f32s; V] {
    let count = V * S::F32_LANES;
    let zero = simd.splat_f32s(0.0);
    if let Some(bias) = bias {
        let (bias, _) = S::as_simd_f32s(&bias[..count]);
        for v in 0..V {
            y[v] = simd.add_f32s(y[v], bias[v]);
        }
    }
    if let Some(add) = add {
        let (add, _) = S::as_simd_f32s(&add[..count]);
        for v in 0..V {
            y[v] = simd.add_f32s(y[v], add[v]);
        }
    }
    match last {
        Last::Keep => {}
        Last::Relu(bytes) => {
            let mut bits = 0;
            for v in 0..V {
                bits |= u64::from(active(simd, y[v])) << (v * S::F32_LANES);
                y[v] = rectified(simd, y[v]);
            }
            bytes[..count / 8].copy_from_slice(&bits.to_le_bytes()[..count / 8]);
        }
        Last::Gate(bytes) => {
            // Byte by byte: eight read back at once would wait for two that were written.
            let mut all = 0u64;
            for (i, &byte) in bytes[..count / 8].iter().enumerate() {
                all |= u64::from(byte) << (8 * i);
            }
            for v in 0..V {
                let passes = passing(simd, (all >> (v * S::F32_LANES)) as u32);
                y[v] = simd.select_f32s(passes, y[v], zero);
            }
        }
    }
    y
}

/// `max(y, 0)`, but NaN stays: it has to reach the check of the result.
#[inline(always)]
fn rectified<S: Simd>(simd: S, y: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    if S::IS_SCALAR {
        simd.select_f32s(simd.less_than_f32s(y, zero), zero, y)
    } else {
        // x86 returns the second operand where one is NaN, Arm returns NaN. A selection would be
        // compiled to a masked store, which takes longer than everything else here.
        simd.max_f32s(zero, y)
    }
}

/// As [`finish_plain`] for `f32`, `V` vectors at a time, what is left over in plain loops.
#[inline(always)]
pub fn finish_vectors<S: Simd, const V: usize>(
    simd: S,
    row: &mut [f32],
    bias: Option<&[f32]>,
    add: Option<&[f32]>,
    mut last: Last,
) {
    let count = V * S::F32_LANES;
    let mut groups = row.chunks_exact_mut(count);
    let mut first = 0;
    for group in &mut groups {
        let (vectors, _) = S::as_mut_simd_f32s(group);
        let mut y = [simd.splat_f32s(0.0); V];
        y.copy_from_slice(vectors);
        let y = finish_group(
            simd,
            y,
            bias.map(|bias| &bias[first..]),
            add.map(|add| &add[first..]),
            last.from(first / 8),
        );
        vectors.copy_from_slice(&y);
        first += count;
    }
    let rest = groups.into_remainder();
    if !rest.is_empty() {
        finish_plain(
            rest,
            bias.map(|bias| &bias[first..]),
            add.map(|add| &add[first..]),
            last.from(first / 8),
        );
    }
}

/// Rows one after the other.
pub struct Rows<'a, T> {
    /// The rows.
    pub rows: &'a mut [T],
    /// Numbers of a row.
    pub length: usize,
    /// Added to each row.
    pub bias: Option<&'a [T]>,
    /// Added element by element.
    pub add: Option<&'a [T]>,
    /// With the bytes of all rows.
    pub last: Last<'a>,
}

impl<T: Number> Rows<'_, T> {
    /// Finishes each row with what belongs to it.
    #[inline(always)]
    pub fn each(self, how: &impl FinishRow<T>) {
        let (length, stride) = (self.length, self.length.div_ceil(8));
        let mut last = self.last;
        for (index, row) in self.rows.chunks_exact_mut(length).enumerate() {
            let add = self.add.map(|add| &add[index * length..][..length]);
            how.finish(row, self.bias, add, last.from(index * stride));
        }
    }
}

/// Finishes one row; not a closure, see [`super::super::lanes::Loop`].
pub trait FinishRow<T> {
    /// As [`finish_plain`].
    fn finish(&self, row: &mut [T], bias: Option<&[T]>, add: Option<&[T]>, last: Last);
}

/// By plain loops.
pub struct PlainRows;

impl<T: Number> FinishRow<T> for PlainRows {
    fn finish(&self, row: &mut [T], bias: Option<&[T]>, add: Option<&[T]>, last: Last) {
        finish_plain(row, bias, add, last);
    }
}

/// In vectors.
struct Vector<S>(S);

impl<S: Simd> FinishRow<f32> for Vector<S> {
    #[inline(always)]
    fn finish(&self, row: &mut [f32], bias: Option<&[f32]>, add: Option<&[f32]>, last: Last) {
        match S::F32_LANES {
            1 => finish_vectors::<S, 8>(self.0, row, bias, add, last),
            _ => finish_vectors::<S, 2>(self.0, row, bias, add, last),
        }
    }
}

impl WithSimd for Rows<'_, f32> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.each(&Vector(simd));
    }
}
