//! The warp of a batch on a GPU (`kernels/warp.cu`): RGB planes to a field of the encoder's type.

use std::sync::Arc;

use super::{Fill, Sampling, Warp};
use crate::backend::cuda::launch::{size, warp_bwd, warp_fwd};
use crate::backend::cuda::{Array, Float, Gpu, GpuField, Grid};
use crate::backend::field::Extent;
use crate::error::{Result, bail};

/// A warp whose numbers are in a device's memory.
pub struct GpuWarp {
    output: (usize, usize),
    images: usize,
    /// Of each image: the linear part, the shift, the inverse of the linear part.
    maps: Array<f32>,
    /// Of each image: the kind of fill, the bits of its value, the halves of its seed.
    fills: Array<u32>,
    /// Of each channel the mean, and the inverse deviation.
    norm: Array<f32>,
}

fn map_numbers(sampling: &Sampling) -> Result<[f32; 10]> {
    let [[a, b], [c, d]] = sampling.map.linear;
    let determinant = a * d - b * c;
    if !determinant.is_normal() {
        bail!(
            Numeric,
            "a transform shrinks the image to a line or a point; take other factors"
        );
    }
    let [x, y] = sampling.map.shift;
    let inverse = [d, -b, -c, a].map(|v| v / determinant);
    let [e, f, g, h] = inverse;
    Ok([a, b, c, d, x, y, e, f, g, h].map(|v| v as f32))
}

fn fill_words(fill: Fill) -> [u32; 4] {
    match fill {
        Fill::Constant(value) => [0, (value as f32).to_bits(), 0, 0],
        Fill::Reflect => [1, 0, 0, 0],
        Fill::Edge => [2, 0, 0, 0],
        Fill::Noise(seed) => [3, 0, seed as u32, (seed >> 32) as u32],
    }
}

impl Warp {
    /// The same warp on a device.
    ///
    /// # Errors
    /// When a map has no inverse, or the device's memory is full.
    pub fn upload(&self, gpu: &Arc<Gpu>) -> Result<GpuWarp> {
        let (maps, fills) = self.numbers()?;
        let inverse = self.deviation.map(|deviation| (1.0 / deviation) as f32);
        let mean = self.mean.map(|mean| mean as f32);
        let norm = [mean, inverse];
        Ok(GpuWarp {
            output: self.size,
            images: self.samplings.len(),
            maps: Array::upload(gpu, &maps)?,
            fills: Array::upload(gpu, &fills)?,
            norm: Array::upload(gpu, norm.as_flattened())?,
        })
    }
}

impl Warp {
    /// What the device has of each image: the maps' numbers, and the fills' words.
    fn numbers(&self) -> Result<(Vec<f32>, Vec<u32>)> {
        let maps: Result<Vec<[f32; 10]>> = self.samplings.iter().map(map_numbers).collect();
        let fills = self.samplings.iter().flat_map(|s| fill_words(s.fill));
        Ok((maps?.into_flattened(), fills.collect()))
    }
}

impl GpuWarp {
    /// Takes over the samplings of another warp, of as many images.
    ///
    /// # Errors
    /// When a map has no inverse, or there are more images than before (a defect of the caller).
    pub fn set(&mut self, warp: &Warp) -> Result<()> {
        let (maps, fills) = warp.numbers()?;
        self.maps.set(&maps)?;
        self.fills.set(&fills)
    }

    /// RGB planes `(n, 3, height, width)` to the encoder's input.
    pub fn forward<T: Float>(
        &self,
        x: &Array<f32>,
        (height, width): (usize, usize),
    ) -> Result<GpuField<T>> {
        let gpu = x.gpu();
        let to = Extent {
            images: self.images,
            height: self.output.0,
            width: self.output.1,
            channels: 3,
        };
        let mut y = GpuField::any(gpu, to)?;
        warp_fwd(
            gpu,
            Grid::elements(to.rows()),
            x.into(),
            (&self.maps).into(),
            (&self.fills).into(),
            (&self.norm).into(),
            (&mut y.elements).into(),
            size(to.images)? as i32,
            size(height)? as i32,
            size(width)? as i32,
            size(to.height)? as i32,
            size(to.width)? as i32,
        )?;
        Ok(y)
    }

    /// The cotangent of RGB planes `(n, 3, height, width)`, from one that was multiplied by a power of two
    /// for each image.
    pub fn pullback<T: Float>(
        &self,
        dy: &GpuField<T>,
        scales: &Array<f32>,
        (height, width): (usize, usize),
    ) -> Result<Array<f32>> {
        let gpu = dy.gpu();
        let pixels = self.images * height * width;
        let mut dx = Array::any(gpu, 3 * pixels)?;
        warp_bwd(
            gpu,
            Grid::elements(pixels),
            (&dy.elements).into(),
            (&self.maps).into(),
            (&self.fills).into(),
            (&self.norm).into(),
            scales.into(),
            (&mut dx).into(),
            size(self.images)? as i32,
            size(height)? as i32,
            size(width)? as i32,
            size(self.output.0)? as i32,
            size(self.output.1)? as i32,
        )?;
        Ok(dx)
    }
}
