//! An objective as a device reads it: rows of a field, weights, vectors.

use super::Bound;
use super::term::{Term, select};
use crate::encoder::Encoder;
use crate::encoder::positions::Positions;
use crate::encoder::tap::{Layout, TapId};
use crate::error::Result;

/// A term that reads a tap: the mean over `rows` rows of its field, from row `first` of each image.
pub struct Reading<'a> {
    /// The tap.
    pub tap: TapId,
    /// Of the term's value in the objective's.
    pub weight: f64,
    /// The first row.
    pub first: usize,
    /// How many rows.
    pub rows: usize,
    /// What is read from each.
    pub what: What<'a>,
}

/// What a term reads from a row.
pub enum What<'a> {
    /// A channel.
    Unit(usize),
    /// Along a vector, with a power of the cosine.
    Direction(&'a [f64], u32),
}

impl Bound {
    /// The terms that read taps, for an encoder's input of `side` pixels.
    ///
    /// # Errors
    /// When a position lies outside its tap's grid.
    pub fn readings(&self, encoder: &Encoder, side: usize) -> Result<Vec<Reading<'_>>> {
        let mut readings = Vec::new();
        for (weight, term) in &self.terms {
            let Some(id) = term.tap() else { continue };
            let tap = encoder.tap(id);
            let positions = Positions::on(tap, tap.grid(side));
            let (range, what) = match term {
                Term::Unit { unit, position, .. } => {
                    (select(*position, positions, tap)?, What::Unit(*unit))
                }
                Term::Direction { vector, power, .. } => {
                    (0..positions.count(), What::Direction(vector, *power))
                }
                Term::L2 | Term::Tv => continue,
            };
            // The class token comes first and is no position.
            let before = usize::from(matches!(tap.layout, Layout::Tokens { .. }));
            readings.push(Reading {
                tap: id,
                weight: *weight,
                first: before + range.start,
                rows: range.len(),
                what,
            });
        }
        Ok(readings)
    }

    /// The weights of the penalties, L2's and total variation's.
    pub fn penalty_weights(&self) -> [f64; 2] {
        let sum = |is: fn(&Term) -> bool| -> f64 {
            let terms = self.terms.iter().filter(|(_, term)| is(term));
            terms.map(|(weight, _)| weight).sum()
        };
        [
            sum(|term| matches!(term, Term::L2)),
            sum(|term| matches!(term, Term::Tv)),
        ]
    }
}
