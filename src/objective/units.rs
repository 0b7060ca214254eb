//! What the units of an objective do on one image.

use candle_core::{DType, Tensor};

use super::term::{Term, select};
use super::{Bound, Position};
use crate::encoder::Encoder;
use crate::encoder::positions::Positions;
use crate::encoder::tap::TapId;
use crate::error::Result;

/// A unit as an objective reads it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitRead {
    /// Of the unit in the objective.
    pub weight: f64,
    /// The tap.
    pub tap: TapId,
    /// The channel.
    pub unit: usize,
    /// Where.
    pub position: Position,
}

/// What an image does to an objective's units.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Activity {
    /// Every channel of the first unit's tap, read where that unit is read: the mean over the positions, or
    /// the value at one of them. Empty when the objective reads no unit.
    pub channels: Vec<f64>,
    /// Whether any of the units that the objective makes larger is above 0 at a position where it is read;
    /// `None` when it makes none larger that has a ReLU.
    pub is_open: Option<bool>,
}

impl Bound {
    /// The first unit that the objective reads.
    pub fn first_unit(&self) -> Option<UnitRead> {
        self.units().next()
    }

    fn units(&self) -> impl Iterator<Item = UnitRead> {
        self.terms.iter().filter_map(|(weight, term)| match term {
            Term::Unit {
                tap,
                unit,
                position,
            } => Some(UnitRead {
                weight: *weight,
                tap: *tap,
                unit: *unit,
                position: *position,
            }),
            _ => None,
        })
    }

    /// What one image does to the units; `activation` answers with its activation `(1, ...)` at a tap that the
    /// objective reads.
    ///
    /// # Errors
    /// When a position lies outside its tap's grid, or `activation` fails.
    pub fn activity(
        &self,
        encoder: &Encoder,
        activation: impl Fn(TapId) -> Result<Tensor>,
    ) -> Result<Activity> {
        let mut activity = Activity::default();
        for (index, read) in self.units().enumerate() {
            let tap = encoder.tap(read.tap);
            let climbs = tap.has_relu() && read.weight > 0.0;
            if index > 0 && !climbs {
                continue;
            }
            let activation = activation(read.tap)?;
            let positions = Positions::of(tap, &activation)?;
            let places = select(read.position, positions, tap)?;
            if index == 0 {
                activity.channels = positions.means_over(places.clone(), &activation)?.remove(0);
            }
            if climbs {
                let a: Vec<f64> = activation.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?;
                let mut values = places.map(|place| a[positions.index(place, read.unit)]);
                let opens = values.any(|value| value > 0.0);
                activity.is_open = Some(opens || activity.is_open == Some(true));
            }
        }
        Ok(activity)
    }
}
