//! The synthesis on a GPU: products with cached bases, which at these sizes cost less than they save in
//! launches, and `kernels/synthesis.cu` around them.

use std::f64::consts::TAU;
use std::sync::Arc;

use super::Synthesis;
use crate::backend::cuda::launch::{size, synthesis_spectrum_bwd, synthesis_spectrum_fwd};
use crate::backend::cuda::product::{Matrices, Product};
use crate::backend::cuda::{Array, Gpu, Grid};
use crate::error::Result;

/// A synthesis whose bases are in a device's memory.
pub struct GpuSynthesis {
    height: usize,
    width: usize,
    scale: Array<f32>,
    /// `[[C, -D], [D, C]]` of cosines and sines over the rows, `(2 height, 2 height)`.
    columns: Array<f32>,
    /// Cosines over the columns, then negative sines, `(columns, width)` each, twice those of a column
    /// that stands for its mirror image too.
    rows: Array<f32>,
}

/// Cosine and sine of `index / length` turns, exact at quarters: what must vanish does.
fn turn(index: usize, length: usize) -> (f64, f64) {
    let index = index % length;
    match (4 * index / length, (4 * index).is_multiple_of(length)) {
        (0, true) => (1.0, 0.0),
        (1, true) => (0.0, 1.0),
        (2, true) => (-1.0, 0.0),
        (3, true) => (0.0, -1.0),
        _ => {
            let (sine, cosine) = (TAU * index as f64 / length as f64).sin_cos();
            (cosine, sine)
        }
    }
}

impl Synthesis {
    /// The same synthesis on a device.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn upload(&self, gpu: &Arc<Gpu>) -> Result<GpuSynthesis> {
        let (height, width, count) = (self.height, self.width, self.columns());
        let mut columns = vec![0.0; 4 * height * height];
        for y in 0..height {
            for k in 0..height {
                let (cosine, sine) = turn(y * k, height);
                columns[y * 2 * height + k] = cosine as f32;
                columns[y * 2 * height + height + k] = -sine as f32;
                columns[(height + y) * 2 * height + k] = sine as f32;
                columns[(height + y) * 2 * height + height + k] = cosine as f32;
            }
        }
        let mut rows = vec![0.0; 2 * count * width];
        for k in 0..count {
            let weight = if k == 0 || 2 * k == width { 1.0 } else { 2.0 };
            for x in 0..width {
                let (cosine, sine) = turn(k * x, width);
                rows[k * width + x] = (weight * cosine) as f32;
                rows[(count + k) * width + x] = (-weight * sine) as f32;
            }
        }
        let scale: Vec<f32> = self.scale.iter().map(|&x| x as f32).collect();
        Ok(GpuSynthesis {
            height,
            width,
            scale: Array::upload(gpu, &scale)?,
            columns: Array::upload(gpu, &columns)?,
            rows: Array::upload(gpu, &rows)?,
        })
    }
}

impl GpuSynthesis {
    fn count(&self) -> usize {
        self.width / 2 + 1
    }

    fn bins(&self) -> usize {
        self.height * self.count()
    }

    /// Where the real or imaginary parts of all planes lie, and the basis of their rows.
    fn part(&self, part: usize) -> (Matrices, Matrices) {
        let of_planes = Matrices {
            start: part * self.bins(),
            apart: 2 * self.bins(),
        };
        let of_basis = Matrices {
            start: part * self.count() * self.width,
            apart: 0,
        };
        (of_planes, of_basis)
    }

    /// Half spectra `(planes, h, w/2 + 1, 2)` to planes `(planes, h, w)`.
    pub fn forward(&self, spectrum: &Array<f32>, planes: usize) -> Result<Array<f32>> {
        let (gpu, height, bins) = (spectrum.gpu(), self.height, self.bins());
        let mut parts = Array::<f32>::any(gpu, 2 * planes * bins)?;
        synthesis_spectrum_fwd(
            gpu,
            Grid::elements(planes * bins),
            spectrum.into(),
            (&self.scale).into(),
            (&mut parts).into(),
            size(planes)? as i32,
            size(bins)? as i32,
        )?;
        let mut by_rows = Array::<f32>::any(gpu, 2 * planes * bins)?;
        Product::new(2 * height, 2 * height, self.count())
            .times(planes)
            .run(
                gpu,
                (&self.columns, Matrices::ONE),
                (&parts, Matrices::every(2 * bins)),
                (&mut by_rows, Matrices::every(2 * bins)),
            )?;
        let mut t = Array::<f32>::any(gpu, planes * height * self.width)?;
        for part in [0, 1] {
            let (of_planes, of_basis) = self.part(part);
            let product = Product::new(height, self.count(), self.width).times(planes);
            let product = if part == 0 { product } else { product.added() };
            product.run(
                gpu,
                (&by_rows, of_planes),
                (&self.rows, of_basis),
                (&mut t, Matrices::every(height * self.width)),
            )?;
        }
        Ok(t)
    }

    /// Cotangents of planes `(planes, h, w)` to those of half spectra.
    pub fn pullback(&self, dt: &Array<f32>, planes: usize) -> Result<Array<f32>> {
        let (gpu, height, bins) = (dt.gpu(), self.height, self.bins());
        let mut by_rows = Array::<f32>::any(gpu, 2 * planes * bins)?;
        for part in [0, 1] {
            let (of_planes, of_basis) = self.part(part);
            Product::new(height, self.width, self.count())
                .b_transposed()
                .times(planes)
                .run(
                    gpu,
                    (dt, Matrices::every(height * self.width)),
                    (&self.rows, of_basis),
                    (&mut by_rows, of_planes),
                )?;
        }
        let mut parts = Array::<f32>::any(gpu, 2 * planes * bins)?;
        Product::new(2 * height, 2 * height, self.count())
            .a_transposed()
            .times(planes)
            .run(
                gpu,
                (&self.columns, Matrices::ONE),
                (&by_rows, Matrices::every(2 * bins)),
                (&mut parts, Matrices::every(2 * bins)),
            )?;
        let mut spectrum = Array::any(gpu, 2 * planes * bins)?;
        synthesis_spectrum_bwd(
            gpu,
            Grid::elements(planes * bins),
            (&parts).into(),
            (&self.scale).into(),
            (&mut spectrum).into(),
            size(planes)? as i32,
            size(bins)? as i32,
        )?;
        Ok(spectrum)
    }
}
