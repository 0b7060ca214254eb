use candle_core::Tensor;

use super::{NEAREST, inverse_matrix, matrix};
use crate::backend::cpu::{Elements, Real, tensor};
use crate::backend::threads::each_row;
use crate::error::{Result, bail};

/// For a row of pixels of any image's plane: where the same row of the image's first plane begins, and
/// the number of the plane.
fn place(row: usize, height: usize, width: usize) -> (usize, usize) {
    let (plane, y) = (row / height, row % height);
    (plane / 3 * 3 * height * width + y * width, plane % 3)
}

pub fn forward<T: Real>(t: &Tensor) -> Result<Tensor> {
    let (images, _, height, width) = t.dims4()?;
    let pixels = height * width;
    let matrix = matrix().map(|row| row.map(T::of));
    let t = Elements::<T>::of(t)?;
    let t: &[T] = &t;
    let mut y = vec![T::zero(); t.len()];
    each_row(&mut y, width, |row, y| {
        let (first, channel) = place(row, height, width);
        let (image, weights) = (&t[first..], matrix[channel]);
        for (pixel, y) in y.iter_mut().enumerate() {
            let mixed = weights[0] * image[pixel]
                + weights[1] * image[pixels + pixel]
                + weights[2] * image[2 * pixels + pixel];
            *y = T::one() / (T::one() + (-mixed).exp());
        }
    });
    tensor(y, (images, 3, height, width))
}

pub fn pullback<T: Real>(y: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let (images, _, height, width) = y.dims4()?;
    let pixels = height * width;
    let matrix = matrix().map(|row| row.map(T::of));
    let (y, dy) = (Elements::<T>::of(y)?, Elements::<T>::of(dy)?);
    let (y, dy): (&[T], &[T]) = (&y, &dy);
    let mut dt = vec![T::zero(); y.len()];
    each_row(&mut dt, width, |row, dt| {
        let (first, component) = place(row, height, width);
        for (channel, weights) in matrix.iter().enumerate() {
            let own = first + channel * pixels..first + channel * pixels + width;
            for ((dt, &y), &dy) in dt.iter_mut().zip(&y[own.clone()]).zip(&dy[own]) {
                *dt += weights[component] * (dy * y * (T::one() - y));
            }
        }
    });
    tensor(dt, (images, 3, height, width))
}

pub fn inverse<T: Real>(y: &Tensor) -> Result<Tensor> {
    let (images, _, height, width) = y.dims4()?;
    let pixels = height * width;
    let y = Elements::<T>::of(y)?;
    if let Some(value) = y.iter().find(|y| !(T::zero()..=T::one()).contains(*y)) {
        bail!(
            Input,
            "{value} is no value of a picture: give RGB from 0 to 1, 8 bits divided by 255"
        );
    }
    let matrix = inverse_matrix().map(|row| row.map(T::of));
    let (least, most) = (T::of(NEAREST), T::of(1.0 - NEAREST));
    let logit = |y: T| {
        let y = num_traits::clamp(y, least, most);
        (y / (T::one() - y)).ln()
    };
    let logits: Vec<T> = y.iter().map(|&y| logit(y)).collect();
    let mut t = vec![T::zero(); logits.len()];
    each_row(&mut t, width, |row, t| {
        let (first, component) = place(row, height, width);
        let (image, weights) = (&logits[first..], matrix[component]);
        for (pixel, t) in t.iter_mut().enumerate() {
            *t = weights[0] * image[pixel]
                + weights[1] * image[pixels + pixel]
                + weights[2] * image[2 * pixels + pixel];
        }
    });
    tensor(t, (images, 3, height, width))
}
