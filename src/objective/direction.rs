//! Lucid's `direction`: how far an activation points along a vector, as the mean over positions of
//! `dot(a, v) * max(0.1, cos(a, v))^power`.

use std::fmt;
use std::path::PathBuf;

use candle_core::WithDType;

#[cfg(feature = "cuda")]
use super::table::{Entry, Kind};
use crate::backend::cpu::Real;
use crate::encoder::Encoder;
use crate::encoder::tap::{TapId, canonical};
use crate::error::{Result, bail, shorten};

/// The highest power of a cosine: with lucid's floor of 0.1 the next ones vanish in `f32`.
const MOST_POWER: u32 = 16;

/// How it is spelled.
pub(super) const USAGE: &str = "write direction(TAP, FILE) or direction(TAP, FILE, POWER)";

/// Lucid's guards in `_dot_cossim`: the floor of the cosine, and the constant beside the norms.
const COSINE_FLOOR: f64 = 0.1;
const NORM_EPSILON: f64 = 1e-4;

/// A direction as it is spelled: `direction(TAP, FILE[, POWER])`.
#[derive(Debug, Clone, PartialEq)]
pub struct Direction {
    /// The tap's canonical name.
    pub tap: String,
    /// An `.npy` or `.safetensors` file with one vector.
    pub file: PathBuf,
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
        let Some((tap, file)) = arguments.split_once(',') else {
            bail!(
                Request,
                "\"direction({})\" names no file; {USAGE}",
                shorten(arguments)
            );
        };
        let (file, power) = match file.rsplit_once(',') {
            None => (file, 0),
            Some((file, power)) => match power.trim().parse() {
                Ok(power) if power <= MOST_POWER => (file, power),
                _ => bail!(
                    Request,
                    "the power \"{}\" is not a whole number from 0 to {MOST_POWER}; {USAGE}",
                    shorten(power.trim())
                ),
            },
        };
        if file.trim().is_empty() || tap.trim().is_empty() {
            bail!(
                Request,
                "\"direction({})\" is incomplete; {USAGE}",
                shorten(arguments)
            );
        }
        Ok(Self {
            tap: canonical(tap),
            file: file.trim().into(),
            power,
        })
    }

    pub(super) fn bind(&self, encoder: &Encoder) -> Result<(TapId, BoundDirection)> {
        let Self { tap, file, power } = self;
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
        let power = *power;
        Ok((id, BoundDirection { vector, power }))
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
        let Self { tap, file, power } = self;
        write!(f, "direction({tap}, {}", file.display())?;
        if *power > 0 {
            write!(f, ", {power}")?;
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
