//! When an ascent has to end, and whether its picture shows its units.

use super::Settings;
use super::digits::three;
use crate::encoder::Encoder;
use crate::encoder::tap::Tap;
use crate::error::{Error, Result, bail};
use crate::objective::Bound;

/// What a step measured of one image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured {
    /// The objective.
    pub value: f64,
    /// The norm of its gradient on the RGB image, without penalties.
    pub norm_of_units: f64,
    /// With penalties.
    pub norm: f64,
}

impl Measured {
    /// Fails on a number that is not finite, and at the first step on a gradient that vanishes.
    pub fn check(
        self,
        step: usize,
        spelling: &str,
        objective: &Bound,
        encoder: &Encoder,
        settings: &Settings,
    ) -> Result<()> {
        let Self {
            value,
            norm_of_units,
            norm,
        } = self;
        if !value.is_finite() || !norm.is_finite() {
            let cure = match step {
                0 => "a weight, a vector or a transform is too large",
                _ => "try a smaller --lr",
            };
            bail!(
                Numeric,
                "step {step} of {spelling}: the objective is {} and its gradient's norm {}; {cure}",
                three(value),
                three(norm)
            );
        }
        if step == 0 && !objective.taps().is_empty() && norm_of_units == 0.0 {
            let after_relu = objective.reads_after_relu(encoder);
            let cure = match (after_relu, settings.redirect_steps) {
                (true, 0) => {
                    "try --redirect 16, the sum before the ReLU (layer4.0.sum instead of layer4.0), or another --seed"
                }
                (true, _) => {
                    "try the sum before the ReLU (layer4.0.sum instead of layer4.0), another --seed, and look whether a weight is zero"
                }
                (false, _) => "try another --seed, and look whether a weight or a vector is zero",
            };
            bail!(
                Numeric,
                "{spelling} has no gradient on the first image, so there is nothing to climb; {cure}"
            );
        }
        Ok(())
    }
}

/// The error, with the layer that it comes from.
pub fn overflowed(error: &Error, tap: &Tap) -> Error {
    let message = format!(
        "{error}; {tap} is the first layer whose activations are not finite: units of layers before it can be rendered"
    );
    Error::new(error.kind(), message)
}

/// Whether the gradient of an image's units comes through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reached(Option<bool>);

impl Reached {
    /// Takes note of a step.
    pub fn see(&mut self, step: usize, measured: Measured, objective: &Bound, settings: &Settings) {
        let norm = measured.norm_of_units;
        if step >= settings.redirect_steps && !objective.taps().is_empty() && norm.is_finite() {
            self.0 = Some(norm > 0.0 || self.0 == Some(true));
        }
    }

    /// Whether it did at any step whose ReLUs were not redirected; `None` where there was no such step.
    pub fn answer(self) -> Option<bool> {
        self.0
    }
}
