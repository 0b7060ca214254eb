//! Decorrelated colours to RGB: `y = sigmoid(C . t)` at every pixel.
//!
//! `C` is lucid's square root of the colour covariance of ImageNet's pixels
//! (`color_correlation_svd_sqrt`, rows r, g, b), divided by its largest column norm.

mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;

use candle_core::Tensor;

use crate::backend::by_dtype;
use crate::error::Result;

const CORRELATION: [[f64; 3]; 3] = [[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]];

/// The colour matrix, divided by its largest column norm.
pub fn matrix() -> [[f64; 3]; 3] {
    let norm = |column: usize| {
        CORRELATION
            .iter()
            .map(|row| row[column] * row[column])
            .sum::<f64>()
            .sqrt()
    };
    let largest = (0..3).map(norm).fold(0.0, f64::max);
    CORRELATION.map(|row| row.map(|value| value / largest))
}

/// `(n, 3, h, w)` to RGB in (0, 1) of the same shape.
pub fn forward(t: &Tensor) -> Result<Tensor> {
    let t = t.contiguous()?;
    by_dtype!(t, T => cpu::forward::<T>(&t))
}

/// The cotangent of `t` from the RGB image `y` and its cotangent: `C^T . (dy * y * (1 - y))`.
pub fn pullback(y: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let dy = dy.contiguous()?;
    by_dtype!(dy, T => cpu::pullback::<T>(y, &dy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{pullback_matches_differences, wave};

    #[test]
    fn the_matrix_is_lucids() {
        let largest = (0.26f64.powi(2) + 2.0 * 0.27f64.powi(2)).sqrt();
        assert_eq!(matrix()[1][2], -0.05 / largest);
        assert_eq!(matrix()[2][0], 0.27 / largest);
    }

    #[test]
    fn pullback_matches_central_differences() {
        let t = wave(&[2, 3, 5, 7], 0.3);
        let y = forward(&t).unwrap();
        pullback_matches_differences(&t, forward, |dy| pullback(&y, dy));
    }
}
