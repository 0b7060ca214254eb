//! Any convolution as a product of its patches (im2col) with a packed matrix.

use std::ops::Range;

use super::kernel::{Kernel, Window};
use crate::backend::cpu::Real;
use crate::backend::field::{Extent, Field};
use crate::backend::mask::Mask;
use crate::backend::threads::each_row;
use crate::ops::linear::{Back, Forward, Linear};

/// A convolution over patches of `side x side` positions, rows before columns before channels.
pub struct Patches<T: Real> {
    pub linear: Linear<T>,
    pub inputs: usize,
    pub window: Window,
}

impl<T: Real> Patches<T> {
    pub fn of(kernel: &Kernel<T>) -> Self {
        let sizes = (kernel.patch(), kernel.outputs);
        let weight = |k, o| kernel.of_patch(k, o);
        Self {
            linear: Linear::of(sizes, weight, Some(kernel.bias.clone())),
            inputs: kernel.inputs,
            window: kernel.window,
        }
    }

    /// What it was made of.
    #[cfg(feature = "cuda")]
    pub fn kernel(&self) -> Kernel<T> {
        let (places, outputs) = (self.window.side * self.window.side, self.linear.outputs());
        let rows = self.linear.weight();
        let weight = |at: usize| {
            let (o, i, place) = (
                at / places / self.inputs,
                at / places % self.inputs,
                at % places,
            );
            rows[(o * places + place) * self.inputs + i]
        };
        let bias = self.linear.bias().map(<[T]>::to_vec);
        Kernel {
            weight: (0..rows.len()).map(weight).collect(),
            bias: bias.unwrap_or_else(|| vec![T::zero(); outputs]),
            inputs: self.inputs,
            outputs,
            window: self.window,
        }
    }

    /// The columns of the input that patches at output column `ox` cover, as far as there are any,
    /// and how many lie before them, in the padding.
    fn columns(&self, from: Extent, ox: usize) -> (Range<usize>, usize) {
        let left = ox * self.window.stride;
        let first = left.saturating_sub(self.window.padding);
        let end = (left + self.window.side)
            .saturating_sub(self.window.padding)
            .min(from.width);
        (first.min(end)..end, first + self.window.padding - left)
    }

    pub fn forward(&self, x: &Field<T>, then: Forward<T>) -> (Field<T>, Option<Mask>) {
        let (from, channels) = (x.extent, self.inputs);
        let mut patches = Field::any(self.window.patches(from));
        let to = patches.extent;
        each_row(&mut patches.elements, to.channels, |row, patch| {
            patch.fill(T::zero());
            let (image, position) = (row / to.positions(), row % to.positions());
            let (columns, skip) = self.columns(from, position % to.width);
            for ky in 0..self.window.side {
                let y = (position / to.width * self.window.stride + ky)
                    .wrapping_sub(self.window.padding);
                if y < from.height {
                    let start = ((image * from.height + y) * from.width + columns.start) * channels;
                    let source = &x.elements[start..][..columns.len() * channels];
                    let target = (ky * self.window.side + skip) * channels;
                    patch[target..][..source.len()].copy_from_slice(source);
                }
            }
        });
        self.linear.forward(&patches, then)
    }

    pub fn pullback(&self, dy: &Field<T>, from: Extent, then: Back<Field<T>>) -> Field<T> {
        let patches = self.linear.pullback(dy, Back::default());
        let (to, channels) = (patches.extent, self.inputs);
        let mut dx = Field::any(from);
        each_row(&mut dx.elements, from.width * channels, |row, dx| {
            dx.fill(T::zero());
            let (image, y) = (row / from.height, row % from.height);
            // The patches of output row `oy` reach rows from `oy * stride - padding` on.
            let reach = y + self.window.padding;
            let first = (reach + 1)
                .saturating_sub(self.window.side)
                .div_ceil(self.window.stride);
            for oy in first..to.height.min(reach / self.window.stride + 1) {
                let ky = reach - oy * self.window.stride;
                for ox in 0..to.width {
                    let (columns, skip) = self.columns(from, ox);
                    let patch = ((image * to.height + oy) * to.width + ox) * to.channels;
                    let source = patch + (ky * self.window.side + skip) * channels;
                    let target = &mut dx[columns.start * channels..columns.end * channels];
                    let source = &patches.elements[source..][..target.len()];
                    for (target, &source) in target.iter_mut().zip(source) {
                        *target += source;
                    }
                }
            }
        });
        then.finish(&mut dx);
        dx
    }
}
