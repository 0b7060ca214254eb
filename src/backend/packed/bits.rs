//! The numbers of a vector and the bits of a mask, each in the machine's own way.

#[cfg(target_arch = "x86_64")]
use std::any::TypeId;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, _CMP_GT_OQ};
#[cfg(target_arch = "x86_64")]
use std::mem::transmute_copy;

use pulp::Simd;
#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

/// Numbers of a vector, at most.
const MOST_LANES: usize = 16;

/// Bit `i`.
const BITS: [u32; MOST_LANES] = {
    let mut bits = [0; MOST_LANES];
    let mut i = 0;
    while i < MOST_LANES {
        bits[i] = 1 << i;
        i += 1;
    }
    bits
};

/// The same as numbers, whose sums are exact.
const POWERS: [f32; MOST_LANES] = {
    let mut powers = [0.0; MOST_LANES];
    let mut i = 0;
    while i < MOST_LANES {
        powers[i] = BITS[i] as f32;
        i += 1;
    }
    powers
};

/// Bit `i` is set where number `i` of the vector is above zero.
#[inline(always)]
pub fn active<S: Simd>(simd: S, y: S::f32s) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if TypeId::of::<S>() == TypeId::of::<V3>() {
        // SAFETY: the token is a `V3`, whose vectors are `f32x8`, as wide as `__m256`.
        let (v3, y) = unsafe {
            (
                transmute_copy::<S, V3>(&simd),
                transmute_copy::<S::f32s, __m256>(&y),
            )
        };
        let above = v3
            .avx
            ._mm256_cmp_ps::<_CMP_GT_OQ>(y, v3.avx._mm256_setzero_ps());
        return v3.avx._mm256_movemask_ps(above) as u32;
    }
    let zero = simd.splat_f32s(0.0);
    let (powers, _) = S::as_simd_f32s(&POWERS);
    let above = simd.less_than_f32s(zero, y);
    #[cfg(target_arch = "x86_64")]
    if TypeId::of::<S>() == TypeId::of::<V4>() {
        // SAFETY: the token is a `V4`, whose masks are `b16`, a bit a number.
        return u32::from(unsafe { transmute_copy::<S::m32s, u16>(&above) });
    }
    simd.reduce_sum_f32s(simd.select_f32s(above, powers[0], zero)) as u32
}

/// Where bit `i` is set, number `i` of a vector passes.
#[inline(always)]
pub fn passing<S: Simd>(simd: S, bits: u32) -> S::m32s {
    #[cfg(target_arch = "x86_64")]
    if TypeId::of::<S>() == TypeId::of::<V4>() {
        // SAFETY: the token is a `V4`, whose masks are `b16`, a bit a number.
        return unsafe { transmute_copy::<u16, S::m32s>(&(bits as u16)) };
    }
    let bit = S::as_simd_u32s(&BITS).0[0];
    let own = simd.and_u32s(simd.splat_u32s(bits), bit);
    simd.greater_than_u32s(own, simd.splat_u32s(0))
}
