//! How the encoder looks at a canvas.

use crate::encoder::tap::TapId;
use crate::model::Model;
use crate::model::preprocess::Normalisation;
use crate::ops::warp::{Sampling, Warp};

/// The encoder's square input for a canvas, with the model's normalisation.
#[derive(Debug, Clone)]
pub struct View {
    side: usize,
    mean: [f64; 3],
    deviation: [f64; 3],
}

impl View {
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

    /// The warp of one image.
    pub fn warp(&self, sampling: Sampling) -> Warp {
        self.warps(vec![sampling])
    }

    /// The warp of a batch.
    pub fn warps(&self, samplings: Vec<Sampling>) -> Warp {
        Warp {
            size: (self.side, self.side),
            samplings,
            mean: self.mean,
            deviation: self.deviation,
        }
    }
}
