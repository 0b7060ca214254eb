//! How the encoder looks at a canvas.

use crate::encoder::tap::TapId;
use crate::model::Model;
use crate::model::preprocess::Normalisation;
use crate::ops::warp::{Sampling, Warp};

/// The encoder's square input for a canvas, with the model's normalisation.
#[derive(Debug, Clone)]
pub struct Viewport {
    side: usize,
    mean: [f64; 3],
    deviation: [f64; 3],
}

impl Viewport {
    /// For a canvas of `canvas x canvas` pixels when `taps` are read.
    pub fn new(model: &Model, canvas: usize, taps: &[TapId]) -> Self {
        let Normalisation { mean, deviation } = model.conventions.normalisation.value;
        Self {
            side: model.encoder.view(canvas, taps),
            mean: mean.map(f64::from),
            deviation: deviation.map(f64::from),
        }
    }

    /// The side of the encoder's input.
    pub fn side(&self) -> usize {
        self.side
    }

    /// The warp of a batch, of as many images as samplings.
    pub fn warps(&self, samplings: Vec<Sampling>) -> Warp {
        Warp {
            size: (self.side, self.side),
            samplings,
            mean: self.mean,
            deviation: self.deviation,
        }
    }
}
