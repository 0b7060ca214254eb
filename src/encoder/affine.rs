//! The maps that carry sums, ReLUs and gates along.

use crate::backend::cpu::Real;
use crate::backend::field::{Extent, Field};
use crate::backend::mask::Mask;
use crate::ops::conv::Conv;
use crate::ops::linear::{Back, Forward, Linear};

/// A map that is a product with a frozen matrix in the end.
pub enum Affine<T: Real> {
    /// Of the neighbourhood of each position.
    Conv(Conv<T>),
    /// Of each position by itself.
    Linear(Linear<T>),
}

impl<T: Real> Affine<T> {
    /// As [`Conv::weight`]: a row for each output.
    pub fn weight(&self) -> Vec<T> {
        match self {
            Self::Conv(conv) => conv.weight(),
            Self::Linear(linear) => linear.weight(),
        }
    }

    /// As [`Conv::forward`].
    pub fn forward(&self, x: &Field<T>, then: Forward<T>) -> (Field<T>, Option<Mask>) {
        match self {
            Self::Conv(conv) => conv.forward(x, then),
            Self::Linear(linear) => linear.forward(x, then),
        }
    }

    /// As [`Conv::pullback`].
    pub fn pullback(&self, dy: &Field<T>, from: Extent, then: Back<Field<T>>) -> Field<T> {
        match self {
            Self::Conv(conv) => conv.pullback(dy, from, then),
            Self::Linear(linear) => linear.pullback(dy, then),
        }
    }
}
