//! The Fourier parameterisation's linear part: a half spectrum of free numbers to planes of
//! pixels, as lucid's `fft_image` has it.
//!
//! `t = irfft2(s * c) / 4` with `c` the complex half spectrum `(h, w/2 + 1)`, the inverse
//! transform normalised by `1 / (h w)`, and the scale `s = sqrt(h w) / max(f, 1 / max(h, w))^decay`
//! at frequency `f = sqrt(fy^2 + fx^2)` in cycles per pixel. As in `numpy.fft.irfft2`, the
//! imaginary parts of the first and, for even `w`, the last column do not reach the image once
//! the columns have been transformed.
//!
//! The pullback is `rfft2` of the cotangent with the same scale, divided by `4 h w`, twice over
//! for every column that stands for its mirror image too. The inverse is `4 rfft2 / s`.

mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;

use candle_core::Tensor;

use crate::backend::by_dtype;
use crate::error::Result;

/// Lucid's constant divisor, which sets the contrast of the first image (`fft_image`, "4").
const CONTRAST: f64 = 4.0;

/// The synthesis of `height x width` planes from half spectra.
pub struct Synthesis {
    height: usize,
    width: usize,
    /// `s / (4 h w)` for every bin of the half spectrum.
    scale: Vec<f64>,
    single: cpu::Plans<f32>,
    double: cpu::Plans<f64>,
}

impl Synthesis {
    /// Any size from 1 x 1; `decay` 1 is lucid's, larger values favour low frequencies.
    pub fn new(height: usize, width: usize, decay: f64) -> Self {
        Self {
            height,
            width,
            scale: scale(height, width, decay),
            single: cpu::Plans::new(height, width),
            double: cpu::Plans::new(height, width),
        }
    }

    /// Columns of a half spectrum, `w / 2 + 1`.
    pub fn columns(&self) -> usize {
        self.width / 2 + 1
    }

    /// `(n, c, h, w/2 + 1, 2)` real and imaginary parts to `(n, c, h, w)`.
    pub fn forward(&self, spectrum: &Tensor) -> Result<Tensor> {
        let spectrum = spectrum.contiguous()?;
        by_dtype!(spectrum, T => cpu::forward::<T>(self, &spectrum))
    }

    /// `(n, c, h, w)` to `(n, c, h, w/2 + 1, 2)`.
    pub fn pullback(&self, dt: &Tensor) -> Result<Tensor> {
        let dt = dt.contiguous()?;
        by_dtype!(dt, T => cpu::pullback::<T>(self, &dt))
    }

    /// The half spectra `(n, c, h, w/2 + 1, 2)` of planes `(n, c, h, w)`: `forward` makes these planes of them.
    pub fn inverse(&self, t: &Tensor) -> Result<Tensor> {
        let t = t.contiguous()?;
        by_dtype!(t, T => cpu::inverse::<T>(self, &t))
    }
}

fn frequency(index: usize, length: usize) -> f64 {
    index.min(length - index) as f64 / length as f64
}

