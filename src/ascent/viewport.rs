//! How the encoder looks at a canvas.

use crate::encoder::tap::TapId;
use crate::model::Model;
use crate::model::preprocess::Normalisation;
use crate::ops::warp::{Sampling, Warp};
use crate::size::Size;

/// The encoder's input for a canvas, with the model's normalisation.
#[derive(Debug, Clone)]
pub struct Viewport {
    size: Size,
    mean: [f64; 3],
    deviation: [f64; 3],
}

impl Viewport {
    /// For a canvas of this size when `taps` are read.
    pub fn new(model: &Model, canvas: Size, taps: &[TapId]) -> Self {
        let Normalisation { mean, deviation } = model.conventions.normalisation.value;
        Self {
            size: model.encoder.view(canvas, taps),
            mean: mean.map(f64::from),
            deviation: deviation.map(f64::from),
        }
    }

    /// The size of the encoder's input.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The warp of a batch, of as many images as samplings.
    pub fn warps(&self, samplings: Vec<Sampling>) -> Warp {
        Warp {
            size: (self.size.height, self.size.width),
            samplings,
            mean: self.mean,
            deviation: self.deviation,
        }
    }
}
