//! An objective bound to an encoder: taps found, units checked, vectors loaded.

use std::ops::Range;

use candle_core::{DType, Device, Tensor};

use super::direction::direction;
use super::{Objective, Position, Quantity, penalty};
use crate::encoder::positions::Positions;
use crate::encoder::tap::{Layout, Tap, TapId};
use crate::encoder::{Encoder, Pass};
use crate::error::{Result, bail, shorten};

enum Term {
    Unit {
        tap: TapId,
        unit: usize,
        position: Position,
    },
    Direction {
        tap: TapId,
        vector: Vec<f64>,
        power: i32,
    },
    L2,
    Tv,
}

/// An objective that can be evaluated.
pub struct Bound {
    terms: Vec<(f64, Term)>,
    taps: Vec<TapId>,
}

/// An objective's value for one image, and the cotangents that its gradient starts from.
pub struct Evaluation {
    /// The weighted sum.
    pub value: f64,
    /// One for each tap that the objective reads.
    pub at_taps: Vec<(TapId, Tensor)>,
    /// Of the RGB image itself, `(1, 3, h, w)`; `None` where no penalty reads it.
    pub at_image: Option<Tensor>,
}

impl Bound {
    /// Finds the objective's taps and units in an encoder and loads its vectors.
    ///
    /// # Errors
    /// When a tap or unit does not exist, or a vector does not fit its tap.
    pub fn new(objective: &Objective, encoder: &Encoder) -> Result<Self> {
        let mut terms = Vec::new();
        for (weight, quantity) in objective.terms() {
            terms.push((f64::from(*weight), bind(quantity, encoder)?));
        }
        let mut taps: Vec<TapId> = terms.iter().filter_map(|(_, term)| term.tap()).collect();
        taps.sort_unstable();
        taps.dedup();
        Ok(Self { terms, taps })
    }

    /// Checks that every position lies within its tap's grid when the canvas has `size` pixels.
    ///
    /// # Errors
    /// When one does not.
    pub fn check_positions(&self, encoder: &Encoder, size: usize) -> Result<()> {
        let view = encoder.view(size, &self.taps);
        for (_, term) in &self.terms {
            if let Term::Unit {
                tap,
                position: Position::Cell { row, column },
                ..
            } = term
            {
                let tap = encoder.tap(*tap);
                let (rows, columns) = tap.grid(view);
                check_cell(tap, (*row, *column), (rows, columns))?;
            }
        }
        Ok(())
    }

    /// The taps that the objective reads.
    pub fn taps(&self) -> &[TapId] {
        &self.taps
    }

    /// Whether the objective reads a unit after a ReLU, whose gradient can vanish.
    pub fn reads_after_relu(&self, encoder: &Encoder) -> bool {
        self.taps.iter().any(|&tap| {
            let tap = encoder.tap(tap);
            matches!(tap.layout, Layout::Map { .. }) && !tap.name.ends_with(".sum")
        })
    }

    /// Evaluates on one image: a pass over a batch of one that was asked for [`Bound::taps`], and
    /// the RGB image `(1, 3, h, w)` for penalties.
    pub fn evaluate(
        &self,
        encoder: &Encoder,
        pass: &Pass,
        image: Option<&Tensor>,
    ) -> Result<Evaluation> {
        let mut value = 0.0;
        let mut at_taps = Vec::with_capacity(self.taps.len());
        for &id in &self.taps {
            let tap = encoder.tap(id);
            let activation = pass.activation(id)?;
            let positions = Positions::of(tap, activation)?;
            let a: Vec<f64> = activation.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?;
            let mut cotangent = vec![0.0; a.len()];
            for (weight, term) in self.terms.iter().filter(|(_, term)| term.tap() == Some(id)) {
                value += weight * term.read(tap, positions, &a, *weight, &mut cotangent)?;
            }
            let cotangent = Tensor::from_vec(cotangent, activation.shape(), &Device::Cpu)?;
            at_taps.push((id, cotangent.to_dtype(activation.dtype())?));
        }
        let (of_image, at_image) = self.penalties(image)?;
        Ok(Evaluation {
            value: value + of_image,
            at_taps,
            at_image,
        })
    }

    fn penalties(&self, image: Option<&Tensor>) -> Result<(f64, Option<Tensor>)> {
        let penalties = || self.terms.iter().filter(|(_, term)| term.tap().is_none());
        let (Some(image), true) = (image, penalties().next().is_some()) else {
            return Ok((0.0, None));
        };
        let (_, _, height, width) = image.dims4()?;
        let pixels: Vec<f64> = image.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?;
        let mut gradient = vec![0.0; pixels.len()];
        let mut value = 0.0;
        for (weight, term) in penalties() {
            value += weight
                * match term {
                    Term::Tv => {
                        penalty::total_variation(&pixels, (height, width), *weight, &mut gradient)
                    }
                    _ => penalty::l2(&pixels, *weight, &mut gradient),
                };
        }
        let gradient = Tensor::from_vec(gradient, image.shape(), &Device::Cpu)?;
        Ok((value, Some(gradient.to_dtype(image.dtype())?)))
    }
}

fn bind(quantity: &Quantity, encoder: &Encoder) -> Result<Term> {
    Ok(match quantity {
        Quantity::Unit {
            tap,
            unit,
            position,
        } => {
            let id = match tap {
                Some(name) => find(name, encoder)?,
                None => encoder.default_tap(),
            };
            let tap = encoder.tap(id);
            if *unit >= tap.channels {
                bail!(
                    Request,
                    "{tap} has {} units, 0 to {}; there is no unit {unit} (`percept layers` lists the taps)",
                    tap.channels,
                    tap.channels - 1
                );
            }
            if *position != Position::Mean && tap.layout == Layout::Vector {
                bail!(Request, "{tap} has no positions; leave out the @");
            }
            Term::Unit {
                tap: id,
                unit: *unit,
                position: *position,
            }
        }
        Quantity::Direction { tap, file, power } => {
            let id = find(tap, encoder)?;
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
            Term::Direction {
                tap: id,
                vector,
                power: (*power).min(64) as i32,
            }
        }
        Quantity::L2 => Term::L2,
        Quantity::Tv => Term::Tv,
    })
}

/// A tap by name.
///
/// # Errors
/// When the encoder has none of that name.
fn find(name: &str, encoder: &Encoder) -> Result<TapId> {
    if let Some(id) = encoder.find(name) {
        return Ok(id);
    }
    bail!(
        Request,
        "this model has no tap {}; its default is {}, and `percept layers` lists all {}",
        shorten(name),
        encoder.tap(encoder.default_tap()),
        encoder.taps().len()
    )
}

impl Term {
    fn tap(&self) -> Option<TapId> {
        match self {
            Self::Unit { tap, .. } | Self::Direction { tap, .. } => Some(*tap),
            Self::L2 | Self::Tv => None,
        }
    }

    /// The value on one image's activation `a`; adds `weight` times the gradient to `cotangent`.
    fn read(
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

fn check_cell(
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
fn select(position: Position, positions: Positions, tap: &Tap) -> Result<Range<usize>> {
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
