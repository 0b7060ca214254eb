use candle_core::Tensor;

use super::{EPSILON, Saved};
use crate::backend::cpu::{Real, View, tensor};
use crate::error::Result;

fn mean<T: Real>(values: impl Iterator<Item = T>, count: usize) -> T {
    values.fold(T::zero(), |sum, value| sum + value) / T::of(count as f64)
}

pub fn forward<T: Real>(x: &Tensor, gain: &Tensor, bias: &Tensor) -> Result<(Tensor, Saved)> {
    let width = gain.elem_count();
    let shape = x.shape().clone();
    let (x, gain, bias) = (
        View::<T>::of(x)?,
        View::<T>::of(gain)?,
        View::<T>::of(bias)?,
    );
    let mut normalised = Vec::with_capacity(x.len());
    let mut inverse_deviation = Vec::with_capacity(x.len() / width);
    let mut y = Vec::with_capacity(x.len());
    for row in x.chunks_exact(width) {
        let centre = mean(row.iter().copied(), width);
        let variance = mean(row.iter().map(|&x| (x - centre) * (x - centre)), width);
        let inverse = T::one() / (variance + T::of(EPSILON)).sqrt();
        inverse_deviation.push(inverse);
        for ((&x, &gain), &bias) in row.iter().zip(gain.iter()).zip(bias.iter()) {
            let z = (x - centre) * inverse;
            normalised.push(z);
            y.push(z * gain + bias);
        }
    }
    let saved = Saved {
        normalised: tensor(normalised, shape.clone())?,
        inverse_deviation: tensor(inverse_deviation, shape.elem_count() / width)?,
    };
    Ok((tensor(y, shape)?, saved))
}

pub fn pullback<T: Real>(dy: &Tensor, gain: &Tensor, saved: &Saved) -> Result<Tensor> {
    let width = gain.elem_count();
    let shape = dy.shape().clone();
    let (dy, gain) = (View::<T>::of(dy)?, View::<T>::of(gain)?);
    let normalised = View::<T>::of(&saved.normalised)?;
    let inverse_deviation = View::<T>::of(&saved.inverse_deviation)?;
    let mut dx = Vec::with_capacity(dy.len());
    for ((dy, z), &inverse) in dy
        .chunks_exact(width)
        .zip(normalised.chunks_exact(width))
        .zip(inverse_deviation.iter())
    {
        let scaled = || dy.iter().zip(gain.iter()).map(|(&dy, &gain)| dy * gain);
        let centre = mean(scaled(), width);
        let along = mean(scaled().zip(z).map(|(e, &z)| e * z), width);
        dx.extend(
            scaled()
                .zip(z)
                .map(|(e, &z)| (e - centre - z * along) * inverse),
        );
    }
    tensor(dx, shape)
}
