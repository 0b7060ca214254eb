//! ReLU, `y = max(x, 0)`, remembering one bit a value; and its two pullbacks.
//!
//! The plain pullback, a *gate*, passes a cotangent where `x > 0`. The *redirected* one (lucid's
//! `redirected_relu_grad`) serves the first steps of an ascent, when a dead unit has no gradient
//! at all: for an image whose plain cotangent is zero throughout, it also passes the cotangent
//! of blocked units unless that would push them further down, and only for that image.
//!
//! Where nothing reads the value before a ReLU, the product that makes it applies the ReLU itself;
//! these functions are for the others.

#[cfg(feature = "cuda")]
pub mod cuda;

use crate::backend::cpu::Real;
use crate::backend::field::Field;
use crate::backend::mask::Mask;
use crate::backend::packed::finish::{Last, Rows};
use crate::backend::threads::{TASK_ELEMENTS, each_chunk, each_two_rows};

/// The rectified field, with the mask of `x > 0`.
pub fn forward<T: Real>(x: &Field<T>) -> (Field<T>, Mask) {
    let channels = x.extent.channels;
    let mut y = x.clone();
    let mut mask = Mask::new(x.extent.rows(), channels);
    let stride = mask.stride;
    let rows_per_task = TASK_ELEMENTS.div_ceil(channels.max(1));
    each_two_rows(
        (&mut y.elements, rows_per_task * channels),
        (&mut mask.bytes, rows_per_task * stride),
        |_, rows, bytes| finish(rows, channels, Last::Relu(bytes)),
    );
    (y, mask)
}

/// Zero where the mask says inactive.
pub fn gate<T: Real>(dy: &mut Field<T>, mask: &Mask) {
    let channels = dy.extent.channels;
    let rows_per_task = TASK_ELEMENTS.div_ceil(channels.max(1));
    each_chunk(&mut dy.elements, rows_per_task * channels, |task, rows| {
        let first = task * rows_per_task * mask.stride;
        let bytes = &mask.bytes[first..][..rows.len() / channels * mask.stride];
        finish(rows, channels, Last::Gate(bytes));
    });
}

fn finish<T: Real>(rows: &mut [T], length: usize, last: Last) {
    T::finish(Rows {
        rows,
        length,
        bias: None,
        add: None,
        last,
    });
}

/// As [`gate`], with dead images redirected; see the module's text.
///
/// Cotangents are those of a quantity that grows: a blocked unit is pushed down by `dy < 0`.
pub fn redirect<T: Real>(dy: &mut Field<T>, mask: &Mask) {
    let (channels, positions) = (dy.extent.channels.max(1), dy.extent.positions().max(1));
    let images = dy.elements.chunks_exact_mut(channels * positions);
    for (image, dy) in images.enumerate() {
        let is_active =
            |index: usize| mask.is_active(image * positions + index / channels, index % channels);
        let mut active = dy.iter().enumerate().filter(|(index, _)| is_active(*index));
        let is_dead = active.all(|(_, value)| value.is_zero());
        for (index, value) in dy.iter_mut().enumerate() {
            let passes = is_active(index) || (is_dead && *value > T::zero());
            if !passes {
                *value = T::zero();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{pullback_matches_differences, wave};
    use candle_core::{Device, Tensor};

    fn gated(dy: &Tensor, mask: &Mask, pull: fn(&mut Field<f64>, &Mask)) -> Tensor {
        let mut dy = Field::from_tokens(dy).unwrap();
        pull(&mut dy, mask);
        dy.to_tokens().unwrap()
    }

    #[test]
    fn the_gate_matches_central_differences() {
        for shape in [[2, 35, 7], [3, 1, 67], [1, 1, 1]] {
            let x = wave(&shape, 0.3);
            let (_, mask) = forward(&Field::<f64>::from_tokens(&x).unwrap());
            pullback_matches_differences(
                &x,
                |x| forward(&Field::<f64>::from_tokens(x)?).0.to_tokens(),
                |dy| Ok(gated(dy, &mask, gate)),
            );
        }
    }

    /// Rows: an image with one live unit whose cotangent passes, and one whose units are all
    /// blocked. Lucid leaves the first alone and redirects the second.
    #[test]
    fn redirection_rescues_only_dead_images_and_only_upwards() {
        let x = Tensor::new(&[[[1.0, -1.0, -2.0]], [[-1.0, -1.0, 0.0]]], &Device::Cpu).unwrap();
        let dy = Tensor::new(&[[[0.5, 0.7, -0.7]], [[0.5, -0.5, 0.25]]], &Device::Cpu).unwrap();
        let (_, mask) = forward(&Field::<f64>::from_tokens(&x).unwrap());
        let rows = |pull| gated(&dy, &mask, pull).to_vec3::<f64>().unwrap();
        assert_eq!(rows(gate), [[[0.5, 0.0, 0.0]], [[0.0, 0.0, 0.0]]]);
        assert_eq!(rows(redirect), [[[0.5, 0.0, 0.0]], [[0.5, 0.0, 0.25]]]);
    }
}
