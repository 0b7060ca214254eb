//! A batch on the device, as the host leads it.

use std::time::Instant;

use candle_core::{DType, Device, Tensor};

use super::adam::GpuAdam;
use super::measure::{Measures, Penalties};
use super::scales::Scales;
use super::stepper::{Drawn, Recorded, Stepper};
use super::terms::Terms;
use super::{Climber, GpuModel, READ_EVERY};
use crate::ascent::{Settings, View};
use crate::backend::cpu::Elements as Slice;
use crate::backend::cuda::{Array, Float};
use crate::encoder::engine::cuda::Cuda;
use crate::encoder::layer::Rules;
use crate::encoder::program::Program;
use crate::encoder::tap::TapId;
use crate::error::Result;
use crate::model::Model;
use crate::ops::warp::Warp;
use crate::param::Parameterisation;
use crate::seed::Purpose;
use crate::transform::sample;

/// A batch on the device.
pub struct Batch<'a, T: Float> {
    model: &'a Model,
    settings: &'a Settings,
    view: View,
    stepper: Stepper<'a, T>,
    recorded: Option<Recorded>,
    /// Steps whose measurements were not read yet.
    pending: usize,
}

/// A step's transforms.
fn warp(settings: &Settings, view: &View, step: usize, climbers: &[Climber]) -> Warp {
    let sampling = |climber: &Climber| {
        let mut stream = climber.job.key.stream(Purpose::Transform, step as u64);
        sample(
            &settings.transforms,
            settings.size,
            view.side(),
            &mut stream,
        )
    };
    view.warps(climbers.iter().map(sampling).collect())
}

impl<'a, T: Float> Batch<'a, T> {
    pub fn new(
        on: &'a GpuModel,
        program: &'a Program<Cuda<T>>,
        settings: &'a Settings,
        taps: &'a [TapId],
        climbers: &[Climber],
    ) -> Result<Self> {
        let (model, gpu, images) = (on.model, &on.gpu, climbers.len());
        let view = View::new(model, settings.size, taps);
        let here = Parameterisation::new(settings.basis, settings.size);
        let mut initial = Vec::new();
        let mut readings = Vec::with_capacity(images);
        let mut weights = Vec::with_capacity(images);
        for climber in climbers {
            let mut stream = climber.job.key.stream(Purpose::Initial, 0);
            let numbers = here.initial(&mut stream, DType::F32)?;
            initial.extend_from_slice(&Slice::<f32>::of(&numbers)?);
            readings.push(climber.objective.readings(&model.encoder, view.side())?);
            weights.push(climber.objective.penalty_weights());
        }
        let terms = taps.iter().map(|&tap| Terms::new(gpu, tap, &readings));
        let terms: Vec<Terms> = terms.collect::<Result<_>>()?;
        let penalties = Penalties::new(gpu, weights)?;
        let stepper = Stepper {
            gpu,
            program,
            taps,
            images,
            side: settings.size,
            parameterisation: here.upload(gpu)?,
            measures: Measures::new(gpu, READ_EVERY, images, &terms, penalties.as_ref())?,
            terms,
            penalties,
            scales: Scales::new::<T>(gpu, &readings)?,
            adam: GpuAdam::new(gpu, images, initial.len(), settings)?,
            parameters: Array::upload(gpu, &initial)?,
            drawn: Drawn::new(gpu, &warp(settings, &view, 0, climbers))?,
        };
        Ok(Self {
            model,
            settings,
            view,
            stepper,
            recorded: on.records.then(Recorded::default),
            pending: 0,
        })
    }

    /// Asks the device for a step.
    pub fn step(&mut self, step: usize, climbers: &[Climber]) -> Result<()> {
        let rules = Rules {
            redirect_relu: step < self.settings.redirect_steps,
        };
        let warp = warp(self.settings, &self.view, step, climbers);
        self.stepper.drawn.set(&warp, step, self.pending)?;
        self.pending += 1;
        match &mut self.recorded {
            Some(recorded) => {
                let gpu = self.stepper.gpu;
                recorded.run(gpu, rules, || self.stepper.launch(rules))
            }
            None => self.stepper.launch(rules),
        }
    }

    /// Adds what the pending steps measured to the traces, and finds out who failed.
    pub fn read(
        &mut self,
        steps_done: usize,
        climbers: &mut [Climber],
        start: Instant,
    ) -> Result<()> {
        let places = std::mem::take(&mut self.pending);
        let Stepper {
            terms,
            penalties,
            measures,
            scales,
            ..
        } = &self.stepper;
        let measured = measures.read(places, terms, penalties.as_ref())?;
        let seconds = start.elapsed().as_secs_f32();
        for (step, all) in (steps_done - places..).zip(measured) {
            for (climber, measured) in climbers.iter_mut().zip(all) {
                if climber.failed.is_some() {
                    continue;
                }
                let (spelling, objective) = (&climber.spelling, &climber.objective);
                let lost = scales.has_lost(measured, &mut climber.lost);
                let norm = match lost {
                    Ok(true) => measured.norm_of_units,
                    _ => measured.norm,
                };
                let checked = match lost {
                    Ok(false) => {
                        let encoder = &self.model.encoder;
                        measured.check(step, spelling, objective, encoder, self.settings)
                    }
                    lost => lost.map(drop),
                };
                climber.failed = checked.err().map(|error| scales.explained(error));
                let settings = self.settings;
                climber.reached.see(step, measured, objective, settings);
                climber.trace.objective.push(measured.value as f32);
                climber.trace.gradient_norm.push(norm as f32);
                climber.trace.seconds.push(seconds);
            }
        }
        Ok(())
    }

    /// Every image as it is, `(1, 3, side, side)`.
    pub fn images(&self) -> Result<Vec<Tensor>> {
        let side = self.settings.size;
        let Stepper {
            parameterisation,
            parameters,
            images,
            ..
        } = &self.stepper;
        let rgb = parameterisation.image(parameters, *images)?.download()?;
        let tensor =
            |image: &[f32]| Ok(Tensor::from_slice(image, (1, 3, side, side), &Device::Cpu)?);
        rgb.chunks_exact(3 * side * side).map(tensor).collect()
    }
}
