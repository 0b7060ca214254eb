use candle_core::Tensor;
use candle_core::cpu::erf::erf_f64;

use super::Gelu;
use crate::backend::cpu::{Real, View, tensor};
use crate::error::Result;

/// The slope of QuickGELU's sigmoid (OpenAI CLIP, `model.py`).
const QUICK_SLOPE: f64 = 1.702;

fn sigmoid<T: Real>(x: T) -> T {
    T::one() / (T::one() + (-x).exp())
}

/// The standard normal distribution function.
fn normal<T: Real>(x: T) -> T {
    T::of(0.5 * (1.0 + erf_f64(x.to_f64() * std::f64::consts::FRAC_1_SQRT_2)))
}

fn value<T: Real>(gelu: Gelu, x: T) -> T {
    match gelu {
        Gelu::Quick => x * sigmoid(T::of(QUICK_SLOPE) * x),
        Gelu::Exact => x * normal(x),
    }
}

fn slope<T: Real>(gelu: Gelu, x: T) -> T {
    match gelu {
        Gelu::Quick => {
            let s = sigmoid(T::of(QUICK_SLOPE) * x);
            s + T::of(QUICK_SLOPE) * x * s * (T::one() - s)
        }
        Gelu::Exact => {
            let density =
                (-x * x * T::of(0.5)).exp() * T::of((2.0 * std::f64::consts::PI).sqrt().recip());
            normal(x) + x * density
        }
    }
}

pub fn forward<T: Real>(x: &Tensor, gelu: Gelu) -> Result<Tensor> {
    let y = View::<T>::of(x)?.iter().map(|&x| value(gelu, x)).collect();
    tensor(y, x.shape().clone())
}

pub fn pullback<T: Real>(x: &Tensor, dy: &Tensor, gelu: Gelu) -> Result<Tensor> {
    let x = View::<T>::of(x)?;
    let dx = x
        .iter()
        .zip(View::<T>::of(dy)?.iter())
        .map(|(&x, &dy)| dy * slope(gelu, x))
        .collect();
    tensor(dx, dy.shape().clone())
}
