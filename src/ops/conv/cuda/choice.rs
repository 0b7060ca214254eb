//! Which method convolves on a GPU, by the convolution's shape and type. The one table:
//!
//! | kernel, stride, padding | input channels | positions | stored as | a product of | with the feature `cudnn` |
//! |---|---|---|---|---|---|
//! | 1x1, 1, 0 | any | any | any | the field as it lies | the same |
//! | 3x3, 1, 1 | 32 or more | 144 or more | `f32` | Winograd's transforms | the same |
//! | | 32 to 127 | 144 or more | `f16`, `bf16` | Winograd's transforms | cuDNN's |
//! | any other, its windows overlap | | | `f16`, `bf16` | its patches | cuDNN's |
//! | any other | | | | its patches | the same |
//!
//! Forward and back are made by the same method, and the batch has no say, so that a picture's bytes do not depend on
//! it.
//!
//! None of it has been measured yet: `cargo bench --features cuda --bench cuda` (or `cudnn`) times all methods of every
//! 3x3 convolution side by side. The table follows `kernels/roofline.py` at 32 images. It has Winograd's transforms
//! where they are estimated to take less time than patches: products between the transforms are in `f32` without tensor
//! cores, those of patches of 16-bit numbers are with them, and nine times the field is moved for either. cuDNN gathers
//! patches while it multiplies, with tensor cores: it moves the field once, and is estimated to take the least time of
//! 16-bit numbers everywhere; in `f32` it multiplies as often as patches do. Where windows do not overlap nothing is
//! gathered twice. Small fields of `f32` go through patches as they do on the CPU, whose pictures ours are compared
//! with.

use crate::backend::cuda::Float;
use crate::ops::conv::WINOGRAD_CHANNELS;
use crate::ops::conv::kernel::Window;

/// Positions of an image from which on Winograd's filtering can be worth its transforms.
const WINOGRAD_POSITIONS: usize = 144;

/// Input channels from which on patches of 16-bit numbers are estimated to be faster.
const NARROW_PATCHES_CHANNELS: usize = 128;

/// How a convolution that is not 1x1 is computed on a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuMethod {
    /// F(4x4, 3x3), for 3x3 convolutions of stride 1 with 32 input channels or more.
    Winograd,
    /// A product of the patches.
    Patches,
    /// NVIDIA's library.
    #[cfg(feature = "cudnn")]
    Cudnn,
}

impl GpuMethod {
    /// Every one.
    pub const ALL: &[Self] = &[
        Self::Winograd,
        Self::Patches,
        #[cfg(feature = "cudnn")]
        Self::Cudnn,
    ];

    /// The table's, for fields of so many input channels and positions an image, stored as `T`.
    pub fn of<T: Float>(window: Window, inputs: usize, positions: usize) -> Self {
        let has_tensor_cores = size_of::<T>() < size_of::<f32>();
        #[cfg(feature = "cudnn")]
        if has_tensor_cores && window.side > window.stride {
            return Self::Cudnn;
        }
        let are_patches_faster =
            positions < WINOGRAD_POSITIONS || has_tensor_cores && inputs >= NARROW_PATCHES_CHANNELS;
        if Self::Winograd.suits(window, inputs) && !are_patches_faster {
            Self::Winograd
        } else {
            Self::Patches
        }
    }

    /// Whether a convolution can be computed so.
    pub(super) fn suits(self, window: Window, inputs: usize) -> bool {
        self != Self::Winograd || window == Window::SPATIAL && inputs >= WINOGRAD_CHANNELS
    }
}
