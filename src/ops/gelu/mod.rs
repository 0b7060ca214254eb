//! The two activations of CLIP's transformers, and their pullbacks from the pre-activation.
//!
//! QuickGELU `x * sigmoid(1.702 x)` is what OpenAI trained with; GELU `x * Phi(x)` (exact, with
//! the error function) is PyTorch's default and what many later models use.

#[cfg(feature = "cuda")]
pub mod cuda;

use candle_core::cpu::erf::erf_f64;

use crate::backend::cpu::Real;
use crate::backend::field::Field;
use crate::backend::threads::each_row;

/// Which activation a transformer's MLP uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gelu {
    /// `x * sigmoid(1.702 x)`.
    Quick,
    /// `x * (1 + erf(x / sqrt 2)) / 2`.
    Exact,
}

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

impl Gelu {
    /// The activation of every number.
    pub fn forward<T: Real>(self, x: &Field<T>) -> Field<T> {
        let width = x.extent.channels;
        let mut y = Field::any(x.extent);
        each_row(&mut y.elements, width, |row, y| {
            for (y, &x) in y.iter_mut().zip(&x.elements[row * width..][..width]) {
                *y = value(self, x);
            }
        });
        y
    }

    /// `dx = dy * f'(x)`, from the pre-activation `x`. Where `dy` is 0 so is `dx`, whatever `x` is: a unit that
    /// overflows does not disturb the others.
    pub fn pullback<T: Real>(self, x: &Field<T>, dy: &Field<T>) -> Field<T> {
        let width = x.extent.channels;
        let mut dx = Field::any(x.extent);
        each_row(&mut dx.elements, width, |row, dx| {
            let own = row * width..(row + 1) * width;
            let (x, dy) = (&x.elements[own.clone()], &dy.elements[own]);
            for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
                *dx = match dy == T::zero() {
                    true => dy,
                    false => dy * slope(self, x),
                };
            }
        });
        dx
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{assert_close, pullback_matches_differences, wave};
    use candle_core::{Device, Tensor};

    #[test]
    fn a_unit_that_overflows_is_no_matter_to_the_others() {
        let field = |values: [f32; 4]| {
            let tokens = Tensor::new(&[[values]], &Device::Cpu).unwrap();
            Field::<f32>::from_tokens(&tokens).unwrap()
        };
        let x = field([f32::NAN, f32::INFINITY, -3e38, 0.5]);
        for gelu in [Gelu::Quick, Gelu::Exact] {
            let dx = gelu.pullback(&x, &field([0.0, 0.0, 0.0, 1.0]));
            assert_eq!(dx.elements[..3], [0.0; 3]);
            assert!(dx.elements[3] > 0.5);
        }
    }

    #[test]
    fn forward_matches_candle_and_pullback_matches_differences() {
        let x = (wave(&[1, 3, 41], 0.2) * 3.0).unwrap();
        let quick = (&x * candle_nn::ops::sigmoid(&(&x * 1.702).unwrap()).unwrap()).unwrap();
        let exact = x.gelu_erf().unwrap();
        for (gelu, theirs) in [(Gelu::Quick, quick), (Gelu::Exact, exact)] {
            let forward = |x: &Tensor| gelu.forward(&Field::<f64>::from_tokens(x)?).to_tokens();
            let error = (forward(&x).unwrap() - theirs).unwrap().abs().unwrap();
            assert_close(
                error.max_all().unwrap().to_scalar().unwrap(),
                0.0,
                1e-9,
                "error",
            );
            let saved = Field::<f64>::from_tokens(&x).unwrap();
            pullback_matches_differences(&x, forward, |dy| {
                gelu.pullback(&saved, &Field::from_tokens(dy)?).to_tokens()
            });
        }
    }
}
