//! What follows a product, on rows of outputs that were just written.

use pulp::{Simd, WithSimd};

use crate::backend::cpu::Real;

/// The last thing that happens to a row, with its bytes of a mask.
pub enum Last<'a> {
    /// Nothing.
    Keep,
    /// ReLU; the bytes get its bits.
    Relu(&'a mut [u8]),
    /// Zero where a bit is not set.
    Gate(&'a [u8]),
}

/// `row + bias + add`, then the last thing: in plain loops.
#[inline(always)]
pub fn finish_plain<T: Real>(row: &mut [T], bias: Option<&[T]>, add: Option<&[T]>, last: Last) {
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

/// Numbers whose bits fill whole bytes and whole vectors, for every width of vector.
const GROUP: usize = 16;

/// The same for `f32`, in vectors: 16 numbers at a time, the rest in plain loops.
#[inline(always)]
pub fn finish_vectors<S: Simd>(
    simd: S,
    row: &mut [f32],
    bias: Option<&[f32]>,
    add: Option<&[f32]>,
    last: Last,
) {
    let whole = row.len() / GROUP * GROUP;
    let (head, tail) = row.split_at_mut(whole);
    for values in [bias, add].into_iter().flatten() {
        let (head, _) = S::as_mut_simd_f32s(head);
        let (values, _) = S::as_simd_f32s(&values[..whole]);
        for (y, value) in head.iter_mut().zip(values) {
            *y = simd.add_f32s(*y, *value);
        }
    }
    let rest = match last {
        Last::Keep => Last::Keep,
        Last::Relu(bytes) => {
            let (bytes, rest) = bytes.split_at_mut(whole / 8);
            rectify(simd, head, bytes);
            Last::Relu(rest)
        }
        Last::Gate(bytes) => {
            let (bytes, rest) = bytes.split_at(whole / 8);
            gate(simd, head, bytes);
            Last::Gate(rest)
        }
    };
    if !tail.is_empty() {
        finish_plain(
            tail,
            bias.map(|bias| &bias[whole..]),
            add.map(|add| &add[whole..]),
            rest,
        );
    }
}

/// `2^i` for the numbers of a group.
const WEIGHTS: [f32; GROUP] = {
    let mut weights = [1.0; GROUP];
    let mut i = 1;
    while i < GROUP {
        weights[i] = 2.0 * weights[i - 1];
        i += 1;
    }
    weights
};

/// Bit `i` for the numbers of a group.
const BITS: [u32; GROUP] = {
    let mut bits = [1; GROUP];
    let mut i = 1;
    while i < GROUP {
        bits[i] = 2 * bits[i - 1];
        i += 1;
    }
    bits
};

#[inline(always)]
fn rectify<S: Simd>(simd: S, head: &mut [f32], bytes: &mut [u8]) {
    let zero = simd.splat_f32s(0.0);
    let (weights, _) = S::as_simd_f32s(&WEIGHTS);
    for (values, bytes) in head.chunks_exact_mut(GROUP).zip(bytes.chunks_exact_mut(2)) {
        let (values, _) = S::as_mut_simd_f32s(values);
        let mut sum = zero;
        for (y, weight) in values.iter_mut().zip(weights) {
            let active = simd.less_than_f32s(zero, *y);
            sum = simd.add_f32s(sum, simd.select_f32s(active, *weight, zero));
            // NaN is not active, yet has to reach the check of the result.
            let inactive = simd.less_than_or_equal_f32s(*y, zero);
            *y = simd.select_f32s(inactive, zero, *y);
        }
        // A sum of different powers of two up to 2^15 is exact.
        let bits = simd.reduce_sum_f32s(sum) as u16;
        bytes.copy_from_slice(&bits.to_le_bytes());
    }
}

#[inline(always)]
fn gate<S: Simd>(simd: S, head: &mut [f32], bytes: &[u8]) {
    let zero = simd.splat_f32s(0.0);
    let none = simd.splat_u32s(0);
    let (bits, _) = S::as_simd_u32s(&BITS);
    for (values, bytes) in head.chunks_exact_mut(GROUP).zip(bytes.chunks_exact(2)) {
        let set = simd.splat_u32s(u32::from(bytes[0]) | u32::from(bytes[1]) << 8);
        let (values, _) = S::as_mut_simd_f32s(values);
        for (y, bits) in values.iter_mut().zip(bits) {
            let active = simd.greater_than_u32s(simd.and_u32s(set, *bits), none);
            *y = simd.select_f32s(active, *y, zero);
        }
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

impl<T: Real> Rows<'_, T> {
    /// Calls `finish` with each row and what belongs to it.
    #[inline(always)]
    pub fn each(self, one: &impl One<T>) {
        let (length, stride) = (self.length, self.length.div_ceil(8));
        let mut last = self.last;
        for (index, row) in self.rows.chunks_exact_mut(length).enumerate() {
            let bytes = index * stride..(index + 1) * stride;
            let last = match &mut last {
                Last::Keep => Last::Keep,
                Last::Relu(all) => Last::Relu(&mut all[bytes]),
                Last::Gate(all) => Last::Gate(&all[bytes]),
            };
            let add = self.add.map(|add| &add[index * length..][..length]);
            one.finish(row, self.bias, add, last);
        }
    }
}

/// Finishes one row; not a closure, see [`super::super::lanes::Loop`].
pub trait One<T> {
    /// As [`finish_plain`].
    fn finish(&self, row: &mut [T], bias: Option<&[T]>, add: Option<&[T]>, last: Last);
}

/// By plain loops.
pub struct PlainOne;

impl<T: Real> One<T> for PlainOne {
    fn finish(&self, row: &mut [T], bias: Option<&[T]>, add: Option<&[T]>, last: Last) {
        finish_plain(row, bias, add, last);
    }
}

/// In vectors.
struct Vector<S>(S);

impl<S: Simd> One<f32> for Vector<S> {
    #[inline(always)]
    fn finish(&self, row: &mut [f32], bias: Option<&[f32]>, add: Option<&[f32]>, last: Last) {
        finish_vectors(self.0, row, bias, add, last);
    }
}

impl WithSimd for Rows<'_, f32> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.each(&Vector(simd));
    }
}
