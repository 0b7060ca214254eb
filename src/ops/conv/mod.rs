//! Convolution with a bias: `y[o] = b[o] + sum_i w[o, i] * x[i]` with zero padding; and what a
//! frozen one carries along ([`Forward`], [`Back`]).
//!
//! A 1x1 convolution is a [`Linear`] map of the field as it lies. A 3x3 one of stride 1 with
//! many channels goes through Winograd's minimal filtering (`spatial`), any other through its patches;
//! both end in products with matrices that were packed beforehand. The choice depends on the shape
//! alone, never on the batch.

#[cfg(feature = "cuda")]
pub mod cuda;
mod kernel;
mod patches;
mod spatial;
mod winograd;

use candle_core::Tensor;

use super::linear::{Back, Forward, Linear};
use crate::backend::cpu::Real;
use crate::backend::field::{Extent, Field};
use crate::backend::mask::Mask;
use crate::error::Result;
use kernel::Kernel;
pub use kernel::Window;
use patches::Patches;
use spatial::Spatial;

/// A frozen convolution.
pub struct Conv<T: Real> {
    form: Form<T>,
}

/// What a convolution's shape makes of it.
enum Form<T: Real> {
    Pointwise(Linear<T>),
    Patches(Patches<T>),
    Spatial(Box<Spatial<T>>),
}

/// Input channels from which a 3x3 convolution can go through Winograd's filtering. Below, the
/// transforms cost what the products save.
const WINOGRAD_CHANNELS: usize = 32;

impl<T: Real> Conv<T> {
    /// From weights `(out, in, k, k)` and bias `(out)`, of any type.
    ///
    /// # Errors
    /// When the weights have another shape.
    pub fn new(weight: &Tensor, bias: &Tensor, stride: usize, padding: usize) -> Result<Self> {
        let (outputs, inputs, side, _) = weight.dims4()?;
        let window = Window {
            side,
            stride,
            padding,
        };
        let kernel = || Kernel::new(weight, bias, window);
        let form = match (side, stride, padding) {
            (1, 1, 0) => {
                let weight = weight.reshape((outputs, inputs))?;
                Form::Pointwise(Linear::new(&weight, Some(bias))?)
            }
            (3, 1, 1) if inputs >= WINOGRAD_CHANNELS => {
                let spatial = Spatial::new(kernel()?, spatial::Method::fastest);
                Form::Spatial(Box::new(spatial))
            }
            _ => Form::Patches(Patches::of(&kernel()?)),
        };
        Ok(Self { form })
    }

    /// The weights `(out, in * k * k)`, row by row; what lies in which column depends on the kind of
    /// convolution.
    pub fn weight(&self) -> Vec<T> {
        match &self.form {
            Form::Pointwise(linear) => linear.weight(),
            Form::Patches(patches) => patches.linear.weight(),
            Form::Spatial(spatial) => spatial.kernel().weight.clone(),
        }
    }

    /// `in` channels to `out`, at `(size + 2 * padding - k) / stride + 1` positions each way; and
    /// the ReLU's mask if it was asked for.
    pub fn forward(&self, x: &Field<T>, then: Forward<T>) -> (Field<T>, Option<Mask>) {
        match &self.form {
            Form::Pointwise(linear) => linear.forward(x, then),
            Form::Patches(patches) => patches.forward(x, then),
            Form::Spatial(spatial) => spatial.forward(x, then),
        }
    }

