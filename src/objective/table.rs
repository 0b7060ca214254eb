//! The terms that act at a tap, as a GPU has them: `kernels/reduce.cu` reads a table of numbers.

use super::Bound;
use super::on_canvas::OnCanvas;
use super::term::Place;
use crate::encoder::Encoder;
use crate::encoder::positions::Positions;
use crate::encoder::tap::TapId;
use crate::error::Result;
use crate::size::Size;

/// Which term of `kernels/reduce.cu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unit = 0,
    Direction = 1,
    DeepDream = 2,
    Text = 3,
}

/// What a term says of itself.
pub(super) struct Entry {
    pub kind: Kind,
    /// The channel, or the number of the vector.
    pub which: usize,
    pub power: u32,
}

impl Entry {
    /// Of a term that reads along a vector, which is appended to those of the table.
    pub fn along(kind: Kind, vector: &[f64], power: u32, vectors: &mut Vec<f32>) -> Self {
        let which = vectors.len() / vector.len();
        vectors.extend(vector.iter().map(|&x| x as f32));
        Self { kind, which, power }
    }
}

/// The terms of a batch that act at one tap.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Of each term its image, and its weight in that image's objective.
    pub owners: Vec<(usize, f64)>,
    /// The terms of image `i` are those from `starts[i]` to `starts[i + 1]`.
    pub starts: Vec<i32>,
    /// Of each term: kind, channel or vector, first row, rows, power.
    pub numbers: Vec<[i32; 5]>,
    /// One after the other, each of the tap's channels.
    pub vectors: Vec<f32>,
}

impl Table {
    /// The terms at a tap of each image's objective, for an encoder's input of this size.
    ///
    /// # Errors
    /// When a position lies outside the tap's grid.
    pub fn new(encoder: &Encoder, id: TapId, input: Size, objectives: &[&Bound]) -> Result<Self> {
        let tap = encoder.tap(id);
        let positions = Positions::on(tap, tap.grid(input));
        let mut table = Self {
            starts: vec![0],
            ..Self::default()
        };
        for (image, objective) in objectives.iter().enumerate() {
            for (weight, term) in objective.at(id) {
                let range = term.positions(positions, tap)?;
                let first = match range.is_empty() {
                    true => 0,
                    false => positions.row(range.start),
                };
                let entry = term.entry(&mut table.vectors);
                let numbers = [entry.which, first, range.len()].map(|n| n as i32);
                let [which, first, rows] = numbers;
                let kind = entry.kind as i32;
                table
                    .numbers
                    .push([kind, which, first, rows, entry.power as i32]);
                table.owners.push((image, weight));
            }
            table.starts.push(table.owners.len() as i32);
        }
        Ok(table)
    }
}

impl Bound {
    /// The weights of the terms on the canvas, in the order of [`OnCanvas::ALL`].
    pub fn canvas_weights(&self) -> [f64; 2] {
        OnCanvas::ALL.map(|wanted| {
            let own = self.terms.iter().filter_map(|(weight, place)| match place {
                Place::OnCanvas(own) if *own == wanted => Some(weight),
                Place::OnCanvas(_)
                | Place::AtTap(..)
                | Place::AcrossGroup(_)
                | Place::OnTheWay(..) => None,
            });
            own.fold(0.0, |sum, weight| sum + weight)
        })
    }

    /// The largest weight of a term that acts at a tap, without its sign.
    pub fn largest_weight(&self) -> f64 {
        let weights = self.terms.iter().filter_map(|(weight, place)| match place {
            Place::AtTap(..) => Some(weight.abs()),
            Place::OnCanvas(_) | Place::AcrossGroup(_) | Place::OnTheWay(..) => None,
        });
        weights.fold(0.0, f64::max)
    }
}
