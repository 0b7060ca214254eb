//! The parameterisation of a batch on a GPU.

use std::sync::Arc;

use super::{Parameterisation, Planes};
use crate::backend::cuda::{Array, Gpu};
use crate::error::Result;
use crate::ops::colour::cuda::GpuColours;
use crate::ops::fourier::cuda::GpuSynthesis;

/// A parameterisation whose constants are in a device's memory.
pub struct GpuParameterisation {
    pixels: usize,
    planes: GpuPlanes,
    colours: GpuColours,
}

/// As [`Planes`].
enum GpuPlanes {
    Fourier(Box<GpuSynthesis>),
    Pixel,
}

/// What the pullback needs of a forward pass.
pub struct GpuSaved {
    canvas: Arc<Array<f32>>,
}

impl Parameterisation {
    /// The same parameterisation on a device.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn upload(&self, gpu: &Arc<Gpu>) -> Result<GpuParameterisation> {
        Ok(GpuParameterisation {
            pixels: self.size.pixels(),
            planes: match &self.planes {
                Planes::Fourier(synthesis) => GpuPlanes::Fourier(Box::new(synthesis.upload(gpu)?)),
                Planes::Pixel => GpuPlanes::Pixel,
            },
            colours: GpuColours::upload(gpu)?,
        })
    }
}

impl GpuParameterisation {
    /// RGB planes `(images, 3, h, w)` of the free numbers of as many images, and what the pullback needs.
    pub fn forward(
        &self,
        numbers: &Array<f32>,
        images: usize,
    ) -> Result<(Arc<Array<f32>>, GpuSaved)> {
        let canvas = match &self.planes {
            GpuPlanes::Fourier(synthesis) => {
                let planes = synthesis.forward(numbers, 3 * images)?;
                self.colours.forward(&planes, images, self.pixels)?
            }
            GpuPlanes::Pixel => self.colours.forward(numbers, images, self.pixels)?,
        };
        let canvas = Arc::new(canvas);
        let saved = GpuSaved {
            canvas: canvas.clone(),
        };
        Ok((canvas, saved))
    }

    /// The cotangent of the free numbers from that of the RGB planes.
    pub fn pullback(
        &self,
        saved: &GpuSaved,
        cotangent: &Array<f32>,
        images: usize,
    ) -> Result<Array<f32>> {
        let rgb = (&*saved.canvas, cotangent);
        let planes = self.colours.pullback(rgb, images, self.pixels)?;
        match &self.planes {
            GpuPlanes::Fourier(synthesis) => synthesis.pullback(&planes, 3 * images),
            GpuPlanes::Pixel => Ok(planes),
        }
    }
}
