//! Lucid's `direction`: how far an activation points along a vector, as the mean over positions of
//! `dot(a, v) * max(0.1, cos(a, v))^power`.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use candle_core::WithDType;

use super::list::parse_range;
use super::sources::Sources;
#[cfg(feature = "cuda")]
use super::table::{Entry, Kind};
use crate::backend::cpu::Real;
use crate::encoder::tap::{TapId, canonical};
use crate::error::{Context, Result, bail, shorten};
use crate::input::arrays::split_name;
use crate::input::vectors::Vectors;

/// The highest power of a cosine: with lucid's floor of 0.1 the next ones vanish in `f32`.
const MOST_POWER: u32 = 16;

/// How it is spelled.
pub(super) const USAGE: &str =
    "write direction(TAP, FILE), direction(TAP, FILE, ROW) or direction(TAP, FILE, ROW, power=2)";

/// Lucid's guards in `_dot_cossim`: the floor of the cosine, and the constant beside the norms.
const COSINE_FLOOR: f64 = 0.1;
const NORM_EPSILON: f64 = 1e-4;

/// A direction as it is spelled: `direction(TAP, FILE[#ARRAY][, ROW][, power=POWER])`.
#[derive(Debug, Clone, PartialEq)]
pub struct Direction {
    /// The tap's canonical name.
    pub tap: String,
    /// An `.npy`, `.npz` or `.safetensors` file of one vector, or of a dictionary of them.
    pub file: PathBuf,
    /// Which array of the file, if it has several.
    pub array: Option<String>,
    /// Which vector of the dictionary.
    pub row: Option<usize>,
    /// 0 for the plain dot product.
    pub power: u32,
}

/// A direction whose vector is loaded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BoundDirection {
    vector: Vec<f64>,
    power: u32,
}

impl Direction {
    /// Reads what stands in the parentheses.
    pub(super) fn parse(arguments: &str) -> Result<Self> {
        let (direction, rows) = Self::parse_rows(arguments)?;
        let row = match rows.as_slice() {
            [] => None,
            [row] if row.len() == 1 => Some(row.start),
            _ => bail!(
                Request,
                "\"direction({})\" names several rows, which make a picture each: ask for them alone, without a weight or \
                 other terms, or name one row",
                shorten(arguments)
            ),
        };
        Ok(Self { row, ..direction })
    }

    /// Reads what stands in the parentheses, where the row may be a list of rows and ranges.
    pub(super) fn parse_rows(arguments: &str) -> Result<(Self, Vec<Range<usize>>)> {
        let mut parts: Vec<&str> = arguments.split(',').map(str::trim).collect();
        let power = parts.iter().skip(2).next_back().and_then(|part| {
            let (name, power) = part.split_once('=')?;
            (name.trim() == "power").then_some(power.trim())
        });
        if power.is_some() {
            parts.pop();
        }
        let (tap, file, rows) = match parts.as_slice() {
            [_] | [] => bail!(
                Request,
                "\"direction({})\" names no file; {USAGE}",
                shorten(arguments)
            ),
            ["", ..] | [_, "", ..] => bail!(
                Request,
                "\"direction({})\" is incomplete; {USAGE}",
                shorten(arguments)
            ),
            [tap, file, rows @ ..] => (tap, file, rows),
        };
        let rows = rows.iter().map(|row| match parse_range(row) {
            Some(rows) => Ok(rows),
            None => bail!(
                Request,
                "\"{}\" is neither a row nor a range of rows; {USAGE}",
                shorten(row)
            ),
        });
        let (file, array) = split_name(file);
        let direction = Self {
            tap: canonical(tap),
            file: file.into(),
            array: array.map(str::to_owned),
            row: None,
            power: power.map_or(Ok(0), parse_power)?,
        };
        Ok((direction, rows.collect::<Result<_>>()?))
    }

    pub(super) fn bind(&self, sources: &Sources) -> Result<(TapId, BoundDirection)> {
        let encoder = &sources.model().encoder;
        let id = encoder.tap_named(&self.tap)?;
        let channels = encoder.tap(id).channels;
        let vectors = sources.vectors(&self.file, self.array.as_deref(), channels);
        let vectors =
            vectors.context(|| format!("no vector for the {channels} units of {}", self.tap))?;
        let vector = vectors.get(self.row_in(&vectors)?)?;
        let power = self.power;
        Ok((id, BoundDirection { vector, power }))
    }

