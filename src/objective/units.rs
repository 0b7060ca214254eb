//! What the units of an objective do on one image.

use super::at_tap::{AtTap, Rows};
use super::term::Place;
use super::{Bound, Position};
use crate::backend::cpu::Real;
use crate::backend::field::Field;
use crate::encoder::Encoder;
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
        self.terms.iter().filter_map(|(weight, place)| match place {
            Place::AtTap(tap, AtTap::Unit(unit)) => Some(UnitRead {
                weight: *weight,
                tap: *tap,
                unit: unit.channel,
                position: unit.position,
            }),
            Place::AtTap(_, AtTap::Direction(_) | AtTap::DeepDream | AtTap::Text(_))
            | Place::OnCanvas(_)
            | Place::AcrossGroup(_)
            | Place::OnTheWay(..) => None,
        })
    }

    /// What one image of a batch does to the units; `field` answers with the batch's activations at a tap that the
    /// objective reads.
    ///
    /// # Errors
    /// When a position lies outside its tap's grid, or `field` fails.
    pub fn activity<'a, T: Real>(
        &self,
        encoder: &Encoder,
        image: usize,
        field: impl Fn(TapId) -> Result<&'a Field<T>>,
    ) -> Result<Activity> {
        let mut activity = Activity::default();
        for (index, read) in self.units().enumerate() {
            let tap = encoder.tap(read.tap);
            let climbs = tap.has_relu() && read.weight > 0.0;
            if index > 0 && !climbs {
                continue;
            }
            let rows = Rows::of(tap, field(read.tap)?, image);
            let places = read.position.select(rows.positions, tap)?;
            if index == 0 {
                activity.channels = rows.means(places.clone());
            }
            if climbs {
                let mut values = places.map(|place| rows.at(place)[read.unit]);
                let opens = values.any(|value| value > T::zero());
                activity.is_open = Some(opens || activity.is_open == Some(true));
            }
        }
        Ok(activity)
    }
}
