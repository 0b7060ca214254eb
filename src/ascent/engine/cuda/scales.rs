//! What cotangents are multiplied by on their way through an encoder in `f16`, a power of two an image. The
//! mean over an activation's positions makes them small, and below 6e-8 they vanish; above 65504 they are not
//! finite. Where a gradient was not, the image's scale is halved on the device, and the image does not take the
//! step: nor does it count for Adam.

use std::sync::Arc;

use super::measure::squares;
use crate::ascent::check::Measured;
use crate::backend::cuda::launch::{reduce_guard_bwd, size};
use crate::backend::cuda::{Array, Float, Gpu, Grid};
use crate::error::{Error, Result, bail};

/// The first scale of an objective whose largest weight is 1. `tests/cuda/half.rs` shows that 64 times less
/// or 8 times more makes no gradient of the embedded model or the fixtures worse.
const FIRST: f64 = 1024.0;

/// The exponents of the smallest and the largest first scale.
const EXPONENTS: (f64, f64) = (-14.0, 24.0);

/// Gradients that an image may lose before it is given up: its scale is then below any that could help.
const MOST_LOST: usize = 48;

/// The scales of a batch.
pub struct Scales {
    /// One an image.
    pub factors: Array<f32>,
    /// Two numbers an image, see `kernels/prelude.cuh`.
    pub lost: Array<u32>,
    /// Whether gradients can be lost; where not, all scales are 1.
    are_guarded: bool,
}

/// The power of two that brings an objective's cotangents to where [`FIRST`] has those of weight 1.
fn first(largest_weight: f64) -> f32 {
    let exponent = (FIRST / largest_weight).log2().floor();
    exponent.clamp(EXPONENTS.0, EXPONENTS.1).exp2() as f32
}

impl Scales {
    /// For objectives with these largest weights of terms that act at a tap, whose activations are stored as `T`.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn new<T: Float>(gpu: &Arc<Gpu>, largest_weights: &[f64]) -> Result<Self> {
        let scale = |&weight: &f64| if T::IS_NARROW { first(weight) } else { 1.0 };
        let scales: Vec<f32> = largest_weights.iter().map(scale).collect();
        Ok(Self {
            factors: Array::upload(gpu, &scales)?,
            lost: Array::zeros(gpu, 2 * scales.len())?,
            are_guarded: T::IS_NARROW,
        })
    }

    /// The square of each image's norm, `length` numbers an image, to the place of the step among `measured`; and
    /// whether the gradient was lost.
    pub fn squares(
        &mut self,
        gradient: &Array<f32>,
        length: usize,
        step: &Array<u32>,
        measured: &mut Array<f64>,
    ) -> Result<()> {
        if !self.are_guarded {
            return squares(gradient, length, step, measured);
        }
        let gpu = gradient.gpu().clone();
        reduce_guard_bwd(
            &gpu,
            Grid::blocks(gradient.len() / length),
            gradient.into(),
            (&mut self.factors).into(),
            (&mut self.lost).into(),
            step.into(),
            measured.into(),
            size(length)?,
        )
    }

    /// Whether a step's gradient was lost, in spite of a value that is finite; `lost` counts those of the image.
    ///
    /// # Errors
    /// When so many were lost that it is not for the scale.
    pub fn has_lost(&self, measured: Measured, lost: &mut usize) -> Result<bool> {
        let Measured {
            value,
            norm_of_units,
            ..
        } = measured;
        if !self.are_guarded || !value.is_finite() || norm_of_units.is_finite() {
            return Ok(false);
        }
        *lost += 1;
        if *lost > MOST_LOST {
            bail!(Numeric, "the gradient is not finite at any scale");
        }
        Ok(true)
    }

    /// An error of a climb, with what the type may have to do with it.
    pub fn explained(&self, error: Error) -> Error {
        match self.are_guarded {
            true => error.context(
                "in f16, whose numbers end at 65504 (those of --dtype bf16 and f32 go further)",
            ),
            false => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::first;

    #[test]
    fn first_scales_are_powers_of_two_against_the_weight() {
        for (weight, scale) in [
            (1.0, 1024.0),
            (2.0, 512.0),
            (3.0, 256.0),
            (1e-30, 16777216.0),
            (3e38, 2f32.powi(-14)),
            (0.0, 16777216.0),
        ] {
            assert_eq!(first(weight), scale, "{weight}");
        }
    }
}