    /// The cotangent of an input of the extent `from` from that of the output.
    pub fn pullback(&self, dy: &Field<T>, from: Extent, then: Back<Field<T>>) -> Field<T> {
        match &self.form {
            Form::Pointwise(linear) => linear.pullback(dy, then),
            Form::Patches(patches) => patches.pullback(dy, from, then),
            Form::Spatial(spatial) => spatial.pullback(dy, from, then),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{assert_close, pullback_matches_differences, wave};
    use crate::ops::relu;

    /// kernel, stride, padding, height, width, inputs: every kind of convolution of the CLIP
    /// towers, on sizes that are odd, prime or leave a remainder.
    const CASES: [(usize, usize, usize, usize, usize, usize); 10] = [
        (1, 1, 0, 5, 7, 3),
        (3, 1, 1, 7, 5, 3),
        (3, 2, 1, 8, 8, 3),
        (3, 2, 1, 7, 11, 3),
        (4, 4, 0, 8, 12, 3),
        (4, 4, 0, 9, 11, 3),
        (3, 1, 1, 7, 7, 13),
        (3, 1, 1, 5, 11, 17),
        (3, 1, 1, 1, 2, 16),
        (3, 1, 1, 10, 9, 20),
    ];

    /// By every method that there is for its kind.
    fn convs(weight: &Tensor, bias: &Tensor, stride: usize, padding: usize) -> Vec<Conv<f64>> {
        let (_, inputs, kernel, _) = weight.dims4().unwrap();
        if (kernel, stride) != (3, 1) || inputs == 3 {
            return vec![Conv::new(weight, bias, stride, padding).unwrap()];
        }
        let choices: [fn(usize, usize) -> spatial::Method; 3] = [
            |_, _| spatial::Method::Large,
            |_, _| spatial::Method::Small,
            |_, _| spatial::Method::Patches,
        ];
        let by = |choose| {
            let kernel = Kernel::new(weight, bias, Window::SPATIAL).unwrap();
            Conv {
                form: Form::Spatial(Box::new(Spatial::new(kernel, choose))),
            }
        };
        choices.into_iter().map(by).collect()
    }

    /// In `f64`: Winograd's transforms lose a few digits.
    const CLOSE: f64 = 1e-9;

    #[test]
    fn forward_matches_candle_and_pullback_matches_differences() {
        for (kernel, stride, padding, height, width, inputs) in CASES {
            let outputs = 5;
            let weight = wave(&[outputs, inputs, kernel, kernel], 0.9);
            let bias = wave(&[outputs], 1.7);
            let x = wave(&[2, inputs, height, width], 0.2);
            for conv in convs(&weight, &bias, stride, padding) {
                let from = Field::<f64>::from_planes(&x).unwrap().extent;
                let ours = |x: &Tensor| {
                    let x = Field::from_planes(x)?;
                    conv.forward(&x, Forward::default()).0.to_planes()
                };
                let theirs = x
                    .conv2d(&weight, padding, stride, 1, 1)
                    .and_then(|y| y.broadcast_add(&bias.reshape((1, outputs, 1, 1))?))
                    .unwrap();
                let error = (ours(&x).unwrap() - theirs).unwrap().abs().unwrap();
                assert_close(
                    error.max_all().unwrap().to_scalar::<f64>().unwrap(),
                    0.0,
                    CLOSE,
                    "largest error",
                );
                pullback_matches_differences(&x, ours, |dy| {
                    let dy = Field::from_planes(dy)?;
                    conv.pullback(&dy, from, Back::default()).to_planes()
                });
            }
        }
    }

    #[test]
    fn what_a_convolution_carries_along_is_what_separate_steps_make() {
        for (kernel, stride, padding, height, width, inputs) in CASES {
            let outputs = 9;
            let weight = wave(&[outputs, inputs, kernel, kernel], 0.9);
            for conv in convs(&weight, &wave(&[outputs], 1.7), stride, padding) {
                let x = Field::from_planes(&wave(&[2, inputs, height, width], 0.2)).unwrap();
                let (mut apart, _) = conv.forward(&x, Forward::default());
                let add = Field {
                    extent: apart.extent,
                    elements: apart
                        .elements
                        .iter()
                        .map(|y| (y * 3.0).cos())
                        .collect::<Vec<_>>()[..]
                        .into(),
                };
                apart.add(&add);
                let (apart, apart_mask) = relu::forward(&apart);
                let then = Forward {
                    add: Some(&add),
                    relu: true,
                };
                let (fused, mask) = conv.forward(&x, then);
                assert_eq!(fused.elements[..], apart.elements[..]);
                assert_eq!(mask.unwrap().bytes, apart_mask.bytes);

                let (_, gate) = relu::forward(&x);
                let plain = conv.pullback(&add, x.extent, Back::default());
                let back = Back {
                    add: Some(&x),
                    gate: Some(&gate),
                };
                let mut apart = plain.clone();
                back.finish(&mut apart);
                let fused = conv.pullback(&add, x.extent, back);
                assert_eq!(fused.elements[..], apart.elements[..]);
            }
        }
    }

    /// What each method loses in `f32`, against the same in `f64`, at the channels of a large layer.
    #[test]
    fn methods_agree_and_lose_little_in_single_precision() {
        use spatial::Method::{Large, Patches, Small};
        let outputs = 32;
        let bias = wave(&[outputs], 1.7);
        for (inputs, side, method, tolerance) in [
            (64, 13, Large, 2e-5),
            (256, 7, Small, 2e-6),
            (64, 11, Patches, 1e-6),
        ] {
            let weight = wave(&[outputs, inputs, 3, 3], 0.9);
            assert_eq!(spatial::Method::fastest(side * side, inputs), method);
            let x = wave(&[1, inputs, side, side], 0.2);
            let exact = Conv::<f64>::new(&weight, &bias, 1, 1).unwrap();
            let (exact, _) = exact.forward(&Field::from_planes(&x).unwrap(), Forward::default());
            let single = Conv::<f32>::new(&weight, &bias, 1, 1).unwrap();
            let x = x.to_dtype(candle_core::DType::F32).unwrap();
            let (ours, _) = single.forward(&Field::from_planes(&x).unwrap(), Forward::default());
            let largest = exact.elements.iter().fold(0.0, |m: f64, y| m.max(y.abs()));
            for (&ours, &exact) in ours.elements.iter().zip(exact.elements.iter()) {
                let error = (f64::from(ours) - exact).abs();
                assert!(
                    error <= tolerance * largest,
                    "{method:?}: off by {error} of {largest}"
                );
            }
        }
    }
}
