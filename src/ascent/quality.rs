//! Numbers that say how far a picture is to be trusted.

mod seen;
mod usual;

use serde::{Deserialize, Serialize};

use super::spectrum::spectrum_slope;
use super::{Job, Rendered, Watch};
use crate::error::{Result, bail};
use crate::model::Model;
use crate::model::statistics::Statistics;
use crate::objective::UnitRead;
use crate::size::Size;
pub use seen::Seen;
pub use seen::see;
use seen::see_here;
use usual::Usual;

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

/// How the unit stands among the units of its tap on this picture. The mean over positions is compared with the
/// usual ones; where the objective reads one position, the values at that position with those usual there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Selectivity {
    /// Standard deviations above the unit's mean; below, for a negative objective.
    pub z: f64,
    /// 1 when no unit of the tap stands out more.
    pub rank: usize,
    /// Units of the tap whose response varies: the others have no z and no rank.
    pub of: usize,
    /// What the means and deviations were measured on.
    pub statistics: String,
}

/// The quality numbers of one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// The first unit's activation without transforms, where the objective reads it: without its weight, the other
    /// terms and the penalties. Absent when the objective reads no unit, and in sidecars of earlier versions.
    pub activation: Option<f64>,
    /// `false`: the picture is no result of climbing the unit, or shows it shut. No unit that the objective makes
    /// larger is above 0 at a position where it is read, so its ReLU lets nothing through; or no gradient came
    /// through once ReLUs were no longer redirected. `true`: the ReLU is open. Absent where there is no ReLU to
    /// open, when a unit is to be silenced, and in sidecars of earlier versions.
    pub opened: Option<bool>,
    /// The objective without transforms.
    pub clean: f64,
    /// Its mean over the first of 64 fixed draws of the `lucid` transforms, see [`draws`].
    pub robust_mean: f64,
    /// The standard deviation over those draws.
    pub robust_sd: f64,
    /// How many they were, 4 to 64.
    pub robust_draws: u64,
    /// `robust_mean / clean`, both without the penalties on the image; absent where the second is not above 0.
    pub robust_ratio: Option<f64>,
    /// Absent when the objective reads no single unit, or one whose response never varies.
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
    /// without transforms, 0 for one whose response never varies; empty when the objective reads no unit.
    pub response: Vec<f32>,
}

/// Measures pictures of one model.
pub struct Judge<'a> {
    model: &'a Model,
    usual: Usual<'a>,
}

impl<'a> Judge<'a> {
    /// A judge for one model; a tap's usual responses are measured when they are first needed.
    pub fn new(model: &'a Model) -> Self {
        Self {
            model,
            usual: Usual::new(model),
        }
    }

    /// Measures a picture, from what was seen of it where it was made, or else by looking at it here.
    ///
    /// # Errors
    /// When a number is not finite, or `watch` stops it.
    pub fn measure(&self, job: &Job, rendered: &Rendered, watch: &dyn Watch) -> Result<Measured> {
        let image = rendered.image.to_dtype(self.model.encoder.dtype())?;
        let Job {
            objective,
            spelling,
            ..
        } = job;
        let Seen {
            clean,
            robust,
            activity,
        } = match &rendered.seen {
            // 16 bits may not hold what 32 do.
            Some(seen) if seen.is_finite() => seen.clone(),
            _ => see_here(
                self.model,
                objective,
                &image,
                Some(rendered.steps_done),
                watch,
            )?,
        };
        if let Some(value) = robust
            .iter()
            .chain([&clean])
            .find(|value| !value.is_finite())
        {
            bail!(
                Numeric,
                "the finished picture of {spelling} measures {value}"
            );
        }
        let robust_mean = robust.iter().sum::<f64>() / robust.len() as f64;
        let variance = robust
            .iter()
            .map(|value| (value - robust_mean).powi(2))
            .sum::<f64>()
            / robust.len() as f64;
        let (penalty, _) = objective.read_canvas(&image)?;
        let unit = objective.first_unit();
        let (selectivity, response) = match unit {
            Some(unit) => {
                let usual = self.usual.statistics(unit, Size::of(&image)?, watch)?;
                stand(unit, &activity.channels, &usual)
            }
            None => (None, Vec::new()),
        };
        Ok(Measured {
            quality: Quality {
                activation: unit.map(|read| activity.channels[read.unit]),
                opened: match rendered.reached {
                    Some(false) => Some(false),
                    _ => activity.is_open,
                },
                clean,
                robust_mean,
                robust_sd: variance.sqrt(),
                robust_draws: robust.len() as u64,
                robust_ratio: ratio(robust_mean - penalty, clean - penalty),
                selectivity,
                spectrum_slope: spectrum_slope(&image)?,
            },
            response,
        })
    }
}

/// A share of what is above 0.
fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// How the unit stands among the channels of its tap, and how each of them responds.
fn stand(unit: UnitRead, channels: &[f64], usual: &Statistics) -> (Option<Selectivity>, Vec<f32>) {
    let sign = unit.weight.signum();
    let z = channels.iter().enumerate();
    let z: Vec<Option<f64>> = z.map(|(channel, &value)| usual.z(channel, value)).collect();
    let response = z.iter().map(|z| z.unwrap_or_default() as f32).collect();
    let selectivity = z[unit.unit].map(|own| Selectivity {
        z: sign * own,
        rank: 1 + z
            .iter()
            .flatten()
            .filter(|&other| sign * other > sign * own)
            .count(),
        of: z.iter().flatten().count(),
        statistics: usual.source.clone(),
    });
    (selectivity, response)
}

/// # Errors
/// When the run is to stop: numbers can be measured again.
pub fn go_on(watch: &dyn Watch) -> Result<()> {
    if watch.should_stop() {
        bail!(Interrupted, "stopped while it was measured");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::tap::TapId;
    use crate::objective::Position;

    #[test]
    fn more_steps_are_measured_under_more_transforms() {
        let counts = [0, 1, 128, 159, 160, 512, 2048, 100_000].map(draws);
        assert_eq!(counts, [4, 4, 4, 4, 5, 16, 64, 64]);
    }

    #[test]
    fn what_is_not_above_zero_has_no_share() {
        assert_eq!(ratio(1.0, 2.0), Some(0.5));
        assert_eq!([ratio(-2.0, -1.0), ratio(0.0, 0.0)], [None, None]);
    }

    fn read(weight: f64, unit: usize) -> UnitRead {
        UnitRead {
            weight,
            tap: TapId(0),
            unit,
            position: Position::Mean,
        }
    }

    /// The third never varied, and would outrank all others by a division by nearly nothing.
    #[test]
    fn a_unit_that_never_varies_has_no_rank_and_takes_none() {
        let images = [vec![0.0, 2.0, 0.0], vec![2.0, 0.0, 0.0]];
        let usual = Statistics::of(&images, "two images");
        let (selectivity, response) = stand(read(1.0, 0), &[3.0, 4.0, 0.5], &usual);
        let selectivity = selectivity.unwrap();
        assert_eq!(
            (selectivity.z, selectivity.rank, selectivity.of),
            (2.0, 2, 2)
        );
        assert_eq!(response, [2.0, 3.0, 0.0]);
        assert_eq!(stand(read(1.0, 2), &[3.0, 4.0, 0.5], &usual).0, None);
        let (least, _) = stand(read(-1.0, 0), &[-3.0, 4.0, 0.5], &usual);
        let least = least.unwrap();
        assert_eq!((least.z, least.rank, least.of), (4.0, 1, 2));
    }
}
