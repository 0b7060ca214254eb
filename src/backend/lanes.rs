//! Loops over vectors, as wide as the machine has them.

use pulp::{Arch, Simd, WithSimd};

use super::number::Number;

/// A loop that gains from wide vectors.
pub trait Loop<T> {
    /// Runs it; one whose vectors a compiler would not find by itself names them. Must be
    /// `#[inline(always)]`, and so must be what it calls: only what is inlined is compiled for the
    /// machine at hand. Closures that do not vanish are not.
    fn run<V: Vectors<T>>(self, vectors: V);
}

/// Operations on vectors of some numbers of type `T`.
pub trait Vectors<T>: Copy {
    /// Some numbers.
    type Vector: Copy;

    /// How many.
    const LANES: usize;

    /// One number in all places.
    fn splat(self, value: T) -> Self::Vector;

    /// The first numbers of a slice.
    fn load(self, from: &[T]) -> Self::Vector;

    /// Into the first numbers of a slice.
    fn store(self, vector: Self::Vector, to: &mut [T]);

    /// `a + b`.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a - b`.
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a * b + c`, rounded once on machines that can.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
}

/// Element types that have loops over vectors.
pub trait Vectorised: Sized {
    /// Runs a loop with the vectors that this machine has for the type.
    fn vectorised(work: impl Loop<Self>);
}

impl Vectorised for f32 {
    fn vectorised(work: impl Loop<Self>) {
        struct Wide<L>(L);

        impl<L: Loop<f32>> WithSimd for Wide<L> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) {
                self.0.run(Single(simd));
            }
        }

        Arch::new().dispatch(Wide(work));
    }
}

/// `f64` is for checks: one number at a time.
impl Vectorised for f64 {
    fn vectorised(work: impl Loop<Self>) {
        work.run(One);
    }
}

#[derive(Clone, Copy)]
struct Single<S>(S);

impl<S: Simd> Vectors<f32> for Single<S> {
    type Vector = S::f32s;

    const LANES: usize = S::F32_LANES;

    #[inline(always)]
    fn splat(self, value: f32) -> S::f32s {
        self.0.splat_f32s(value)
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> S::f32s {
        S::as_simd_f32s(&from[..S::F32_LANES]).0[0]
    }

    #[inline(always)]
    fn store(self, vector: S::f32s, to: &mut [f32]) {
        S::as_mut_simd_f32s(&mut to[..S::F32_LANES]).0[0] = vector;
    }

    #[inline(always)]
    fn add(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.add_f32s(a, b)
    }

    #[inline(always)]
    fn sub(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.sub_f32s(a, b)
    }

    #[inline(always)]
    fn mul_add(self, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
        self.0.mul_add_e_f32s(a, b, c)
    }
}

/// Vectors of one number, for what is left over.
#[derive(Clone, Copy)]
pub struct One;

impl<T: Number> Vectors<T> for One {
    type Vector = T;

    const LANES: usize = 1;

    #[inline(always)]
    fn splat(self, value: T) -> T {
        value
    }

    #[inline(always)]
    fn load(self, from: &[T]) -> T {
        from[0]
    }

    #[inline(always)]
    fn store(self, vector: T, to: &mut [T]) {
        to[0] = vector;
    }

    #[inline(always)]
    fn add(self, a: T, b: T) -> T {
        a + b
    }

    #[inline(always)]
    fn sub(self, a: T, b: T) -> T {
        a - b
    }

    #[inline(always)]
    fn mul_add(self, a: T, b: T, c: T) -> T {
        a.mul_add(b, c)
    }
}
