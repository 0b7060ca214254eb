use candle_core::Tensor;

use super::matrix;
use crate::backend::cpu::{Real, View, tensor};
use crate::backend::threads::each_row;
use crate::error::Result;

pub fn forward<T: Real>(t: &Tensor) -> Result<Tensor> {
    let (images, _, height, width) = t.dims4()?;
    let pixels = height * width;
    let matrix = matrix().map(|row| row.map(T::of));
    let t = View::<T>::of(t)?;
    let t: &[T] = &t;
    let mut y = vec![T::zero(); t.len()];
    each_row(&mut y, pixels, |plane, y| {
        let (image, row) = (&t[plane / 3 * 3 * pixels..], matrix[plane % 3]);
        for (pixel, y) in y.iter_mut().enumerate() {
            let mixed = row[0] * image[pixel]
                + row[1] * image[pixels + pixel]
                + row[2] * image[2 * pixels + pixel];
            *y = T::one() / (T::one() + (-mixed).exp());
        }
    });
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
