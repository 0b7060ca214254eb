use candle_core::Tensor;

use crate::backend::cpu::{Real, View, tensor};
use crate::error::Result;

pub fn forward<T: Real>(x: &Tensor, window: usize) -> Result<Tensor> {
    let (images, channels, height, width) = x.dims4()?;
    let (out_height, out_width) = (height / window, width / window);
    let share = T::of(1.0 / (window * window) as f64);
    let x = View::<T>::of(x)?;
    let mut y = vec![T::zero(); images * channels * out_height * out_width];
    for (x, y) in x
        .chunks_exact((height * width).max(1))
        .zip(y.chunks_exact_mut((out_height * out_width).max(1)))
    {
        for (oy, y) in y.chunks_exact_mut(out_width.max(1)).enumerate() {
            for x in x.chunks_exact(width).skip(oy * window).take(window) {
                for (y, x) in y.iter_mut().zip(x.chunks_exact(window)) {
                    for &x in x {
                        *y += x;
                    }
                }
            }
            for y in y {
                *y *= share;
            }
        }
    }
    tensor(y, (images, channels, out_height, out_width))
}

pub fn pullback<T: Real>(
    dy: &Tensor,
    window: usize,
    height: usize,
    width: usize,
) -> Result<Tensor> {
    let (images, channels, out_height, out_width) = dy.dims4()?;
    let share = T::of(1.0 / (window * window) as f64);
    let dy = View::<T>::of(dy)?;
    let mut dx = vec![T::zero(); images * channels * height * width];
    for (dx, dy) in dx
        .chunks_exact_mut((height * width).max(1))
        .zip(dy.chunks_exact((out_height * out_width).max(1)))
    {
        for (y, dx) in dx
            .chunks_exact_mut(width)
            .take(out_height * window)
            .enumerate()
        {
            let dy = &dy[y / window * out_width..][..out_width];
            for (dx, &dy) in dx.chunks_exact_mut(window).zip(dy) {
                dx.fill(dy * share);
            }
        }
    }
    tensor(dx, (images, channels, height, width))
}
