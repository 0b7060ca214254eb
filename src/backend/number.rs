//! The numbers that the CPU computes with.

use candle_core::WithDType;

/// `f32` for work, `f64` for checks. The kernels, which work on many of them at once, are declared on top of this.
pub trait Number:
    WithDType + num_traits::Float + num_traits::NumAssign + realfft::FftNum + Default
{
    /// Rounds from `f64`.
    #[inline(always)]
    fn of(value: f64) -> Self {
        <Self as WithDType>::from_f64(value)
    }
}

impl Number for f32 {}
impl Number for f64 {}
