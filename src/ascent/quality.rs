//! Numbers that say how far a picture is to be trusted.

mod seen;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::spectrum::spectrum_slope;
use super::{Rendered, View};
use crate::encoder::tap::TapId;
use crate::error::{Result, bail};
use crate::model::Model;
use crate::model::statistics::Statistics;
use crate::objective::{Bound, Objective};
use crate::param::{Basis, Parameterisation};
use crate::seed::{Key, Purpose};
use seen::as_it_is;
pub use seen::{Seen, looks};

/// Fixed transforms under which the robust objective is measured, at least and at most.
const DRAWS: [u64; 2] = [4, 64];

/// Steps of an ascent for each of them: a pass without a gradient takes a third of a step, so that
/// measuring takes about a hundredth of the ascent.
const STEPS_A_DRAW: usize = 32;

/// How many of the fixed transforms a picture of so many steps is measured under: always the first.
pub fn draws(steps: usize) -> u64 {
    let [least, most] = DRAWS;
    ((steps / STEPS_A_DRAW) as u64).clamp(least, most)
}

/// How the unit stands among the units of its tap on this picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Selectivity {
    /// Standard deviations above the unit's mean; below, for a negative objective.
    pub z: f64,
    /// 1 when no unit of the tap stands out more.
    pub rank: usize,
    /// Units of the tap.
    pub of: usize,
    /// What the means and deviations were measured on.
    pub statistics: String,
}

/// The quality numbers of one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// The objective without transforms.
    pub clean: f64,
    /// Its mean over the first of 64 fixed draws of the `lucid` transforms, see [`draws`].
    pub robust_mean: f64,
    /// The standard deviation over those draws.
    pub robust_sd: f64,
    /// How many they were, 4 to 64.
    pub robust_draws: u64,
    /// `robust_mean / clean`, where `clean` is not 0.
    pub robust_ratio: Option<f64>,
    /// Absent when the objective reads no single unit.
    pub selectivity: Option<Selectivity>,
    /// The slope of the amplitude spectrum in log-log scale between 2 cycles per image and a
    /// quarter of the sampling rate; photographs have about -1.4. Absent below 16 pixels.
    pub spectrum_slope: Option<f64>,
}

/// What is measured of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The quality numbers.
    pub quality: Quality,
    /// How many standard deviations above its mean each unit of the tap responds to the picture
    /// without transforms; empty when the objective reads no single unit.
    pub response: Vec<f32>,
}

/// Noise images on which a tap's usual responses are measured where none are shipped.
const NOISE_IMAGES: u64 = 32;

/// How much stronger than an ascent's first image the noise is: its pixels then vary about as
/// much as a photograph's.
const NOISE_CONTRAST: f64 = 30.0;

/// Measures pictures of one model.
pub struct Judge<'a> {
    model: &'a Model,
    statistics: Mutex<HashMap<(TapId, usize), Arc<Statistics>>>,
}

impl<'a> Judge<'a> {
    /// A judge for one model; a tap's usual responses are measured when they are first needed.
    pub fn new(model: &'a Model) -> Self {
        Self {
            model,
            statistics: Mutex::default(),
        }
    }

    /// Measures a picture, from what was seen of it where it was made, or else by looking at it here.
    ///
    /// # Errors
    /// When a number is not finite.
    pub fn measure(&self, objective: &Objective, rendered: &Rendered) -> Result<Measured> {
        let image = rendered.image.to_dtype(self.model.encoder.dtype())?;
        let Seen {
            clean,
            robust,
            means,
        } = match &rendered.seen {
            // 16 bits may not hold what 32 do.
            Some(seen) if seen.is_finite() => seen.clone(),
            _ => self.see(objective, &image, rendered.steps_done)?,
        };
        if let Some(value) = robust
            .iter()
            .chain([&clean])
            .find(|value| !value.is_finite())
        {
            bail!(
                Numeric,
                "the finished picture of {objective} measures {value}"
            );
        }
        let robust_mean = robust.iter().sum::<f64>() / robust.len() as f64;
        let variance = robust
            .iter()
            .map(|value| (value - robust_mean).powi(2))
            .sum::<f64>()
            / robust.len() as f64;
        let (selectivity, response) = match objective.first_unit() {
            Some(unit) => self.response(unit, &image, means)?.unzip(),
            None => (None, None),
        };
        Ok(Measured {
            quality: Quality {
                clean,
                robust_mean,
                robust_sd: variance.sqrt(),
                robust_draws: robust.len() as u64,
                robust_ratio: (clean != 0.0).then(|| robust_mean / clean),
                selectivity,
                spectrum_slope: spectrum_slope(&image)?,
            },
            response: response.unwrap_or_default(),
        })
    }

