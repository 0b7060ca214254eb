use std::sync::Arc;

use candle_core::Tensor;
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

use super::Synthesis;
use crate::backend::cpu::{Elements, Real, tensor};
use crate::backend::threads::try_each_row;
use crate::error::{Error, Kind, Result};

/// The one-dimensional transforms of one size.
pub struct Plans<T> {
    rows_forward: Arc<dyn RealToComplex<T>>,
    rows_inverse: Arc<dyn ComplexToReal<T>>,
    columns_forward: Arc<dyn Fft<T>>,
    columns_inverse: Arc<dyn Fft<T>>,
}

impl<T: Real> Plans<T> {
    pub fn new(height: usize, width: usize) -> Self {
        let mut rows = RealFftPlanner::new();
        let mut columns = FftPlanner::new();
        Self {
            rows_forward: rows.plan_fft_forward(width),
            rows_inverse: rows.plan_fft_inverse(width),
            columns_forward: columns.plan_fft_forward(height),
            columns_inverse: columns.plan_fft_inverse(height),
        }
    }
}

/// Picks the plans of an element type.
pub trait Planned: Real {
    fn plans(synthesis: &Synthesis) -> &Plans<Self>;
}

impl Planned for f32 {
    fn plans(synthesis: &Synthesis) -> &Plans<f32> {
        &synthesis.single
    }
}

impl Planned for f64 {
    fn plans(synthesis: &Synthesis) -> &Plans<f64> {
        &synthesis.double
    }
}

/// Transforms every column of a row-major `(height, columns)` plane in place.
fn transform_columns<T: Real>(plane: &mut [Complex<T>], columns: usize, fft: &dyn Fft<T>) {
    let mut column = vec![Complex::default(); fft.len()];
    let mut scratch = vec![Complex::default(); fft.get_inplace_scratch_len()];
    for x in 0..columns {
        for (value, row) in column.iter_mut().zip(plane.chunks_exact(columns)) {
            *value = row[x];
        }
        fft.process_with_scratch(&mut column, &mut scratch);
        for (value, row) in column.iter().zip(plane.chunks_exact_mut(columns)) {
            row[x] = *value;
        }
    }
}

fn failed(source: realfft::FftError) -> Error {
    Error::new(Kind::Internal, "a Fourier transform failed").caused_by(source)
}

pub fn forward<T: Planned>(synthesis: &Synthesis, spectrum: &Tensor) -> Result<Tensor> {
    let (images, channels) = (spectrum.dim(0)?, spectrum.dim(1)?);
    let Synthesis { height, width, .. } = *synthesis;
    let columns = synthesis.columns();
    let plans = T::plans(synthesis);
    let spectrum = Elements::<T>::of(spectrum)?;
    let spectrum: &[T] = &spectrum;
    let mut t = vec![T::zero(); images * channels * height * width];
    try_each_row(&mut t, height * width, |index, t| {
        let bins = &spectrum[index * 2 * height * columns..][..2 * height * columns];
        let scaled = |(bin, &scale): (&[T], &f64)| {
            let scale = T::of(scale);
            Complex::new(bin[0] * scale, bin[1] * scale)
        };
        let bins = bins.chunks_exact(2).zip(&synthesis.scale);
        let mut plane: Vec<Complex<T>> = bins.map(scaled).collect();
        transform_columns(&mut plane, columns, &*plans.columns_inverse);
        let mut scratch = plans.rows_inverse.make_scratch_vec();
        for (row, t) in plane
            .chunks_exact_mut(columns)
            .zip(t.chunks_exact_mut(width))
        {
            row[0].im = T::zero();
            if width % 2 == 0 {
                row[columns - 1].im = T::zero();
            }
            plans
                .rows_inverse
                .process_with_scratch(row, t, &mut scratch)
                .map_err(failed)?;
        }
        Ok(())
    })?;
    tensor(t, (images, channels, height, width))
}

/// `rfft2` of planes, with the real and imaginary part of each bin of the half spectrum multiplied by a factor of its
/// scale and of whether it stands for itself alone, not for its mirror image too.
fn analyse<T: Planned>(
    synthesis: &Synthesis,
    planes: &Tensor,
    factor: impl Fn(f64, bool) -> f64 + Sync,
) -> Result<Tensor> {
    let (images, channels, height, width) = planes.dims4()?;
    let columns = synthesis.columns();
    let plans = T::plans(synthesis);
    let planes = Elements::<T>::of(planes)?;
    let planes: &[T] = &planes;
    let mut spectrum = vec![T::zero(); images * channels * height * columns * 2];
    try_each_row(&mut spectrum, 2 * height * columns, |index, spectrum| {
        let mut rows = planes[index * height * width..][..height * width].to_vec();
        let mut plane = vec![Complex::default(); height * columns];
        let mut scratch = plans.rows_forward.make_scratch_vec();
        for (bins, row) in plane
            .chunks_exact_mut(columns)
            .zip(rows.chunks_exact_mut(width))
        {
            plans
                .rows_forward
                .process_with_scratch(row, bins, &mut scratch)
                .map_err(failed)?;
        }
        transform_columns(&mut plane, columns, &*plans.columns_forward);
        let bins = plane.iter().zip(&synthesis.scale);
        for (index, ((bin, &scale), out)) in bins.zip(spectrum.chunks_exact_mut(2)).enumerate() {
            let (y, x) = (index / columns, index % columns);
            let alone = x == 0 || 2 * x == width;
            let factor = T::of(factor(scale, alone));
            // A bin that is its own mirror image is real: its imaginary part has no effect, and
            // must not be moved by rounding errors either.
            let real = alone && (y == 0 || 2 * y == height);
            out[0] = bin.re * factor;
            out[1] = if real { T::zero() } else { bin.im * factor };
        }
        Ok(())
    })?;
    tensor(spectrum, (images, channels, height, columns, 2))
}

pub fn pullback<T: Planned>(synthesis: &Synthesis, dt: &Tensor) -> Result<Tensor> {
    analyse::<T>(
        synthesis,
        dt,
        |scale, alone| {
            if alone { scale } else { 2.0 * scale }
        },
    )
}

pub fn inverse<T: Planned>(synthesis: &Synthesis, t: &Tensor) -> Result<Tensor> {
    let pixels = (synthesis.height * synthesis.width) as f64;
    analyse::<T>(synthesis, t, |scale, _| 1.0 / (pixels * scale))
}
