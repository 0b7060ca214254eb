//! Any convolution as a product of its patches (im2col) with a packed matrix.

use crate::backend::cpu::Real;
use crate::backend::field::{Extent, Field};
use crate::backend::mask::Mask;
use crate::backend::threads::each_row;
use crate::ops::linear::{Back, Forward, Linear};

/// A convolution over patches of `kernel x kernel` positions, rows before columns before channels.
pub struct Patches<T: Real> {
    pub linear: Linear<T>,
    pub inputs: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl<T: Real> Patches<T> {
    fn outputs(&self, from: Extent) -> Extent {
        let size = |size: usize| (size + 2 * self.padding - self.kernel) / self.stride + 1;
        Extent {
            height: size(from.height),
            width: size(from.width),
            channels: self.kernel * self.kernel * self.inputs,
            ..from
        }
    }

    /// For the patch at output `(oy, ox)` and each of its rows: the row's number, and the input's
    /// row and columns that lie inside, with where they start in the patch's row.
    fn runs(
        &self,
        from: Extent,
        (oy, ox): (usize, usize),
        mut visit: impl FnMut(usize, usize, std::ops::Range<usize>, usize),
    ) {
        let left = (ox * self.stride) as isize - self.padding as isize;
        let first = left.max(0) as usize;
        let end = (left + self.kernel as isize).clamp(0, from.width as isize) as usize;
        for ky in 0..self.kernel {
            let Some(y) = (oy * self.stride + ky).checked_sub(self.padding) else {
                continue;
            };
            if y < from.height && first < end {
                visit(ky, y, first..end, (first as isize - left) as usize);
            }
        }
    }

    pub fn forward(&self, x: &Field<T>, then: Forward<T>) -> (Field<T>, Option<Mask>) {
        let (from, channels) = (x.extent, self.inputs);
        let mut patches = Field::any(self.outputs(from));
        let to = patches.extent;
        each_row(&mut patches.elements, to.channels, |row, patch| {
            patch.fill(T::zero());
            let (image, position) = (row / to.positions(), row % to.positions());
            let place = (position / to.width, position % to.width);
            self.runs(from, place, |ky, y, columns, skip| {
                let start = ((image * from.height + y) * from.width + columns.start) * channels;
                let source = &x.elements[start..][..columns.len() * channels];
                let target = (ky * self.kernel + skip) * channels;
                patch[target..][..source.len()].copy_from_slice(source);
            });
        });
        self.linear.forward(&patches, then)
    }

    pub fn pullback(&self, dy: &Field<T>, from: Extent, then: Back<T>) -> Field<T> {
        let patches = self.linear.pullback(dy, Back::default());
        let (to, channels) = (patches.extent, self.inputs);
        let mut dx = Field::any(from);
        let per_image = from.positions() * channels;
        each_row(&mut dx.elements, per_image, |image, dx| {
            dx.fill(T::zero());
            let patches = &patches.elements[image * to.positions() * to.channels..];
            for (position, patch) in patches
                .chunks_exact(to.channels)
                .take(to.positions())
                .enumerate()
            {
                let place = (position / to.width, position % to.width);
                self.runs(from, place, |ky, y, columns, skip| {
                    let start = (y * from.width + columns.start) * channels;
                    let target = &mut dx[start..][..columns.len() * channels];
                    let source = &patch[(ky * self.kernel + skip) * channels..];
                    for (target, &source) in target.iter_mut().zip(source) {
                        *target += source;
                    }
                });
            }
        });
        then.finish(&mut dx);
        dx
    }
}
