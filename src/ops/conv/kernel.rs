//! What a convolution multiplies and adds, and where it looks for it.

use candle_core::Tensor;

use crate::backend::cpu::Real;
use crate::backend::field::Extent;
use crate::error::Result;
use crate::ops::linear::elements;

/// What a convolution looks at from each of its positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Positions along one side of the kernel.
    pub side: usize,
    /// From one window to the next.
    pub stride: usize,
    /// Zeros around the field.
    pub padding: usize,
}

impl Window {
    /// 3x3 of stride 1, after which a field has as many positions as before.
    pub const SPATIAL: Self = Self {
        side: 3,
        stride: 1,
        padding: 1,
    };

    /// The extent of a field's patches.
    pub fn patches(self, from: Extent) -> Extent {
        let size = |size: usize| (size + 2 * self.padding - self.side) / self.stride + 1;
        Extent {
            height: size(from.height),
            width: size(from.width),
            channels: self.side * self.side * from.channels,
            ..from
        }
    }
}

/// What a convolution multiplies and adds, from which each method makes what it needs.
pub struct Kernel<T> {
    /// `(out, in, side, side)`.
    pub weight: Vec<T>,
    /// `(out)`.
    pub bias: Vec<T>,
    pub inputs: usize,
    pub outputs: usize,
    pub window: Window,
}

impl<T: Real> Kernel<T> {
    /// From weights `(out, in, side, side)` and bias `(out)`.
    pub fn new(weight: &Tensor, bias: &Tensor, window: Window) -> Result<Self> {
        let (outputs, inputs, _, _) = weight.dims4()?;
        Ok(Self {
            weight: elements(weight)?,
            bias: elements(bias)?,
            inputs,
            outputs,
            window,
        })
    }

    /// The weight from an input to an output at a place.
    pub fn at(&self, i: usize, o: usize, y: usize, x: usize) -> T {
        let side = self.window.side;
        self.weight[((o * self.inputs + i) * side + y) * side + x]
    }

    /// The weight from number `k` of a patch to an output: rows before columns before channels.
    pub fn of_patch(&self, k: usize, o: usize) -> T {
        let (place, i) = (k / self.inputs, k % self.inputs);
        self.at(i, o, place / self.window.side, place % self.window.side)
    }

    /// Numbers of a patch.
    pub fn patch(&self) -> usize {
        self.window.side * self.window.side * self.inputs
    }
}
