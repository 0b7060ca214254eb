//! DeepDream: the mean square of a tap's activations (lucid's `objectives.deepdream`).

use std::fmt;

use candle_core::WithDType;

#[cfg(feature = "cuda")]
use super::table::{Entry, Kind};
use crate::backend::cpu::Real;
use crate::encoder::tap::canonical;
use crate::error::{Result, bail};

/// How it is spelled.
pub(super) const USAGE: &str = "write deepdream(TAP), such as deepdream(layer3)";

/// The mean square as it is spelled: `deepdream(TAP)`.
#[derive(Debug, Clone, PartialEq)]
pub struct DeepDream {
    /// The tap's canonical name.
    pub tap: String,
}

impl DeepDream {
    /// Reads what stands in the parentheses.
    pub(super) fn parse(arguments: &str) -> Result<Self> {
        if arguments.trim().is_empty() {
            bail!(Request, "deepdream() names no tap; {USAGE}");
        }
        Ok(Self {
            tap: canonical(arguments),
        })
    }
}

/// The mean square of the channels `a` at one position; adds `weight` times its gradient to the cotangent, unless that
/// is empty.
pub(super) fn read<T: Real>(a: &[T], weight: f64, cotangent: &mut [f64]) -> f64 {
    let count = a.len() as f64;
    for (own, &a) in cotangent.iter_mut().zip(a) {
        *own += weight * 2.0 * WithDType::to_f64(a) / count;
    }
    let squares = a.iter().map(|&a| WithDType::to_f64(a).powi(2));
    squares.sum::<f64>() / count
}

#[cfg(feature = "cuda")]
pub(super) fn entry() -> Entry {
    Entry {
        kind: Kind::DeepDream,
        which: 0,
        power: 0,
    }
}

impl fmt::Display for DeepDream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deepdream({})", self.tap)
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn the_gradient_of_the_mean_square_matches_central_differences() {
        let a = [0.5, -1.0, 1.5, 0.0];
        let mut gradient = [0.0; 4];
        assert_eq!(read(&a, 3.0, &mut gradient), (0.25 + 1.0 + 2.25) / 4.0);
        for index in 0..a.len() {
            let at = |shift: f64| {
                let mut moved = a;
                moved[index] += shift;
                3.0 * read(&moved, 1.0, &mut [])
            };
            let difference = (at(1e-6) - at(-1e-6)) / 2e-6;
            assert!((gradient[index] - difference).abs() <= 1e-7);
        }
    }
}
