//! Numbers that say how far a picture is to be trusted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::View;
use super::spectrum::spectrum_slope;
use crate::encoder::Pass;
use crate::encoder::tap::TapId;
use crate::error::Result;
use crate::model::Model;
use crate::model::statistics::Statistics;
use crate::objective::{Bound, Objective};
use crate::param::{Basis, Parameterisation};
use crate::seed::{Key, Purpose};
use crate::transform::preset::lucid;
use crate::transform::{Transform, sample};

/// Transforms under which the robust objective is measured.
pub const ROBUST_SAMPLES: u64 = 64;

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
    /// Its mean over 64 fixed draws of the `lucid` transforms.
    pub robust_mean: f64,
    /// The standard deviation over those draws.
    pub robust_sd: f64,
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

    /// Measures a picture `(1, 3, size, size)` in [0, 1].
    pub fn measure(&self, objective: &Objective, image: &Tensor) -> Result<Measured> {
        let side = image.dim(2)?;
        let image = image.to_dtype(self.model.encoder.dtype())?;
        let bound = Bound::new(objective, &self.model.encoder)?;
        let evaluate = |transforms: &[Transform], draw: u64| -> Result<f64> {
            let pass = self.look(&image, transforms, draw, bound.taps())?;
            Ok(bound
                .evaluate(&self.model.encoder, &pass, Some(&image))?
                .value)
        };
        let clean = evaluate(&[], 0)?;
        let transforms = lucid();
        let robust: Vec<f64> = (0..ROBUST_SAMPLES)
            .map(|draw| evaluate(&transforms, draw))
            .collect::<Result<_>>()?;
        let robust_mean = robust.iter().sum::<f64>() / robust.len() as f64;
        let variance = robust
            .iter()
            .map(|value| (value - robust_mean).powi(2))
            .sum::<f64>()
            / robust.len() as f64;
        let (selectivity, response) = self.response(objective, &image, side)?.unzip();
        Ok(Measured {
            quality: Quality {
                clean,
                robust_mean,
                robust_sd: variance.sqrt(),
                robust_ratio: (clean != 0.0).then(|| robust_mean / clean),
                selectivity,
                spectrum_slope: spectrum_slope(&image)?,
            },
            response: response.unwrap_or_default(),
        })
    }

    /// A pass over the picture under one draw of the transforms.
    fn look(
        &self,
        image: &Tensor,
        transforms: &[Transform],
        draw: u64,
        taps: &[TapId],
    ) -> Result<Pass<'_>> {
        let side = image.dim(2)?;
        let view = View::new(self.model, side, taps);
        let mut stream = Key::new(0, "robustness", 0).stream(Purpose::Robustness, draw);
        let warp = view.warp(sample(transforms, side, view.side(), &mut stream));
        self.model.encoder.forward(&warp.forward(image)?, taps)
    }

    /// How all units of the objective's tap respond to the picture, and how its own stands among
    /// them.
    fn response(
        &self,
        objective: &Objective,
        image: &Tensor,
        side: usize,
    ) -> Result<Option<(Selectivity, Vec<f32>)>> {
        let Some((weight, name, unit)) = objective.first_unit() else {
            return Ok(None);
        };
        let Some(tap) = self.model.encoder.find(name) else {
            return Ok(None);
        };
        let sign = f64::from(weight.signum());
        let pass = self.look(image, &[], 0, &[tap])?;
        let means = Statistics::channel_means(&self.model.encoder, tap, &pass)?;
        let statistics = self.statistics(tap, side)?;
        let z = |(channel, &value): (usize, &f64)| statistics.z(channel, value);
        let z: Vec<f64> = means[0].iter().enumerate().map(z).collect();
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
            let pass = self.look(&image, &[], 0, &[tap])?;
            images.extend(Statistics::channel_means(&self.model.encoder, tap, &pass)?);
        }
        Ok(Statistics::of(
            &images,
            format!("{NOISE_IMAGES} images of 1/f noise"),
        ))
    }
}
