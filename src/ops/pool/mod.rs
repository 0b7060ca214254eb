//! Average pooling over `k x k` windows that do not overlap, NCHW; a remainder at the right and
//! bottom edge is left out, as in PyTorch's `AvgPool2d(k)`.

mod cpu;

use candle_core::Tensor;

use crate::backend::by_dtype;
use crate::error::Result;

/// `(n, c, h, w)` to `(n, c, h / k, w / k)`.
pub fn forward(x: &Tensor, window: usize) -> Result<Tensor> {
    let x = x.contiguous()?;
    by_dtype!(x, T => cpu::forward::<T>(&x, window))
}

/// The cotangent of an input of size `(height, width)`: each window's share of `dy / k^2`.
pub fn pullback(dy: &Tensor, window: usize, height: usize, width: usize) -> Result<Tensor> {
    let dy = dy.contiguous()?;
    by_dtype!(dy, T => cpu::pullback::<T>(&dy, window, height, width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{pullback_matches_differences, wave};

    #[test]
    fn forward_matches_candle_and_pullback_matches_differences() {
        for (height, width) in [(4, 6), (5, 7), (2, 3)] {
            let x = wave(&[2, 3, height, width], 0.8);
            let ours = forward(&x, 2).unwrap();
            let theirs = x.avg_pool2d(2).unwrap();
            assert_eq!(ours.dims(), theirs.dims());
            let error = (ours - theirs).unwrap().abs().unwrap().max_all().unwrap();
            assert!(error.to_scalar::<f64>().unwrap() <= 1e-14);
            pullback_matches_differences(
                &x,
                |x| forward(x, 2),
                |dy| pullback(dy, 2, height, width),
            );
        }
    }
}
