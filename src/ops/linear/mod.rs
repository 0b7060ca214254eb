//! The affine map of a field's channels, `y = x . W^T + b`, with PyTorch's weight layout; and what
//! a frozen map carries along: the sum with another field, a ReLU, the gate of an earlier ReLU.

#[cfg(feature = "cuda")]
pub mod cuda;

use std::sync::OnceLock;

use candle_core::{DType, Tensor};

use crate::backend::cpu::Real;
use crate::backend::field::Field;
use crate::backend::mask::Mask;
use crate::backend::packed::{Epilogue, Finish, Packed, multiply};
use crate::backend::threads::get_or_make;
use crate::error::Result;

/// What happens to a map's output before it is stored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Forward<'a, T: Real> {
    /// Added.
    pub add: Option<&'a Field<T>>,
    /// Then a ReLU.
    pub relu: bool,
}

/// What happens to a pullback's result before it is stored, with a device's fields `F` and masks `M`.
pub struct Back<'a, F, M = Mask> {
    /// Added: the cotangent that the same value has already got from elsewhere.
    pub add: Option<&'a F>,
    /// The ReLU that made the value: zero where it was inactive.
    pub gate: Option<&'a M>,
}

impl<F, M> Clone for Back<'_, F, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F, M> Copy for Back<'_, F, M> {}

impl<F, M> Default for Back<'_, F, M> {
    fn default() -> Self {
        Self {
            add: None,
            gate: None,
        }
    }
}

impl<T: Real> Back<'_, Field<T>> {
    /// The same, to a result that is already stored.
    pub fn finish(&self, dx: &mut Field<T>) {
        if let Some(add) = self.add {
            dx.add(add);
        }
        if let Some(mask) = self.gate {
            super::relu::gate(dx, mask);
        }
    }
}

/// A frozen affine map: weight `(out, in)`, bias `(out)` where there is one.
#[derive(Debug)]
pub struct Linear<T: Real> {
    weight: Packed<T>,
    /// Made when a pullback is first asked for.
    transposed: OnceLock<Packed<T>>,
    bias: Option<Vec<T>>,
}

/// The elements of a tensor, in `T`.
pub fn elements<T: Real>(tensor: &Tensor) -> Result<Vec<T>> {
    let values = tensor.flatten_all()?.to_dtype(DType::F64)?;
    Ok(values.to_vec1::<f64>()?.into_iter().map(T::of).collect())
}

impl<T: Real> Linear<T> {
    /// From weight `(out, in)` and bias `(out)`, of any type.
    ///
    /// # Errors
    /// When the weight is not a matrix.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        let weight = elements::<T>(weight)?;
        let element = |i: usize, o: usize| weight[o * inputs + i];
        let bias = bias.map(elements).transpose()?;
        Ok(Self::of((inputs, outputs), element, bias))
    }

    /// From the function that gives the weight between an input and an output.
    pub fn of(
        (inputs, outputs): (usize, usize),
        element: impl Fn(usize, usize) -> T + Sync,
        bias: Option<Vec<T>>,
    ) -> Self {
        Self {
            weight: Packed::new(inputs, outputs, element),
            transposed: OnceLock::new(),
            bias,
        }
    }

    /// The weight `(out, in)`, row by row.
    pub fn weight(&self) -> Vec<T> {
        let element = |o| move |k| self.weight.element(k, o);
        (0..self.outputs())
            .flat_map(|o| (0..self.weight.depth()).map(element(o)))
            .collect()
    }

    /// The bias `(out)`, where there is one.
    pub fn bias(&self) -> Option<&[T]> {
        self.bias.as_deref()
    }

    /// How many channels the map makes.
    pub fn outputs(&self) -> usize {
        self.weight.outputs()
    }

    /// Channels `in` to `out`, at each position; and the ReLU's mask if it was asked for.
    pub fn forward(&self, x: &Field<T>, then: Forward<T>) -> (Field<T>, Option<Mask>) {
        let mut y = Field::any(x.extent.with_channels(self.outputs()));
        let mut mask = then
            .relu
            .then(|| Mask::new(y.extent.rows(), self.outputs()));
        let epilogue = Epilogue {
            bias: self.bias.as_deref(),
            add: then.add.map(|add| &add.elements[..]),
            finish: mask.as_mut().map_or(Finish::Keep, Finish::Relu),
        };
        multiply(&x.elements, &self.weight, &mut y.elements, epilogue);
        (y, mask)
    }

    /// `dx = dy . W`: the cotangent of the input, `(n, h, w, in)`, from that of the output, `(n, h, w, out)`.
    pub fn pullback(&self, dy: &Field<T>, then: Back<Field<T>>) -> Field<T> {
        let mut dx = Field::any(dy.extent.with_channels(self.weight.depth()));
        let weight = get_or_make(&self.transposed, || self.weight.transposed());
        let epilogue = Epilogue {
            bias: None,
            add: then.add.map(|add| &add.elements[..]),
            finish: then.gate.map_or(Finish::Keep, Finish::Gate),
        };
        multiply(&dy.elements, weight, &mut dx.elements, epilogue);
        dx
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{assert_close, pullback_matches_differences, wave};

    #[test]
    fn forward_matches_candle_and_pullback_matches_differences() {
        let weight = wave(&[5, 7], 0.1);
        let bias = wave(&[5], 0.6);
        let x = wave(&[2, 3, 7], 1.2);
        let theirs = x.broadcast_matmul(&weight.t().unwrap()).unwrap();
        let theirs = theirs.broadcast_add(&bias).unwrap();
        let linear = Linear::<f64>::new(&weight, Some(&bias)).unwrap();
        let forward = |x: &Tensor| {
            let x = Field::from_tokens(x)?;
            linear.forward(&x, Forward::default()).0.to_tokens()
        };
        let error = (forward(&x).unwrap() - theirs).unwrap().abs().unwrap();
        assert_close(
            error.max_all().unwrap().to_scalar().unwrap(),
            0.0,
            1e-10,
            "error",
        );
        pullback_matches_differences(&x, forward, |dy| {
            let dy = Field::from_tokens(dy)?;
            linear.pullback(&dy, Back::default()).to_tokens()
        });
    }
}
