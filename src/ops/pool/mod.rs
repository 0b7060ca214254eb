//! Average pooling over `k x k` windows that do not overlap; a remainder at the right and bottom
//! edge is left out, as in PyTorch's `AvgPool2d(k)`.

#[cfg(feature = "cuda")]
pub mod cuda;

use crate::backend::cpu::Real;
use crate::backend::field::{Extent, Field};
use crate::backend::threads::each_row;

/// The extent of the means over windows of an extent.
pub(super) fn pooled(extent: Extent, window: usize) -> Extent {
    Extent {
        height: extent.height / window,
        width: extent.width / window,
        ..extent
    }
}

fn share<T: Real>(window: usize) -> T {
    T::of(1.0 / (window * window) as f64)
}

/// `(n, h, w, channels)` to `(n, h / k, w / k, channels)`.
pub fn forward<T: Real>(x: &Field<T>, window: usize) -> Field<T> {
    let (from, channels) = (x.extent, x.extent.channels);
    let mut y = Field::any(pooled(from, window));
    let to = y.extent;
    // One task a row of windows: `row` counts them over all images.
    each_row(&mut y.elements, to.width * channels, |row, y| {
        y.fill(T::zero());
        let (image, oy) = (row / to.height, row % to.height);
        for dy in 0..window {
            let start = ((image * from.height + oy * window + dy) * from.width) * channels;
            let x = &x.elements[start..][..to.width * window * channels];
            for (y, x) in y
                .chunks_exact_mut(channels)
                .zip(x.chunks_exact(window * channels))
            {
                for x in x.chunks_exact(channels) {
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y += x;
                    }
                }
            }
        }
        for y in y {
            *y *= share(window);
        }
    });
    y
}

/// The cotangent of an input of the extent `from`: each window's share of `dy / k^2`.
pub fn pullback<T: Real>(dy: &Field<T>, window: usize, from: Extent) -> Field<T> {
    let (to, channels) = (dy.extent, dy.extent.channels);
    let mut dx = Field::any(from);
    each_row(&mut dx.elements, from.width * channels, |row, dx| {
        let (image, y) = (row / from.height, row % from.height);
        let oy = y / window;
        if oy >= to.height {
            dx.fill(T::zero());
            return;
        }
        let (inside, outside) = dx.split_at_mut(to.width * window * channels);
        outside.fill(T::zero());
        let dy = &dy.elements[(image * to.height + oy) * to.width * channels..];
        for (dx, dy) in inside
            .chunks_exact_mut(window * channels)
            .zip(dy.chunks_exact(channels))
        {
            for dx in dx.chunks_exact_mut(channels) {
                for (dx, &dy) in dx.iter_mut().zip(dy) {
                    *dx = dy * share(window);
                }
            }
        }
    });
    dx
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{pullback_matches_differences, wave};
    use candle_core::Tensor;

    #[test]
    fn forward_matches_candle_and_pullback_matches_differences() {
        for (height, width) in [(4, 6), (5, 7), (2, 3)] {
            let x = wave(&[2, 3, height, width], 0.8);
            let ours = |x: &Tensor| forward(&Field::<f64>::from_planes(x)?, 2).to_planes();
            let theirs = x.avg_pool2d(2).unwrap();
            let error = (ours(&x).unwrap() - theirs).unwrap().abs().unwrap();
            assert!(error.max_all().unwrap().to_scalar::<f64>().unwrap() <= 1e-14);
            let from = Field::<f64>::from_planes(&x).unwrap().extent;
            pullback_matches_differences(&x, ours, |dy| {
                pullback(&Field::<f64>::from_planes(dy)?, 2, from).to_planes()
            });
        }
    }
}
