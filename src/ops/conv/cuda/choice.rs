//! Which way a convolution goes on a GPU, by its shape and type. The one table:
//!
//! | kernel, stride, padding | input channels | positions | stored as | a product of |
//! |---|---|---|---|---|
//! | 1x1, 1, 0 | any | any | any | the field as it lies |
//! | 3x3, 1, 1 | 32 or more | 144 or more | `f32` | Winograd's transforms |
//! | | 32 to 127 | 144 or more | `f16`, `bf16` | Winograd's transforms |
//! | any other | | | | its patches |
//!
//! Forward and back go the same way, and the batch has no say, so that a picture's bytes do not depend on it.
//!
//! Nothing of it was measured yet: `cargo bench --features cuda --bench cuda` times both ways of every such convolution,
//! side by side. The table has Winograd's transforms where `kernels/roofline.py` counts less time for them than for patches at 32 images. Products between
//! the transforms are in `f32` without tensor cores, those of patches of 16-bit numbers are with them, and nine times
//! the field is moved for either. Small fields of `f32` go through patches as they do on the CPU, whose pictures ours
//! are compared with.

use crate::backend::cuda::Float;

/// Positions of an image from which on Winograd's filtering can be worth its transforms.
const WINOGRAD_POSITIONS: usize = 144;

/// Input channels from which on patches of 16-bit numbers are counted to be faster.
const NARROW_PATCHES_CHANNELS: usize = 128;

/// A way of a 3x3 convolution of stride 1 with 32 input channels or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// F(4x4, 3x3).
    Winograd,
    /// A product of the patches.
    Patches,
}

impl Way {
    /// The table's, for fields of so many positions an image and input channels, stored as `T`.
    pub fn of<T: Float>(positions: usize, inputs: usize) -> Self {
        let has_tensor_cores = size_of::<T>() < size_of::<f32>();
        match positions {
            ..WINOGRAD_POSITIONS => Self::Patches,
            _ if has_tensor_cores && inputs >= NARROW_PATCHES_CHANNELS => Self::Patches,
            _ => Self::Winograd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Way::{Patches, Winograd};
    use super::*;
    use half::{bf16, f16};

    /// Side and input channels of the 3x3 convolutions of RN50 at 224 pixels and RN50x4 at 288.
    #[test]
    fn ways_of_known_networks() {
        for (side, inputs, single, narrow) in [
            (112, 32, Winograd, Winograd),
            (56, 64, Winograd, Winograd),
            (56, 128, Winograd, Patches),
            (28, 128, Winograd, Patches),
            (28, 256, Winograd, Patches),
            (14, 256, Winograd, Patches),
            (14, 512, Winograd, Patches),
            (7, 512, Patches, Patches),
            (144, 40, Winograd, Winograd),
            (72, 80, Winograd, Winograd),
            (72, 160, Winograd, Patches),
            (36, 160, Winograd, Patches),
            (36, 320, Winograd, Patches),
            (18, 320, Winograd, Patches),
            (18, 640, Winograd, Patches),
            (9, 640, Patches, Patches),
        ] {
            let positions = side * side;
            let ways = [
                Way::of::<f32>(positions, inputs),
                Way::of::<f16>(positions, inputs),
                Way::of::<bf16>(positions, inputs),
            ];
            assert_eq!(ways, [single, narrow, narrow], "{side}, {inputs}");
        }
    }
}