    fn row_in(&self, vectors: &Vectors) -> Result<usize> {
        let (label, count) = (vectors.label(), vectors.count());
        match self.row {
            None if count == 1 => Ok(0),
            None => bail!(
                Request,
                "{label} holds {count} vectors: say which, as in direction({}, {label}, 0); 0..{count} makes a picture of each",
                self.tap
            ),
            Some(row) if count == 1 && row > 0 => bail!(
                Request,
                "{label} holds one vector, there is no row {row}; if that was to be the power, write direction({}, {label}, power={row})",
                self.tap
            ),
            Some(row) => Ok(row),
        }
    }
}

fn parse_power(text: &str) -> Result<u32> {
    match text.parse() {
        Ok(power) if power <= MOST_POWER => Ok(power),
        _ => bail!(
            Request,
            "the power \"{}\" is not a whole number from 0 to {MOST_POWER}; {USAGE}",
            shorten(text)
        ),
    }
}

impl BoundDirection {
    /// The value at one position, whose channels are `a`; adds `weight` times the gradient to the cotangent,
    /// unless that is empty.
    pub fn read<T: Real>(&self, a: &[T], weight: f64, cotangent: &mut [f64]) -> f64 {
        let a: Vec<f64> = a.iter().map(|&a| WithDType::to_f64(a)).collect();
        let (value, gradient) = direction(&a, &self.vector, self.power);
        for (own, slope) in cotangent.iter_mut().zip(gradient) {
            *own += weight * slope;
        }
        value
    }

    #[cfg(feature = "cuda")]
    pub fn entry(&self, vectors: &mut Vec<f32>) -> Entry {
        Entry::along(Kind::Direction, &self.vector, self.power, vectors)
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tap,
            file,
            array,
            row,
            power,
        } = self;
        write!(f, "direction({tap}, {}", file.display())?;
        if let Some(array) = array {
            write!(f, "#{array}")?;
        }
        if let Some(row) = row {
            write!(f, ", {row}")?;
        }
        if *power > 0 {
            write!(f, ", power={power}")?;
        }
        f.write_str(")")
    }
}

/// The Euclidean norm.
pub(super) fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// `dot(a, v) * max(0.1, cos(a, v))^power` and its gradient in `a`, with the cosine
/// `dot / ((|a| + eps)(|v| + eps))`.
fn direction(a: &[f64], v: &[f64], power: u32) -> (f64, Vec<f64>) {
    let dot: f64 = a.iter().zip(v).map(|(a, v)| a * v).sum();
    let (length, target) = (norm(a), norm(v) + NORM_EPSILON);
    let cosine = dot / ((length + NORM_EPSILON) * target);
    let floored = cosine.max(COSINE_FLOOR);
    let factor = floored.powi(power as i32);
    let of_factor = if power > 0 && cosine > COSINE_FLOOR {
        dot * f64::from(power) * floored.powi(power as i32 - 1)
    } else {
        0.0
    };
    let along = if length > 0.0 {
        cosine / ((length + NORM_EPSILON) * length)
    } else {
        0.0
    };
    let gradient = a
        .iter()
        .zip(v)
        .map(|(a, v)| v * factor + of_factor * (v / ((length + NORM_EPSILON) * target) - along * a))
        .collect();
    (dot * factor, gradient)
}

#[cfg(test)]
mod tests {
    use super::direction;

    #[test]
    fn the_gradient_of_a_direction_matches_central_differences() {
        let v = [0.3, -1.2, 0.7, 0.1];
        for power in 0..4 {
            for a in [
                [0.5, -0.9, 1.1, 0.2],
                [1.0, 0.2, -0.3, 0.4],
                [0.5, -0.2, 0.0, 3.0],
            ] {
                let (_, gradient) = direction(&a, &v, power);
                for index in 0..a.len() {
                    let at = |shift: f64| {
                        let mut moved = a;
                        moved[index] += shift;
                        direction(&moved, &v, power).0
                    };
                    let difference = (at(1e-6) - at(-1e-6)) / 2e-6;
                    let fits = (gradient[index] - difference).abs() <= 1e-7;
                    assert!(fits, "power {power}: {} and {difference}", gradient[index]);
                }
            }
        }
    }

    #[test]
    fn power_zero_is_the_dot_product() {
        assert_eq!(
            direction(&[1.0, 2.0], &[3.0, -1.0], 0),
            (1.0, vec![3.0, -1.0])
        );
    }
}
