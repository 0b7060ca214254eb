//! ReLU, `y = max(x, 0)`, remembering one bit a value; and its two pullbacks.
//!
//! The plain pullback passes a cotangent where `x > 0`. The *redirected* one (lucid's
//! `redirected_relu_grad`) serves the first steps of an ascent, when a dead unit has no gradient
//! at all: for an image whose plain cotangent is zero throughout, it also passes the cotangent
//! of blocked units unless that would push them further down, and only for that image.

mod cpu;

use candle_core::Tensor;

use crate::backend::by_dtype;
use crate::error::Result;

/// Which units were active: one bit a value, in the tensor's order, each image on words of its
/// own.
#[derive(Debug, Clone)]
pub struct Mask {
    words: Vec<u64>,
    words_per_image: usize,
}

/// `(n, ...)` to the same shape, with the mask of `x > 0`.
pub fn forward(x: &Tensor) -> Result<(Tensor, Mask)> {
    let x = x.contiguous()?;
    by_dtype!(x, T => cpu::forward::<T>(&x))
}

/// `dx = dy` where the unit was active, else 0; with `redirect`, see the module's text.
///
/// Cotangents are those of a quantity that grows: a blocked unit is pushed down by `dy < 0`.
pub fn pullback(mask: &Mask, dy: &Tensor, redirect: bool) -> Result<Tensor> {
    let dy = dy.contiguous()?;
    by_dtype!(dy, T => cpu::pullback::<T>(mask, &dy, redirect))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{pullback_matches_differences, wave};
    use candle_core::Device;

    #[test]
    fn pullback_matches_central_differences() {
        for shape in [vec![2, 3, 5, 7], vec![3, 67], vec![1, 1]] {
            let x = wave(&shape, 0.3);
            let (_, mask) = forward(&x).unwrap();
            pullback_matches_differences(
                &x,
                |x| Ok(forward(x)?.0),
                |dy| pullback(&mask, dy, false),
            );
        }
    }

    /// Rows: an image with one live unit whose cotangent passes, and one whose units are all
    /// blocked. Lucid leaves the first alone and redirects the second.
    #[test]
    fn redirection_rescues_only_dead_images_and_only_upwards() {
        let x = Tensor::new(&[[1.0, -1.0, -2.0], [-1.0, -1.0, 0.0]], &Device::Cpu).unwrap();
        let dy = Tensor::new(&[[0.5, 0.7, -0.7], [0.5, -0.5, 0.25]], &Device::Cpu).unwrap();
        let (_, mask) = forward(&x).unwrap();
        let rows = |redirect| {
            pullback(&mask, &dy, redirect)
                .unwrap()
                .to_vec2::<f64>()
                .unwrap()
        };
        assert_eq!(rows(false), [[0.5, 0.0, 0.0], [0.0, 0.0, 0.0]]);
        assert_eq!(rows(true), [[0.5, 0.0, 0.0], [0.5, 0.0, 0.25]]);
    }
}
