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

/// How near [`inverse`] comes to 0 and 1: nearer to 1, a sigmoid in `f32` has no slope.
const NEAREST: f64 = f32::EPSILON as f64;

/// `(n, 3, h, w)` of RGB to what [`forward`] makes it of: `C^-1 . log(y / (1 - y))`, with `y` kept 1.2e-7 away from 0
/// and 1, which no sigmoid reaches.
///
/// # Errors
/// When a value lies outside [0, 1].
pub fn inverse(y: &Tensor) -> Result<Tensor> {
    let y = y.contiguous()?;
    by_dtype!(y, T => cpu::inverse::<T>(&y))
}

/// The inverse of [`matrix`]: its columns are the cross products of the others' rows, divided by the determinant.
fn inverse_matrix() -> [[f64; 3]; 3] {
    let rows = matrix();
    let cross =
        |[a, b, c]: [f64; 3], [d, e, f]: [f64; 3]| [b * f - c * e, c * d - a * f, a * e - b * d];
    let columns = [0, 1, 2].map(|i| cross(rows[(i + 1) % 3], rows[(i + 2) % 3]));
    let determinant: f64 = rows[0].iter().zip(columns[0]).map(|(a, b)| a * b).sum();
    [0, 1, 2].map(|row| columns.map(|column| column[row] / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{assert_close, pullback_matches_differences, wave};
    use candle_core::Device;

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
    #[test]
    fn the_inverse_takes_colours_back() {
        let t = wave(&[2, 3, 5, 7], 0.3);
        let again = inverse(&forward(&t).unwrap()).unwrap();
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        for (a, b) in values(&t).into_iter().zip(values(&again)) {
            assert_close(a, b, 1e-11, "a decorrelated colour");
        }
    }

    #[test]
    fn black_and_white_are_kept_where_a_sigmoid_has_a_slope() {
        let ends = Tensor::new(&[0f32, 1.0], &Device::Cpu).unwrap();
        let ends = ends
            .reshape((1, 1, 1, 2))
            .unwrap()
            .expand((1, 3, 1, 2))
            .unwrap();
        let y = forward(&inverse(&ends).unwrap()).unwrap();
        for (y, end) in y
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
            .into_iter()
            .zip([0.0, 1.0].into_iter().cycle())
        {
            assert!(
                (y - end).abs() < 3e-7 && y * (1.0 - y) > 0.0,
                "{y} for {end}"
            );
        }
    }
}
