//! The parameterisation of a batch on a GPU.

use std::sync::Arc;

use super::Parameterisation;
use crate::backend::cuda::{Array, Gpu};
use crate::error::Result;
use crate::ops::colour::cuda::GpuColours;
use crate::ops::fourier::cuda::GpuSynthesis;

/// A parameterisation whose constants are in a device's memory.
pub struct GpuParameterisation {
    pixels: usize,
    synthesis: Option<GpuSynthesis>,
    colours: GpuColours,
}

impl Parameterisation {
    /// The same parameterisation on a device.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn upload(&self, gpu: &Arc<Gpu>) -> Result<GpuParameterisation> {
        let synthesis = self.synthesis.as_ref();
        Ok(GpuParameterisation {
            pixels: self.side * self.side,
            synthesis: synthesis.map(|own| own.upload(gpu)).transpose()?,
            colours: GpuColours::upload(gpu)?,
        })
    }
}

impl GpuParameterisation {
    /// RGB planes `(images, 3, side, side)` of the free numbers of as many images.
    pub fn image(&self, parameters: &Array<f32>, images: usize) -> Result<Array<f32>> {
        match &self.synthesis {
            Some(synthesis) => {
                let t = synthesis.forward(parameters, 3 * images)?;
                self.colours.forward(&t, images, self.pixels)
            }
            None => self.colours.forward(parameters, images, self.pixels),
        }
    }

    /// The cotangent of the free numbers from RGB planes and their cotangent.
    pub fn pullback(
        &self,
        rgb: &Array<f32>,
        drgb: &Array<f32>,
        images: usize,
    ) -> Result<Array<f32>> {
        let dt = self.colours.pullback((rgb, drgb), images, self.pixels)?;
        match &self.synthesis {
            Some(synthesis) => synthesis.pullback(&dt, 3 * images),
            None => Ok(dt),
        }
    }
}
