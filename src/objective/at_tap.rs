//! Terms that act on the activations at a tap, read in place: each takes some positions of the grid, and reads the
//! channels of each.

use std::ops::Range;

use candle_core::WithDType;

use super::deepdream;
use super::direction::BoundDirection;
#[cfg(feature = "cuda")]
use super::table::Entry;
use super::text::BoundText;
use super::unit::BoundUnit;
use crate::backend::cpu::Real;
use crate::backend::field::Field;
use crate::encoder::positions::Positions;
use crate::encoder::tap::Tap;
use crate::error::Result;

/// A term that acts on the activations at a tap, as the mean over its positions.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum AtTap {
    Unit(BoundUnit),
    Direction(BoundDirection),
    DeepDream,
    Text(BoundText),
}

impl AtTap {
    /// The positions that it reads.
    ///
    /// # Errors
    /// When they lie outside the tap's grid.
    pub fn positions(&self, positions: Positions, tap: &Tap) -> Result<Range<usize>> {
        match self {
            Self::Unit(unit) => unit.positions(positions, tap),
            Self::Direction(_) | Self::DeepDream | Self::Text(_) => Ok(0..positions.count()),
        }
    }

    /// The value at one position, whose channels are `a`; adds `weight` times the gradient to the cotangent, unless
    /// that is empty.
    fn read<T: Real>(&self, a: &[T], weight: f64, cotangent: &mut [f64]) -> f64 {
        match self {
            Self::Unit(unit) => unit.read(a, weight, cotangent),
            Self::Direction(direction) => direction.read(a, weight, cotangent),
            Self::DeepDream => deepdream::read(a, weight, cotangent),
            Self::Text(text) => text.read(a, weight, cotangent),
        }
    }

    /// What a GPU's table has of it; vectors are appended to `vectors`.
    #[cfg(feature = "cuda")]
    pub fn entry(&self, vectors: &mut Vec<f32>) -> Entry {
        match self {
            Self::Unit(unit) => unit.entry(),
            Self::Direction(direction) => direction.entry(vectors),
            Self::DeepDream => deepdream::entry(),
            Self::Text(text) => text.entry(vectors),
        }
    }
}

/// The activations of one image at a tap: its rows of a field.
pub(super) struct Rows<'a, T: Real> {
    tap: &'a Tap,
    pub positions: Positions,
    /// Row-major, channels last.
    elements: &'a [T],
}

/// Where all positions lie among the elements of an image.
fn span(positions: Positions, tap: &Tap) -> Range<usize> {
    positions.row(0) * tap.channels..positions.row(positions.count()) * tap.channels
}

impl<'a, T: Real> Rows<'a, T> {
    pub fn of(tap: &'a Tap, field: &'a Field<T>, image: usize) -> Self {
        let count = field.extent.positions() * field.extent.channels;
        Self {
            tap,
            positions: Positions::in_field(tap, field.extent),
            elements: &field.elements[image * count..(image + 1) * count],
        }
    }

    /// The channels at a position.
    pub fn at(&self, position: usize) -> &'a [T] {
        let channels = self.tap.channels;
        let start = self.positions.row(position) * channels;
        &self.elements[start..start + channels]
    }

    /// The channels at all positions, `(positions, channels)`.
    pub fn all(&self) -> &'a [T] {
        &self.elements[span(self.positions, self.tap)]
    }

    /// The same of several images of a field, one after the other, to be written to.
    pub fn all_of(tap: &Tap, field: &'a mut Field<T>, images: Range<usize>) -> Vec<&'a mut [T]> {
        let count = field.extent.positions() * field.extent.channels;
        let span = span(Positions::in_field(tap, field.extent), tap);
        let own = &mut field.elements[images.start * count..images.end * count];
        let rows = own.chunks_exact_mut(count);
        rows.map(|rows| &mut rows[span.clone()]).collect()
    }

    /// Each channel's mean over some positions.
    pub fn means(&self, positions: Range<usize>) -> Vec<f64> {
        let mut means = vec![0.0; self.tap.channels];
        for position in positions.clone() {
            for (sum, value) in means.iter_mut().zip(self.at(position)) {
                *sum += WithDType::to_f64(*value);
            }
        }
        let count = positions.len() as f64;
        means.iter_mut().for_each(|mean| *mean /= count);
        means
    }

    /// The weighted sum of the terms; `cotangent`, if it is not empty, is overwritten with that of the image's rows.
    ///
    /// # Errors
    /// When a term's position lies outside the grid.
    pub fn read(&self, terms: &[(f64, &AtTap)], cotangent: &mut [T]) -> Result<f64> {
        let channels = self.tap.channels;
        let mut read = Vec::with_capacity(terms.len());
        for &(weight, term) in terms {
            let range = term.positions(self.positions, self.tap)?;
            let share = 1.0 / range.len() as f64;
            read.push((term, range, weight, share));
        }
        let mut sums = vec![0.0; read.len()];
        cotangent.fill(T::zero());
        let mut slopes = match cotangent.is_empty() {
            true => Vec::new(),
            false => vec![0.0; channels],
        };
        for position in 0..self.positions.count() {
            let here = |range: &Range<usize>| range.contains(&position);
            if !read.iter().any(|(_, range, ..)| here(range)) {
                continue;
            }
            slopes.fill(0.0);
            let a = self.at(position);
            for ((term, range, weight, share), sum) in read.iter().zip(&mut sums) {
                if here(range) {
                    *sum += term.read(a, weight * share, &mut slopes);
                }
            }
            let start = self.positions.row(position) * channels;
            let own = cotangent.iter_mut().skip(start).take(channels);
            for (own, &slope) in own.zip(&slopes) {
                *own = T::of(slope);
            }
        }
        let values = read.iter().zip(sums);
        Ok(values.fold(0.0, |value, ((_, _, weight, share), sum)| {
            value + weight * (sum * share)
        }))
    }
}
