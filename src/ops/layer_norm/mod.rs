//! Layer normalisation over the channels: `y = g * (x - mean) / sqrt(var + eps) + b`, with the
//! biased variance. One pass over a row each way.

#[cfg(feature = "cuda")]
pub mod cuda;

use candle_core::Tensor;

use super::linear::elements;
use crate::backend::buffer::Buffer;
use crate::backend::cpu::Real;
use crate::backend::field::Field;
use crate::backend::threads::{each_row, each_two_rows};
use crate::error::Result;

/// The constant under the root in nearly every CLIP (PyTorch's default).
pub const EPSILON: f64 = 1e-5;

/// A frozen layer normalisation.
#[derive(Debug)]
pub struct LayerNorm<T: Real> {
    gain: Vec<T>,
    bias: Vec<T>,
    epsilon: T,
}

/// What the pullback needs.
#[derive(Debug)]
pub struct Saved<T: Real> {
    /// `(x - mean) / sqrt(var + eps)`.
    normalised: Field<T>,
    /// `1 / sqrt(var + eps)` of each row.
    inverse_deviation: Buffer<T>,
}

fn mean<T: Real>(values: impl Iterator<Item = T>, count: usize) -> T {
    values.fold(T::zero(), |sum, value| sum + value) / T::of(count as f64)
}

impl<T: Real> LayerNorm<T> {
    /// From gain and bias `(width)`, of any type, and the constant under the root.
    pub fn new(gain: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Self> {
        Ok(Self {
            gain: elements(gain)?,
            bias: elements(bias)?,
            epsilon: T::of(epsilon),
        })
    }

    /// The normalised rows, and what the pullback needs.
    pub fn forward(&self, x: &Field<T>) -> (Field<T>, Saved<T>) {
        let width = self.gain.len();
        let mut normalised = Field::any(x.extent);
        let mut inverse_deviation = Buffer::any(x.extent.rows());
        each_two_rows(
            (&mut normalised.elements, width),
            (&mut inverse_deviation, 1),
            |row, z, inverse| {
                let x = &x.elements[row * width..][..width];
                let centre = mean(x.iter().copied(), width);
                let variance = mean(x.iter().map(|&x| (x - centre) * (x - centre)), width);
                inverse[0] = T::one() / (variance + self.epsilon).sqrt();
                for (z, &x) in z.iter_mut().zip(x) {
                    *z = (x - centre) * inverse[0];
                }
            },
        );
        let mut y = Field::any(x.extent);
        each_row(&mut y.elements, width, |row, y| {
            let z = &normalised.elements[row * width..][..width];
            for (((y, &z), &gain), &bias) in y.iter_mut().zip(z).zip(&self.gain).zip(&self.bias) {
                *y = z * gain + bias;
            }
        });
        let saved = Saved {
            normalised,
            inverse_deviation,
        };
        (y, saved)
    }

    /// The cotangent of the rows, of their extent: with `e = g * dy` and `z` the normalised input,
    /// `dx = (e - mean(e) - z * mean(e * z)) / sqrt(var + eps)`.
    pub fn pullback(&self, saved: &Saved<T>, dy: &Field<T>) -> Field<T> {
        let width = self.gain.len();
        let mut dx = Field::any(dy.extent);
        each_row(&mut dx.elements, width, |row, dx| {
            let dy = &dy.elements[row * width..][..width];
            let z = &saved.normalised.elements[row * width..][..width];
            let scaled = || dy.iter().zip(&self.gain).map(|(&dy, &gain)| dy * gain);
            let centre = mean(scaled(), width);
            let along = mean(scaled().zip(z).map(|(e, &z)| e * z), width);
            let inverse = saved.inverse_deviation[row];
            for ((dx, e), &z) in dx.iter_mut().zip(scaled()).zip(z) {
                *dx = (e - centre - z * along) * inverse;
            }
        });
        dx
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{assert_close, pullback_matches_differences, wave};
    use candle_nn::ops::layer_norm_slow;

    #[test]
    fn forward_matches_candle_and_pullback_matches_differences() {
        for (width, epsilon) in [
            (1, EPSILON),
            (7, EPSILON),
            (64, EPSILON),
            (7, 1e-6),
            (7, 0.5),
        ] {
            let (gain, bias) = (wave(&[width], 0.5), wave(&[width], 1.5));
            let norm = LayerNorm::<f64>::new(&gain, &bias, epsilon).unwrap();
            let x = wave(&[2, 3, width], 0.9);
            let forward = |x: &Tensor| -> Result<_> { Ok(norm.forward(&Field::from_tokens(x)?)) };
            let (ours, saved) = forward(&x).unwrap();
            let theirs = layer_norm_slow(&x, &gain, &bias, epsilon as f32).unwrap();
            let error = (ours.to_tokens().unwrap() - theirs).unwrap().abs().unwrap();
            assert_close(
                error.max_all().unwrap().to_scalar().unwrap(),
                0.0,
                1e-9,
                "error",
            );
            pullback_matches_differences(
                &x,
                |x| forward(x)?.0.to_tokens(),
                |dy| norm.pullback(&saved, &Field::from_tokens(dy)?).to_tokens(),
            );
        }
    }
}
