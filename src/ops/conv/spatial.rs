//! A 3x3 convolution of stride 1 with padding 1, by the method that is fastest for a field's size.

use std::sync::OnceLock;

use super::kernel::Kernel;
use super::patches::Patches;
use super::winograd::Winograd;
use crate::backend::cpu::Real;
use crate::backend::field::{Extent, Field};
use crate::backend::mask::Mask;
use crate::backend::threads::get_or_make;
use crate::ops::linear::{Back, Forward};

/// Positions from which on F(4x4, 3x3) is faster than the other methods.
const LARGE_POSITIONS: usize = 144;

/// Positions and input channels from which on F(2x2, 3x3) is faster than patches.
const SMALL_POSITIONS: usize = 36;
const SMALL_CHANNELS: usize = 256;

/// How a convolution of this kind is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Winograd's F(4x4, 3x3).
    Large,
    /// Winograd's F(2x2, 3x3).
    Small,
    /// A product of the patches.
    Patches,
}

impl Method {
    /// For fields of so many positions and input channels. The embedded model's few channels go
    /// through their patches where the field is small: its units make much of one ReLU that rounding
    /// turns.
    pub fn fastest(positions: usize, inputs: usize) -> Self {
        match positions {
            LARGE_POSITIONS.. => Self::Large,
            SMALL_POSITIONS.. if inputs >= SMALL_CHANNELS => Self::Small,
            _ => Self::Patches,
        }
    }
}

/// The convolution, with what each method needs.
pub struct Spatial<T: Real> {
    kernel: Kernel<T>,
    /// From positions and input channels.
    choose: fn(usize, usize) -> Method,
    large: Winograd<T, 6, 4>,
    small: Winograd<T, 4, 2>,
    patches: OnceLock<Patches<T>>,
}

impl<T: Real> Spatial<T> {
    pub fn new(kernel: Kernel<T>, choose: fn(usize, usize) -> Method) -> Self {
        Self {
            kernel,
            choose,
            large: Winograd::default(),
            small: Winograd::default(),
            patches: OnceLock::new(),
        }
    }

    /// What it multiplies and adds.
    pub fn kernel(&self) -> &Kernel<T> {
        &self.kernel
    }

    fn method(&self, extent: Extent) -> Method {
        (self.choose)(extent.positions(), self.kernel.inputs)
    }

    fn patches(&self) -> &Patches<T> {
        get_or_make(&self.patches, || Patches::of(&self.kernel))
    }

    pub fn forward(&self, x: &Field<T>, then: Forward<T>) -> (Field<T>, Option<Mask>) {
        match self.method(x.extent) {
            Method::Large => self.large.forward(&self.kernel, x, then),
            Method::Small => self.small.forward(&self.kernel, x, then),
            Method::Patches => self.patches().forward(x, then),
        }
    }

    pub fn pullback(&self, dy: &Field<T>, from: Extent, then: Back<Field<T>>) -> Field<T> {
        match self.method(from) {
            Method::Large => self.large.pullback(&self.kernel, dy, then),
            Method::Small => self.small.pullback(&self.kernel, dy, then),
            Method::Patches => self.patches().pullback(dy, from, then),
        }
    }
}
