//! Adam on the device. A step whose gradient an image lost does not count for that image, and nobody but the device
//! knows of it: so the corrections of all steps are there, and `kernels/adam.cu` takes those of the image's own.

use std::sync::Arc;

use crate::ascent::Settings;
use crate::ascent::adam::{CONSTANTS, corrections};
use crate::backend::cuda::launch::{adam_fwd, size};
use crate::backend::cuda::{Array, Gpu, Grid};
use crate::error::Result;

/// The optimiser's state for the pictures of a batch.
pub struct GpuAdam {
    images: usize,
    first: Array<f32>,
    second: Array<f32>,
    /// See [`CONSTANTS`].
    constants: Array<f32>,
    /// See [`pairs`].
    corrections: Array<f32>,
}

/// Length and correction of each step, as long as they change: in `f32` for some 17,000 steps.
fn pairs(rate: f64, steps: usize) -> Vec<[f32; 2]> {
    let mut pairs: Vec<[f32; 2]> = Vec::new();
    for step in 0..steps {
        let (corrected, correction) = corrections(rate, step as i32 + 1);
        pairs.push([corrected as f32, correction as f32]);
        if correction as f32 == 1.0 {
            break;
        }
    }
    pairs
}

impl GpuAdam {
    /// For `count` parameters of a batch of images.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn new(gpu: &Arc<Gpu>, images: usize, count: usize, settings: &Settings) -> Result<Self> {
        let pairs = pairs(settings.learning_rate, settings.steps);
        Ok(Self {
            images,
            first: Array::zeros(gpu, count)?,
            second: Array::zeros(gpu, count)?,
            constants: Array::upload(gpu, &CONSTANTS.map(|x| x as f32))?,
            corrections: Array::upload(gpu, pairs.as_flattened())?,
        })
    }

    /// One step up the gradient, but for images that have lost theirs.
    pub fn ascend(
        &mut self,
        parameters: &mut Array<f32>,
        gradient: &Array<f32>,
        lost: &Array<u32>,
        step: &Array<u32>,
    ) -> Result<()> {
        let (gpu, count) = (gradient.gpu(), gradient.len());
        adam_fwd(
            gpu,
            Grid::elements(count.div_ceil(4)),
            parameters.into(),
            (&mut self.first).into(),
            (&mut self.second).into(),
            gradient.into(),
            (&self.constants).into(),
            (&self.corrections).into(),
            lost.into(),
            step.into(),
            size(self.corrections.len() / 2)?,
            size(count / self.images)?,
            size(count)?,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that are left out are those of the last that is there.
    #[test]
    fn corrections_end_where_they_no_longer_change() {
        for rate in [0.05, 1e-30, 1e30] {
            let all = pairs(rate, 40_000);
            assert!((10_000..20_000).contains(&all.len()), "{}", all.len());
            for step in [all.len() + 1, 30_000, i32::MAX as usize] {
                let (rate, correction) = corrections(rate, step as i32);
                assert_eq!(all.last(), Some(&[rate as f32, correction as f32]));
            }
            assert_eq!(pairs(rate, 512), all[..512]);
            assert!(pairs(rate, 0).is_empty());
        }
    }
}
