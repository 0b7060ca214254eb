//! Decorrelated colours to RGB on a GPU (`kernels/synthesis.cu`).

use std::sync::Arc;

use super::matrix;
use crate::backend::cuda::launch::{size, synthesis_colour_bwd, synthesis_colour_fwd};
use crate::backend::cuda::{Array, Gpu, Grid};
use crate::error::Result;

/// The colour matrix in a device's memory.
pub struct GpuColours(Array<f32>);

impl GpuColours {
    /// The one matrix that all pictures share.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn upload(gpu: &Arc<Gpu>) -> Result<Self> {
        let rows = matrix().map(|row| row.map(|x| x as f32));
        Ok(Self(Array::upload(gpu, rows.as_flattened())?))
    }

    /// Planes `(images, 3, pixels)` to RGB in (0, 1).
    pub fn forward(&self, t: &Array<f32>, images: usize, pixels: usize) -> Result<Array<f32>> {
        let gpu = t.gpu();
        let mut rgb = Array::any(gpu, 3 * images * pixels)?;
        synthesis_colour_fwd(
            gpu,
            Grid::elements(images * pixels),
            t.into(),
            (&self.0).into(),
            (&mut rgb).into(),
            size(images)? as i32,
            size(pixels)? as i32,
        )?;
        Ok(rgb)
    }

    /// The cotangent of the planes, `(images, 3, pixels)`, from RGB and its cotangent.
    pub fn pullback(
        &self,
        (rgb, drgb): (&Array<f32>, &Array<f32>),
        images: usize,
        pixels: usize,
    ) -> Result<Array<f32>> {
        let gpu = rgb.gpu();
        let mut dt = Array::any(gpu, 3 * images * pixels)?;
        synthesis_colour_bwd(
            gpu,
            Grid::elements(images * pixels),
            rgb.into(),
            drgb.into(),
            (&self.0).into(),
            (&mut dt).into(),
            size(images)? as i32,
            size(pixels)? as i32,
        )?;
        Ok(dt)
    }
}
