//! The affine map of the last dimension, `y = x . W^T + b`, with PyTorch's weight layout.

mod cpu;

use candle_core::Tensor;

use crate::backend::by_dtype;
use crate::error::Result;

/// A frozen affine map: weight `(out, in)`, bias `(out)` where there is one.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `(out, in)`.
    pub weight: Tensor,
    /// `(out)`.
    pub bias: Option<Tensor>,
}

impl Linear {
    /// `(..., in)` to `(..., out)`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.contiguous()?;
        by_dtype!(x, T => cpu::forward::<T>(&x, &self.weight, self.bias.as_ref()))
    }

    /// `dx = dy . W`.
    pub fn pullback(&self, dy: &Tensor) -> Result<Tensor> {
        let dy = dy.contiguous()?;
        by_dtype!(dy, T => cpu::pullback::<T>(&dy, &self.weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{assert_close, pullback_matches_differences, wave};

    #[test]
    fn forward_matches_candle_and_pullback_matches_differences() {
        let weight = wave(&[5, 7], 0.1);
        let bias = wave(&[5], 0.6);
        let x = wave(&[2, 3, 7], 1.2);
        let theirs = x.broadcast_matmul(&weight.t().unwrap()).unwrap();
        let theirs = theirs.broadcast_add(&bias).unwrap();
        let linear = Linear {
            weight,
            bias: Some(bias),
        };
        let error = (linear.forward(&x).unwrap() - theirs)
            .unwrap()
            .abs()
            .unwrap();
        assert_close(
            error.max_all().unwrap().to_scalar().unwrap(),
            0.0,
            1e-10,
            "error",
        );
        pullback_matches_differences(&x, |x| linear.forward(x), |dy| linear.pullback(dy));
    }
}
