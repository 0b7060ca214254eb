//! Eight numbers at a time, for loops that a compiler would not find by itself.

use std::ops::{Add, Mul, Sub};

use pulp::{Arch, Simd, WithSimd};

use super::cpu::Real;

/// Numbers of a [`Lanes`].
pub const LANES: usize = 8;

/// A loop that gains from wide vectors.
pub trait Loop {
    /// Runs it. Must be `#[inline(always)]`, and so must be what it calls: only what is inlined is
    /// compiled for the machine at hand. Closures that do not vanish are not.
    fn run(self);
}

/// Runs a loop with the widest vectors that this machine has.
pub fn vectorised(work: impl Loop) {
    struct Wide<L>(L);

    impl<L: Loop> WithSimd for Wide<L> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            self.0.run();
        }
    }

    Arch::new().dispatch(Wide(work));
}

/// Eight numbers.
#[derive(Debug, Clone, Copy)]
pub struct Lanes<T>(pub [T; LANES]);

impl<T: Real> Lanes<T> {
    /// The first numbers of a slice, zeros after its end.
    #[inline(always)]
    pub fn load(from: &[T]) -> Self {
        match from.first_chunk() {
            Some(whole) => Self(*whole),
            None => {
                let mut lanes = [T::zero(); LANES];
                lanes[..from.len()].copy_from_slice(from);
                Self(lanes)
            }
        }
    }

    /// Writes as many numbers as the slice takes.
    #[inline(always)]
    pub fn store(self, to: &mut [T]) {
        match to.first_chunk_mut() {
            Some(whole) => *whole = self.0,
            None => to.copy_from_slice(&self.0[..to.len()]),
        }
    }

    /// Zeros.
    #[inline(always)]
    pub fn zero() -> Self {
        Self([T::zero(); LANES])
    }
}

impl<T: Real> Add for Lanes<T> {
    type Output = Self;

    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for i in 0..LANES {
            self.0[i] += other.0[i];
        }
        self
    }
}

impl<T: Real> Sub for Lanes<T> {
    type Output = Self;

    #[inline(always)]
    fn sub(mut self, other: Self) -> Self {
        for i in 0..LANES {
            self.0[i] -= other.0[i];
        }
        self
    }
}

impl<T: Real> Mul<T> for Lanes<T> {
    type Output = Self;

    #[inline(always)]
    fn mul(mut self, factor: T) -> Self {
        for i in 0..LANES {
            self.0[i] *= factor;
        }
        self
    }
}