fn scale(height: usize, width: usize, decay: f64) -> Vec<f64> {
    let lowest = 1.0 / height.max(width) as f64;
    let area = (height * width) as f64;
    (0..height)
        .flat_map(|y| (0..width / 2 + 1).map(move |x| (y, x)))
        .map(|(y, x)| {
            let f = frequency(y, height).hypot(frequency(x, width)).max(lowest);
            area.sqrt() / f.powf(decay) / (CONTRAST * area)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{assert_close, pullback_matches_differences, wave};
    use std::f64::consts::TAU;

    const SIZES: [(usize, usize); 7] = [(8, 8), (7, 5), (13, 11), (16, 9), (1, 1), (2, 3), (5, 2)];

    /// The sum over every bin of the full spectrum, each mirrored bin written out.
    fn naive(spectrum: &[f64], height: usize, width: usize, decay: f64) -> Vec<f64> {
        let columns = width / 2 + 1;
        let lowest = 1.0 / height.max(width) as f64;
        let mut image = vec![0.0; height * width];
        for (pixel, value) in image.iter_mut().enumerate() {
            let (y, x) = (pixel / width, pixel % width);
            for ky in 0..height {
                for kx in 0..columns {
                    let fy = (if ky > height / 2 {
                        ky as f64 - height as f64
                    } else {
                        ky as f64
                    }) / height as f64;
                    let fx = kx as f64 / width as f64;
                    let scale = ((height * width) as f64).sqrt()
                        / (fy * fy + fx * fx).sqrt().max(lowest).powf(decay);
                    let mirrored = kx != 0 && 2 * kx != width;
                    let angle = TAU * (ky as f64 * y as f64 / height as f64 + fx * x as f64);
                    let bin = 2 * (ky * columns + kx);
                    let real = spectrum[bin] * angle.cos() - spectrum[bin + 1] * angle.sin();
                    *value += scale * real * if mirrored { 2.0 } else { 1.0 };
                }
            }
            *value /= 4.0 * (height * width) as f64;
        }
        image
    }

    #[test]
    fn synthesis_matches_naive_dft() {
        for (height, width) in SIZES {
            for decay in [0.0, 1.0, 1.5] {
                let spectrum = wave(&[1, 1, height, width / 2 + 1, 2], 0.3);
                let image = Synthesis::new(height, width, decay)
                    .forward(&spectrum)
                    .unwrap();
                let ours: Vec<f64> = image.flatten_all().unwrap().to_vec1().unwrap();
                let theirs = naive(
                    &spectrum.flatten_all().unwrap().to_vec1().unwrap(),
                    height,
                    width,
                    decay,
                );
                for (ours, theirs) in ours.iter().zip(&theirs) {
                    assert_close(
                        *ours,
                        *theirs,
                        1e-10,
                        &format!("{height}x{width} decay {decay}"),
                    );
                }
            }
        }
    }

    #[test]
    fn the_pullback_is_the_transpose_of_the_naive_dft() {
        for (height, width) in SIZES {
            let synthesis = Synthesis::new(height, width, 1.0);
            let dt = wave(&[1, 1, height, width], 1.1);
            let pulled = synthesis.pullback(&dt).unwrap();
            let dt: Vec<f64> = dt.flatten_all().unwrap().to_vec1().unwrap();
            let pulled: Vec<f64> = pulled.flatten_all().unwrap().to_vec1().unwrap();
            for (bin, pulled) in pulled.iter().enumerate() {
                let mut unit = vec![0.0; height * (width / 2 + 1) * 2];
                unit[bin] = 1.0;
                let column = naive(&unit, height, width, 1.0);
                let transposed: f64 = column.iter().zip(&dt).map(|(a, b)| a * b).sum();
                assert!(
                    (pulled - transposed).abs() <= 1e-10,
                    "{height}x{width} bin {bin}: {pulled} and {transposed}"
                );
            }
        }
    }

    #[test]
    fn pullback_matches_central_differences() {
        for (height, width) in SIZES {
            let synthesis = Synthesis::new(height, width, 1.0);
            let spectrum = wave(&[2, 3, height, width / 2 + 1, 2], 0.3);
            pullback_matches_differences(
                &spectrum,
                |spectrum| synthesis.forward(spectrum),
                |dt| synthesis.pullback(dt),
            );
        }
    }
    #[test]
    fn the_inverse_finds_a_spectrum_of_any_planes() {
        for (height, width) in SIZES {
            for decay in [0.0, 1.0, 4.0] {
                let synthesis = Synthesis::new(height, width, decay);
                let t = wave(&[2, 3, height, width], 0.7);
                let spectrum = synthesis.inverse(&t).unwrap();
                let again = synthesis.forward(&spectrum).unwrap();
                let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
                for (a, b) in values(&t).into_iter().zip(values(&again)) {
                    assert_close(a, b, 1e-10, &format!("{height}x{width} decay {decay}"));
                }
            }
        }
    }
}
