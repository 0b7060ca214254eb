use candle_core::Tensor;

use super::matrix;
use crate::backend::cpu::{Real, View, tensor};
use crate::error::Result;

pub fn forward<T: Real>(t: &Tensor) -> Result<Tensor> {
    let (images, _, height, width) = t.dims4()?;
    let pixels = height * width;
    let matrix = matrix().map(|row| row.map(T::of));
    let t = View::<T>::of(t)?;
    let mut y = Vec::with_capacity(t.len());
    for t in t.chunks_exact(3 * pixels) {
        for row in matrix {
            y.extend((0..pixels).map(|pixel| {
                let mixed =
                    row[0] * t[pixel] + row[1] * t[pixels + pixel] + row[2] * t[2 * pixels + pixel];
                T::one() / (T::one() + (-mixed).exp())
            }));
        }
    }
    tensor(y, (images, 3, height, width))
}

pub fn pullback<T: Real>(y: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let (images, _, height, width) = y.dims4()?;
    let pixels = height * width;
    let matrix = matrix().map(|row| row.map(T::of));
    let (y, dy) = (View::<T>::of(y)?, View::<T>::of(dy)?);
    let mut dt = vec![T::zero(); y.len()];
    for ((y, dy), dt) in y
        .chunks_exact(3 * pixels)
        .zip(dy.chunks_exact(3 * pixels))
        .zip(dt.chunks_exact_mut(3 * pixels))
    {
        for pixel in 0..pixels {
            for (channel, row) in matrix.iter().enumerate() {
                let index = channel * pixels + pixel;
                let slope = dy[index] * y[index] * (T::one() - y[index]);
                for (component, &weight) in row.iter().enumerate() {
                    dt[component * pixels + pixel] += weight * slope;
                }
            }
        }
    }
    tensor(dt, (images, 3, height, width))
}