    fn see(&self, objective: &Objective, image: &Tensor, steps: usize) -> Result<Seen> {
        let (encoder, side) = (&self.model.encoder, image.dim(2)?);
        let bound = Bound::new(objective, encoder)?;
        let view = View::new(self.model, side, bound.taps());
        let mut values = Vec::new();
        let mut means = None;
        for look in looks(&view, side, steps) {
            let pass = encoder.forward(&view.warp(look).forward(image)?, bound.taps())?;
            if let (true, &[tap]) = (values.is_empty(), bound.taps()) {
                means = Statistics::channel_means(encoder, tap, &pass)?.pop();
            }
            values.push(bound.evaluate(encoder, &pass, Some(image))?.value);
        }
        Ok(Seen::new(values, means))
    }

    /// The channel means of a tap on a picture without transforms.
    fn means(&self, tap: TapId, image: &Tensor) -> Result<Vec<f64>> {
        let side = image.dim(2)?;
        let view = View::new(self.model, side, &[tap]);
        let seen = view.warp(as_it_is(&view, side)).forward(image)?;
        let pass = self.model.encoder.forward(&seen, &[tap])?;
        Ok(Statistics::channel_means(&self.model.encoder, tap, &pass)?.remove(0))
    }

    /// How all units of a unit's tap respond to the picture, and how the unit itself stands among
    /// them; `means` are those of the tap, where they are known.
    fn response(
        &self,
        (weight, name, unit): (f32, &str, usize),
        image: &Tensor,
        means: Option<Vec<f64>>,
    ) -> Result<Option<(Selectivity, Vec<f32>)>> {
        let Some(tap) = self.model.encoder.find(name) else {
            return Ok(None);
        };
        let sign = f64::from(weight.signum());
        let means = match means {
            Some(means) => means,
            None => self.means(tap, image)?,
        };
        let statistics = self.statistics(tap, image.dim(2)?)?;
        let z = |(channel, &value): (usize, &f64)| statistics.z(channel, value);
        let z: Vec<f64> = means.iter().enumerate().map(z).collect();
        let own = sign * z[unit];
        let selectivity = Selectivity {
            z: own,
            rank: 1 + z.iter().filter(|&&other| sign * other > own).count(),
            of: z.len(),
            statistics: statistics.source.clone(),
        };
        let response = z.into_iter().map(|z| z as f32).collect();
        Ok(Some((selectivity, response)))
    }

    /// The usual responses of a tap's units: shipped, or measured once on noise of this size.
    fn statistics(&self, tap: TapId, side: usize) -> Result<Arc<Statistics>> {
        let mut known = self
            .statistics
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(statistics) = known.get(&(tap, side)) {
            return Ok(statistics.clone());
        }
        let statistics = match self.model.statistics(tap) {
            Some(shipped) => shipped,
            None => self.measure_on_noise(tap, side)?,
        };
        let statistics = Arc::new(statistics);
        known.insert((tap, side), statistics.clone());
        Ok(statistics)
    }

    fn measure_on_noise(&self, tap: TapId, side: usize) -> Result<Statistics> {
        let parameterisation = Parameterisation::new(Basis::Fourier { decay: 1.0 }, side);
        let mut images = Vec::new();
        for index in 0..NOISE_IMAGES {
            let mut stream = Key::new(0, "noise", 0).stream(Purpose::Statistics, index);
            let parameters = parameterisation.initial(&mut stream, self.model.encoder.dtype())?;
            let image = parameterisation.image(&(parameters * NOISE_CONTRAST)?)?;
            images.push(self.means(tap, &image)?);
        }
        Ok(Statistics::of(
            &images,
            format!("{NOISE_IMAGES} images of 1/f noise"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_steps_are_measured_under_more_transforms() {
        let counts = [0, 1, 128, 159, 160, 512, 2048, 100_000].map(draws);
        assert_eq!(counts, [4, 4, 4, 4, 5, 16, 64, 64]);
    }
}
