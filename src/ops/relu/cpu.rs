use candle_core::Tensor;

use super::Mask;
use crate::backend::cpu::{Real, View, tensor};
use crate::error::Result;

pub fn forward<T: Real>(x: &Tensor) -> Result<(Tensor, Mask)> {
    let images = x.dim(0)?;
    let shape = x.shape().clone();
    let x = View::<T>::of(x)?;
    let per_image = x.len() / images.max(1);
    let words_per_image = per_image.div_ceil(64);
    let mut words = Vec::with_capacity(images * words_per_image);
    let mut y = Vec::with_capacity(x.len());
    for image in x.chunks_exact(per_image.max(1)) {
        for run in image.chunks(64) {
            let mut word = 0;
            for (bit, &value) in run.iter().enumerate() {
                let active = value > T::zero();
                word |= u64::from(active) << bit;
                // NaN is not active, yet has to reach the check of the result.
                y.push(if value <= T::zero() { T::zero() } else { value });
            }
            words.push(word);
        }
    }
    let mask = Mask {
        words,
        words_per_image,
    };
    Ok((tensor(y, shape)?, mask))
}

pub fn pullback<T: Real>(mask: &Mask, dy: &Tensor, redirect: bool) -> Result<Tensor> {
    let per_image = dy.elem_count() / dy.dim(0)?.max(1);
    let shape = dy.shape().clone();
    let mut dx = View::<T>::of(dy)?.to_vec();
    for (dx, words) in dx
        .chunks_exact_mut(per_image.max(1))
        .zip(mask.words.chunks_exact(mask.words_per_image.max(1)))
    {
        let is_active = |index: usize| words[index / 64] >> (index % 64) & 1 == 1;
        let is_dead = |dx: &[T]| {
            let mut active = dx.iter().enumerate().filter(|(index, _)| is_active(*index));
            active.all(|(_, value)| value.is_zero())
        };
        let redirected = redirect && is_dead(dx);
        for (index, value) in dx.iter_mut().enumerate() {
            let passes = is_active(index) || (redirected && *value > T::zero());
            if !passes {
                *value = T::zero();
            }
        }
    }
    tensor(dx, shape)
}
