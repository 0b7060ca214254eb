//! A step on the device. Its launches are the same at every step: what differs is put into the device's memory
//! before, so that a step can be recorded and launched again.

use std::sync::Arc;

use super::adam::GpuAdam;
use super::measure::{Measures, Penalties};
use super::scales::Scales;
use super::terms::Terms;
use crate::backend::cuda::launch::size;
use crate::backend::cuda::{Array, Float, Gpu, Graph};
use crate::encoder::engine::cuda::Cuda;
use crate::encoder::layer::Rules;
use crate::encoder::program::Program;
use crate::encoder::tap::TapId;
use crate::error::Result;
use crate::ops::warp::Warp;
use crate::ops::warp::cuda::GpuWarp;
use crate::param::cuda::GpuParameterisation;

/// What a step works on.
pub struct Stepper<'a, T: Float> {
    pub gpu: &'a Arc<Gpu>,
    pub program: &'a Program<Cuda<T>>,
    pub taps: &'a [TapId],
    pub images: usize,
    /// Of the canvas, in pixels.
    pub side: usize,
    pub parameterisation: GpuParameterisation,
    pub terms: Vec<Terms>,
    pub penalties: Option<Penalties>,
    pub scales: Scales,
    pub parameters: Array<f32>,
    pub adam: GpuAdam,
    pub measures: Measures,
    pub drawn: Drawn,
}

/// What differs from step to step in numbers, see `kernels/prelude.cuh`.
pub const WORDS: usize = 2;

/// What differs from step to step.
pub struct Drawn {
    warp: GpuWarp,
    /// As many as [`WORDS`].
    words: Array<u32>,
}

impl Drawn {
    /// Before the first step.
    ///
    /// # Errors
    /// When a map has no inverse, or the device's memory is full.
    pub fn new(gpu: &Arc<Gpu>, warp: &Warp) -> Result<Self> {
        Ok(Self {
            warp: warp.upload(gpu)?,
            words: Array::zeros(gpu, WORDS)?,
        })
    }

    /// A step's transforms, its number, counted from 0, and the place of its measurements.
    pub fn set(&mut self, warp: &Warp, step: usize, place: usize) -> Result<()> {
        self.warp.set(warp)?;
        self.words.set(&[size(step)?, size(place)?])
    }
}

impl<T: Float> Stepper<'_, T> {
    /// Asks the device for a step.
    pub fn launch(&mut self, rules: Rules) -> Result<()> {
        let (images, side) = (self.images, self.side);
        let rgb = self.parameterisation.image(&self.parameters, images)?;
        let mut gradient = match self.taps {
            [] => Array::zeros(self.gpu, 3 * images * side * side)?,
            _ => self.of_units(&rgb, rules)?,
        };
        let (length, step) = (3 * side * side, &self.drawn.words);
        let measures = &mut self.measures;
        self.scales
            .squares(&gradient, length, step, &mut measures.of_units)?;
        if let (Some(penalties), Some(measured)) = (&self.penalties, &mut measures.of_penalties) {
            penalties.add(&rgb, &mut gradient, side, step, measured)?;
        }
        let gradient = self.parameterisation.pullback(&rgb, &gradient, images)?;
        self.adam
            .ascend(&mut self.parameters, &gradient, &self.scales.lost, step)
    }

    /// The gradient of what reads the encoder, on RGB planes.
    fn of_units(&mut self, rgb: &Array<f32>, rules: Rules) -> Result<Array<f32>> {
        let (canvas, Drawn { warp, words }) = ((self.side, self.side), &self.drawn);
        let run = self.program.run(warp.forward(rgb, canvas)?, self.taps)?;
        let mut cotangents = Vec::with_capacity(self.terms.len());
        for (terms, values) in self.terms.iter().zip(&mut self.measures.values) {
            let activation = terms.activation(&run)?;
            let cotangent = terms.read(activation, &self.scales.there, words, values)?;
            cotangents.push((terms.tap(), cotangent));
        }
        let dx = self.program.pullback(&run, cotangents, rules)?;
        warp.pullback(&dx, &self.scales.there, canvas)
    }
}

/// Recorded steps: one for each of the rules that change what is launched.
#[derive(Default)]
pub struct Recorded(Vec<(Rules, Option<Graph>)>);

impl Recorded {
    /// Has a step launched: as it is for the first time, when it uploads and loads what it needs, and as a
    /// record from the second time on.
    pub fn run(
        &mut self,
        gpu: &Gpu,
        rules: Rules,
        launch: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        match self.0.iter_mut().find(|(known, _)| *known == rules) {
            Some((_, Some(graph))) => graph.launch(),
            Some((_, record)) => record.insert(Graph::record(gpu, launch)?).launch(),
            None => {
                self.0.push((rules, None));
                launch()
            }
        }
    }
}
