//! The two activations of CLIP's transformers, and their pullbacks from the pre-activation.
//!
//! QuickGELU `x * sigmoid(1.702 x)` is what OpenAI trained with; GELU `x * Phi(x)` (exact, with
//! the error function) is PyTorch's default and what many later models use.

mod cpu;

use candle_core::Tensor;

use crate::backend::by_dtype;
use crate::error::Result;

/// Which activation a transformer's MLP uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gelu {
    /// `x * sigmoid(1.702 x)`.
    Quick,
    /// `x * (1 + erf(x / sqrt 2)) / 2`.
    Exact,
}

impl Gelu {
    /// Any shape to the same shape.
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        let x = x.contiguous()?;
        by_dtype!(x, T => cpu::forward::<T>(&x, self))
    }

    /// `dx = dy * f'(x)`, from the pre-activation `x`.
    pub fn pullback(self, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let dy = dy.contiguous()?;
        by_dtype!(dy, T => cpu::pullback::<T>(x, &dy, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{assert_close, pullback_matches_differences, wave};

    #[test]
    fn forward_matches_candle_and_pullback_matches_differences() {
        let x = (wave(&[3, 41], 0.2) * 3.0).unwrap();
        let quick = (&x * candle_nn::ops::sigmoid(&(&x * 1.702).unwrap()).unwrap()).unwrap();
        let exact = x.gelu_erf().unwrap();
        for (gelu, theirs) in [(Gelu::Quick, quick), (Gelu::Exact, exact)] {
            let error = (gelu.forward(&x).unwrap() - theirs).unwrap().abs().unwrap();
            assert_close(
                error.max_all().unwrap().to_scalar().unwrap(),
                0.0,
                1e-9,
                "error",
            );
            pullback_matches_differences(&x, |x| gelu.forward(x), |dy| gelu.pullback(&x, dy));
        }
    }
}
