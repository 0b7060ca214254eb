//! One quantity bound to an encoder: found, checked, and read off an activation.

use std::ops::Range;

use super::direction::direction;
use super::{Position, Quantity};
use crate::encoder::Encoder;
use crate::encoder::positions::Positions;
use crate::encoder::tap::{Layout, Tap, TapId};
use crate::error::{Result, bail};

/// A quantity whose tap is found.
pub enum Term {
    Unit {
        tap: TapId,
        unit: usize,
        position: Position,
    },
    Direction {
        tap: TapId,
        vector: Vec<f64>,
        power: u32,
    },
    L2,
    Tv,
}

impl Term {
    /// Finds a quantity's tap in an encoder, checks its unit, loads its vector.
    ///
    /// # Errors
    /// When one of them does not exist or fit.
    pub fn bind(quantity: &Quantity, encoder: &Encoder) -> Result<Self> {
        Ok(match quantity {
            Quantity::Unit {
                tap,
                unit,
                position,
            } => {
                let id = match tap {
                    Some(name) => encoder.tap_named(name)?,
                    None => encoder.default_tap(),
                };
                let tap = encoder.tap(id);
                encoder.check_unit(id, *unit)?;
                if *position != Position::Mean && tap.layout == Layout::Vector {
                    bail!(Request, "{tap} has no positions; leave out the @");
                }
                Self::Unit {
                    tap: id,
                    unit: *unit,
                    position: *position,
                }
            }
            Quantity::Direction { tap, file, power } => {
                let id = encoder.tap_named(tap)?;
                let vector = crate::input::vector(file)?;
                let channels = encoder.tap(id).channels;
                if vector.len() != channels {
                    bail!(
                        Input,
                        "{} holds {} numbers, but {tap} has {channels} units",
                        file.display(),
                        vector.len()
                    );
                }
                Self::Direction {
                    tap: id,
                    vector,
                    power: *power,
                }
            }
            Quantity::L2 => Self::L2,
            Quantity::Tv => Self::Tv,
        })
    }

    /// The tap that it reads; penalties on the image read none.
    pub fn tap(&self) -> Option<TapId> {
        match self {
            Self::Unit { tap, .. } | Self::Direction { tap, .. } => Some(*tap),
            Self::L2 | Self::Tv => None,
        }
    }

    /// The value on one image's activation `a`; adds `weight` times the gradient to `cotangent`.
    pub fn read(
        &self,
        tap: &Tap,
        positions: Positions,
        a: &[f64],
        weight: f64,
        cotangent: &mut [f64],
    ) -> Result<f64> {
        match self {
            Self::Unit { unit, position, .. } => {
                let selected = select(*position, positions, tap)?;
                let share = 1.0 / selected.len() as f64;
                let mut sum = 0.0;
                for position in selected {
                    let index = positions.index(position, *unit);
                    sum += a[index];
                    cotangent[index] += weight * share;
                }
                Ok(sum * share)
            }
            Self::Direction { vector, power, .. } => {
                let share = 1.0 / positions.count() as f64;
                let mut sum = 0.0;
                for position in 0..positions.count() {
                    let index = |channel| positions.index(position, channel);
                    let at: Vec<f64> = (0..vector.len()).map(|channel| a[index(channel)]).collect();
                    let (value, gradient) = direction(&at, vector, *power);
                    sum += value;
                    for (channel, slope) in gradient.into_iter().enumerate() {
                        cotangent[index(channel)] += weight * share * slope;
                    }
                }
                Ok(sum * share)
            }
            Self::L2 | Self::Tv => Ok(0.0),
        }
    }
}

/// # Errors
/// When a position lies outside its tap's grid.
pub fn check_cell(
    tap: &Tap,
    (row, column): (usize, usize),
    (rows, columns): (usize, usize),
) -> Result<()> {
    if row >= rows || column >= columns {
        bail!(
            Request,
            "{tap} has a grid of {rows}x{columns} at this size, there is no position @{row},{column}; \
             rows and columns count from 0"
        );
    }
    Ok(())
}

/// The positions that a unit is read at.
///
/// # Errors
/// When the cell lies outside the grid.
pub fn select(position: Position, positions: Positions, tap: &Tap) -> Result<Range<usize>> {
    let Positions { rows, columns, .. } = positions;
    let one = |row: usize, column: usize| {
        let place = row * columns + column;
        place..place + 1
    };
    match position {
        Position::Mean => Ok(0..positions.count()),
        Position::Centre => Ok(one(rows / 2, columns / 2)),
        Position::Cell { row, column } => {
            check_cell(tap, (row, column), (rows, columns))?;
            Ok(one(row, column))
        }
    }
}
