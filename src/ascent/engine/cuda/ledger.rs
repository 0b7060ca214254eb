//! What steps measure on the device, with the scales that keep what they measure in the range of `f16`.

use std::sync::Arc;

use super::measure::{Measures, Penalties};
use super::scales::Scales;
use super::terms::Terms;
use crate::ascent::engine::Objectives;
use crate::backend::cuda::launch::size;
use crate::backend::cuda::{Array, Float, Gpu};
use crate::error::Result;

/// What differs from step to step in numbers, see `kernels/prelude.cuh`.
pub const WORDS: usize = 2;

/// The entries of steps, each at its place.
pub struct Ledger {
    pub scales: Scales,
    pub measures: Measures,
    /// As many as [`WORDS`].
    pub words: Array<u32>,
}

impl Ledger {
    /// Room for so many steps of a batch, whose activations are stored as `T`.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn new<T: Float>(
        gpu: &Arc<Gpu>,
        places: usize,
        of: &Objectives,
        terms: &[Terms],
        penalties: Option<&Penalties>,
    ) -> Result<Self> {
        let weights = of.bound.iter().map(|objective| objective.largest_weight());
        Ok(Self {
            scales: Scales::new::<T>(gpu, &weights.collect::<Vec<_>>())?,
            measures: Measures::new(gpu, places, of.bound.len(), terms, penalties)?,
            words: Array::zeros(gpu, WORDS)?,
        })
    }

    /// Opens the entry of a step, counted from 0.
    pub fn begin(&mut self, step: usize, place: usize) -> Result<()> {
        self.words.set(&[size(step)?, size(place)?])
    }

    /// Notes the square of each image's norm.
    pub fn note_gradient(&mut self, gradient: &Array<f32>) -> Result<()> {
        let measures = &mut self.measures;
        let length = gradient.len() / measures.images;
        self.scales
            .squares(gradient, length, &self.words, &mut measures.of_units)
    }
}
