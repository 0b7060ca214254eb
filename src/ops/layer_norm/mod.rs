//! Layer normalisation over the last dimension: `y = g * (x - mean) / sqrt(var + eps) + b`, with
//! the biased variance.

mod cpu;

use candle_core::Tensor;

use crate::backend::by_dtype;
use crate::error::Result;

/// The constant under the root in every CLIP (PyTorch's default).
pub const EPSILON: f64 = 1e-5;

/// A frozen layer normalisation: gain and bias `(width)`.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    /// `(width)`.
    pub gain: Tensor,
    /// `(width)`.
    pub bias: Tensor,
}

/// What the pullback needs.
#[derive(Debug, Clone)]
pub struct Saved {
    /// `(x - mean) / sqrt(var + eps)`, the shape of `x`.
    normalised: Tensor,
    /// `1 / sqrt(var + eps)`, one a row.
    inverse_deviation: Tensor,
}

impl LayerNorm {
    /// `(..., width)` to the same shape.
    pub fn forward(&self, x: &Tensor) -> Result<(Tensor, Saved)> {
        let x = x.contiguous()?;
        by_dtype!(x, T => cpu::forward::<T>(&x, &self.gain, &self.bias))
    }

    /// With `e = g * dy` and `z` the normalised input,
    /// `dx = (e - mean(e) - z * mean(e * z)) / sqrt(var + eps)`.
    pub fn pullback(&self, saved: &Saved, dy: &Tensor) -> Result<Tensor> {
        let dy = dy.contiguous()?;
        by_dtype!(dy, T => cpu::pullback::<T>(&dy, &self.gain, saved))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{assert_close, pullback_matches_differences, wave};
    use candle_nn::ops::layer_norm_slow;

    #[test]
    fn forward_matches_candle_and_pullback_matches_differences() {
        for width in [1, 7, 64] {
            let norm = LayerNorm {
                gain: wave(&[width], 0.5),
                bias: wave(&[width], 1.5),
            };
            let x = wave(&[2, 3, width], 0.9);
            let (ours, saved) = norm.forward(&x).unwrap();
            let theirs = layer_norm_slow(&x, &norm.gain, &norm.bias, EPSILON as f32).unwrap();
            let error = (ours - theirs).unwrap().abs().unwrap();
            assert_close(
                error.max_all().unwrap().to_scalar().unwrap(),
                0.0,
                1e-9,
                "error",
            );
            pullback_matches_differences(
                &x,
                |x| Ok(norm.forward(x)?.0),
                |dy| norm.pullback(&saved, dy),
            );
        }
    }
}
