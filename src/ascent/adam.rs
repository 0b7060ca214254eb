//! Adam (Kingma and Ba 2015), climbing instead of descending.

use candle_core::Tensor;

use crate::backend::by_dtype;
use crate::backend::cpu::{Elements as View, Real, tensor};
use crate::backend::lanes::{Loop, Vectors};
use crate::backend::threads::{TASK_ELEMENTS, each_item};
use crate::error::Result;

/// Decay of the first moment (PyTorch's default, and lucid's).
const BETA_1: f64 = 0.9;
/// Decay of the second moment.
const BETA_2: f64 = 0.999;
/// Added to the root of the second moment.
const EPSILON: f64 = 1e-8;

/// What a step takes that is the same at every step: the new gradient's share of the first moment, what is kept of
/// the second, the new square's share of it, and what is added to its root.
pub(super) const CONSTANTS: [f64; 4] = [1.0 - BETA_1, BETA_2, 1.0 - BETA_2, EPSILON];

/// The optimiser's state for one tensor of parameters.
pub struct Adam {
    rate: f64,
    steps: i32,
    first: Tensor,
    second: Tensor,
}

impl Adam {
    /// For parameters of this tensor's shape and type.
    pub fn new(parameters: &Tensor, rate: f64) -> Result<Self> {
        Ok(Self {
            rate,
            steps: 0,
            first: parameters.zeros_like()?,
            second: parameters.zeros_like()?,
        })
    }

    /// The parameters after one step up the gradient.
    pub fn ascend(&mut self, parameters: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        self.steps += 1;
        by_dtype!(parameters, T => self.step::<T>(parameters, gradient))
    }

    fn step<T: Real>(&mut self, parameters: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        let shape = parameters.shape();
        let (rate, correction) = corrections(self.rate, self.steps);
        let (rate, correction) = (T::of(rate), T::of(correction));
        let mut first = View::<T>::of(&self.first)?.to_vec();
        let mut second = View::<T>::of(&self.second)?.to_vec();
        let mut next = View::<T>::of(parameters)?.to_vec();
        let gradient = View::<T>::of(gradient)?;
        let parts = next
            .chunks_mut(TASK_ELEMENTS)
            .zip(first.chunks_mut(TASK_ELEMENTS))
            .zip(second.chunks_mut(TASK_ELEMENTS))
            .zip(gradient.chunks(TASK_ELEMENTS))
            .map(|(((x, first), second), gradient)| Update {
                rate,
                correction,
                x,
                first,
                second,
                gradient,
            })
            .collect();
        each_item(parts, T::vectorised);
        self.first = tensor(first, shape.clone())?;
        self.second = tensor(second, shape.clone())?;
        tensor(next, shape.clone())
    }
}

/// The step's length with the first moment's correction in it, and the root of the second's, at step
/// `steps`, counted from 1.
pub(super) fn corrections(rate: f64, steps: i32) -> (f64, f64) {
    (
        rate / (1.0 - BETA_1.powi(steps)),
        (1.0 - BETA_2.powi(steps)).sqrt(),
    )
}

/// A step of some of the parameters.
struct Update<'a, T> {
    rate: T,
    /// The root of the second moment's bias.
    correction: T,
    x: &'a mut [T],
    first: &'a mut [T],
    second: &'a mut [T],
    gradient: &'a [T],
}

impl<T: Real> Loop<T> for Update<'_, T> {
    #[inline(always)]
    fn run<V: Vectors<T>>(self, _: V) {
        let [first_share, second_decay, second_share, epsilon] = CONSTANTS.map(T::of);
        for (((x, m), v), &g) in self
            .x
            .iter_mut()
            .zip(self.first)
            .zip(self.second)
            .zip(self.gradient)
        {
            *m += first_share * (g - *m);
            *v = second_decay * *v + second_share * g * g;
            *x += self.rate * *m / (num_traits::Float::sqrt(*v) / self.correction + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// The first step has the length of the rate whatever the gradient's, and a parabola's top
    /// is found.
    #[test]
    fn climbs_to_the_top_of_a_parabola() {
        let mut x = Tensor::new(&[3.0f64, -40.0], &Device::Cpu).unwrap();
        let mut adam = Adam::new(&x, 0.5).unwrap();
        let top = Tensor::new(&[1.0f64, 2.0], &Device::Cpu).unwrap();
        for step in 0..800 {
            let before = x.clone();
            x = adam.ascend(&x, &(&top - &x).unwrap()).unwrap();
            if step == 0 {
                let moved = (&x - before).unwrap().to_vec1::<f64>().unwrap();
                assert!((moved[0] + 0.5).abs() < 1e-6 && (moved[1] - 0.5).abs() < 1e-6);
            }
        }
        let error = (x - top).unwrap().abs().unwrap().max_all().unwrap();
        assert!(error.to_scalar::<f64>().unwrap() < 0.05);
    }
}
