//! A batch on the device, and its steps.

use std::sync::Arc;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};

use super::measure::{Penalties, Step, squares};
use super::terms::Terms;
use super::{Climber, GpuModel};
use crate::ascent::adam::corrections;
use crate::ascent::{Settings, View};
use crate::backend::cpu::View as Slice;
use crate::backend::cuda::launch::{adam_fwd, size};
use crate::backend::cuda::{Array, Float, Gpu, Grid};
use crate::encoder::engine::cuda::Cuda;
use crate::encoder::layer::Rules;
use crate::encoder::program::Program;
use crate::encoder::tap::TapId;
use crate::error::{Error, Kind, Result};
use crate::model::Model;
use crate::ops::warp::Warp;
use crate::param::Parameterisation;
use crate::param::cuda::GpuParameterisation;
use crate::seed::Purpose;
use crate::transform::sample;

/// A batch on the device.
pub struct Batch<'a, T: Float> {
    model: &'a Model,
    gpu: &'a Arc<Gpu>,
    program: &'a Program<Cuda<T>>,
    scale: f32,
    settings: &'a Settings,
    taps: &'a [TapId],
    images: usize,
    view: View,
    parameterisation: GpuParameterisation,
    terms: Vec<Terms>,
    penalties: Option<Penalties>,
    parameters: Array<f32>,
    first: Array<f32>,
    second: Array<f32>,
    pub pending: Vec<Step>,
}

impl<'a, T: Float> Batch<'a, T> {
    pub fn new(
        on: &'a GpuModel,
        program: &'a Program<Cuda<T>>,
        scale: f32,
        settings: &'a Settings,
        taps: &'a [TapId],
        climbers: &[Climber],
    ) -> Result<Self> {
        let (model, gpu) = (on.model, &on.gpu);
        let view = View::new(model, settings.size, taps);
        let here = Parameterisation::new(settings.basis, settings.size);
        let mut initial = Vec::new();
        let mut readings = Vec::with_capacity(climbers.len());
        for climber in climbers {
            let mut stream = climber.job.key.stream(Purpose::Initial, 0);
            let numbers = here.initial(&mut stream, DType::F32)?;
            initial.extend_from_slice(&Slice::<f32>::of(&numbers)?);
            readings.push(climber.objective.readings(&model.encoder, view.side())?);
        }
        let terms = taps
            .iter()
            .map(|&tap| Terms::new(gpu, tap, &readings, scale));
        let weights = climbers
            .iter()
            .map(|climber| climber.objective.penalty_weights());
        Ok(Self {
            model,
            gpu,
            program,
            scale,
            settings,
            taps,
            images: climbers.len(),
            view,
            parameterisation: here.upload(gpu)?,
            terms: terms.collect::<Result<_>>()?,
            penalties: Penalties::new(gpu, weights.collect())?,
            first: Array::zeros(gpu, initial.len())?,
            second: Array::zeros(gpu, initial.len())?,
            parameters: Array::upload(gpu, &initial)?,
            pending: Vec::new(),
        })
    }

    /// This step's transforms.
    fn warp(&self, step: usize, climbers: &[Climber]) -> Warp {
        let sampling = |climber: &Climber| {
            let mut stream = climber.job.key.stream(Purpose::Transform, step as u64);
            let settings = self.settings;
            sample(
                &settings.transforms,
                settings.size,
                self.view.side(),
                &mut stream,
            )
        };
        self.view.warps(climbers.iter().map(sampling).collect())
    }

    pub fn step(&mut self, step: usize, climbers: &[Climber]) -> Result<Step> {
        let (images, side) = (self.images, self.settings.size);
        let rgb = self.parameterisation.image(&self.parameters, images)?;
        let warp = self.warp(step, climbers).upload(self.gpu, self.scale)?;
        let mut values = Vec::with_capacity(self.terms.len());
        let mut gradient = if self.taps.is_empty() {
            Array::zeros(self.gpu, 3 * images * side * side)?
        } else {
            let run = self
                .program
                .run(warp.forward(&rgb, (side, side))?, self.taps)?;
            let mut cotangents = Vec::with_capacity(self.terms.len());
            for terms in &self.terms {
                let activation = run.activation(terms.tap());
                let activation = activation.ok_or_else(|| {
                    Error::new(
                        Kind::Internal,
                        "a pass did not keep a tap of its objectives",
                    )
                })?;
                let (read, cotangent) = terms.read(activation)?;
                values.push(read);
                cotangents.push((terms.tap(), cotangent));
            }
            let rules = Rules {
                redirect_relu: step < self.settings.redirect_steps,
            };
            warp.pullback(
                &self.program.pullback(&run, cotangents, rules)?,
                (side, side),
            )?
        };
        let length = 3 * side * side;
        let of_units = squares(&gradient, images, length)?;
        let penalties = match &self.penalties {
            Some(penalties) => {
                let values = penalties.add(&rgb, &mut gradient, side)?;
                Some((values, squares(&gradient, images, length)?))
            }
            None => None,
        };
        let gradient = self.parameterisation.pullback(&rgb, &gradient, images)?;
        let (rate, correction) = corrections(self.settings.learning_rate, step as i32 + 1);
        let count = self.parameters.len();
        adam_fwd(
            self.gpu,
            Grid::elements(count.div_ceil(4)),
            (&mut self.parameters).into(),
            (&mut self.first).into(),
            (&mut self.second).into(),
            (&gradient).into(),
            rate as f32,
            correction as f32,
            size(count)?,
        )?;
        Ok(Step {
            values,
            of_units,
            penalties,
        })
    }

    /// Adds what the pending steps measured to the traces, and finds out who failed.
    pub fn read(
        &mut self,
        steps_done: usize,
        climbers: &mut [Climber],
        start: Instant,
    ) -> Result<()> {
        let first = steps_done - self.pending.len();
        for (step, pending) in (first..).zip(self.pending.drain(..)) {
            let all = pending.read(&self.terms, self.penalties.as_ref(), self.images)?;
            let seconds = start.elapsed().as_secs_f32();
            for (climber, measured) in climbers.iter_mut().zip(all) {
                if climber.failed.is_some() {
                    continue;
                }
                let (spelling, objective) = (&climber.spelling, &climber.objective);
                let encoder = &self.model.encoder;
                let checked = measured.check(step, spelling, objective, encoder, self.settings);
                climber.failed = checked.err();
                climber.trace.objective.push(measured.value as f32);
                climber.trace.gradient_norm.push(measured.norm as f32);
                climber.trace.seconds.push(seconds);
            }
        }
        Ok(())
    }

    /// Every image as it is, `(1, 3, side, side)`.
    pub fn images(&self) -> Result<Vec<Tensor>> {
        let side = self.settings.size;
        let rgb = self
            .parameterisation
            .image(&self.parameters, self.images)?
            .download()?;
        let tensor =
            |image: &[f32]| Ok(Tensor::from_slice(image, (1, 3, side, side), &Device::Cpu)?);
        rgb.chunks_exact(3 * side * side).map(tensor).collect()
    }
}
