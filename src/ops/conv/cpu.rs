//! Convolution through patches and one matrix product an image.

use candle_core::Tensor;

use super::Geometry;
use crate::backend::cpu::{Matrix, Real, View, product, tensor};
use crate::error::Result;

pub fn forward<T: Real>(x: &Tensor, weight: &Tensor, bias: &Tensor, g: Geometry) -> Result<Tensor> {
    let images = x.dim(0)?;
    let (x, weight, bias) = (
        View::<T>::of(x)?,
        View::<T>::of(weight)?,
        View::<T>::of(bias)?,
    );
    let pixels = g.out_height() * g.out_width();
    let mut y = vec![T::zero(); images * g.outputs * pixels];
    let mut patches = Vec::new();
    for (x, y) in x
        .chunks_exact(g.inputs * g.height * g.width)
        .zip(y.chunks_exact_mut(g.outputs * pixels))
    {
        let columns = if g.is_pointwise() {
            x
        } else {
            patches.clear();
            patches.resize(g.depth() * pixels, T::zero());
            gather_patches(x, &mut patches, g);
            &patches
        };
        let weight = Matrix::new(&weight, g.outputs, g.depth());
        product(
            y,
            pixels,
            T::one(),
            weight,
            Matrix::new(columns, g.depth(), pixels),
        );
        for (y, &bias) in y.chunks_exact_mut(pixels).zip(bias.iter()) {
            for y in y {
                *y += bias;
            }
        }
    }
    tensor(y, (images, g.outputs, g.out_height(), g.out_width()))
}

pub fn pullback<T: Real>(dy: &Tensor, weight: &Tensor, g: Geometry) -> Result<Tensor> {
    let images = dy.dim(0)?;
    let (dy, weight) = (View::<T>::of(dy)?, View::<T>::of(weight)?);
    let pixels = g.out_height() * g.out_width();
    let mut dx = vec![T::zero(); images * g.inputs * g.height * g.width];
    let mut patches = Vec::new();
    for (dy, dx) in dy
        .chunks_exact(g.outputs * pixels)
        .zip(dx.chunks_exact_mut(g.inputs * g.height * g.width))
    {
        let weight = Matrix::new(&weight, g.outputs, g.depth()).transposed();
        let dy = Matrix::new(dy, g.outputs, pixels);
        if g.is_pointwise() {
            product(dx, pixels, T::one(), weight, dy);
        } else {
            patches.resize(g.depth() * pixels, T::zero());
            product(&mut patches, pixels, T::one(), weight, dy);
            scatter_patches(&patches, dx, g);
        }
    }
    tensor(dx, (images, g.inputs, g.height, g.width))
}

/// Visits, for every element of a patch, each row of output pixels that sees it: calls
/// `visit(patch offset, image offset, count)` for runs of `count` output pixels whose input
/// pixels lie `stride` apart. Pixels in the padding are left out.
fn runs(g: Geometry, mut visit: impl FnMut(usize, usize, usize)) {
    let (out_height, out_width) = (g.out_height(), g.out_width());
    for channel in 0..g.inputs {
        for ky in 0..g.kernel {
            for kx in 0..g.kernel {
                let row = ((channel * g.kernel + ky) * g.kernel + kx) * out_height * out_width;
                let first = g.padding.saturating_sub(kx).div_ceil(g.stride);
                let end = (g.width + g.padding - kx).div_ceil(g.stride).min(out_width);
                if first >= end {
                    continue;
                }
                for oy in 0..out_height {
                    let Some(y) = (oy * g.stride + ky).checked_sub(g.padding) else {
                        continue;
                    };
                    if y >= g.height {
                        break;
                    }
                    let x = first * g.stride + kx - g.padding;
                    let pixel = (channel * g.height + y) * g.width + x;
                    visit(row + oy * out_width + first, pixel, end - first);
                }
            }
        }
    }
}

fn gather_patches<T: Real>(image: &[T], patches: &mut [T], g: Geometry) {
    runs(g, |patch, pixel, count| {
        let source = image[pixel..].iter().step_by(g.stride);
        for (patch, &value) in patches[patch..patch + count].iter_mut().zip(source) {
            *patch = value;
        }
    });
}

fn scatter_patches<T: Real>(patches: &[T], image: &mut [T], g: Geometry) {
    runs(g, |patch, pixel, count| {
        let target = image[pixel..].iter_mut().step_by(g.stride);
        for (&value, pixel) in patches[patch..patch + count].iter().zip(target) {
            *pixel += value;
        }
    });
}
