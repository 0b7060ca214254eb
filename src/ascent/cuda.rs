//! The ascent on a GPU: a whole batch at once, everything on the device. What goes there in a step are
//! the drawn transforms, a few numbers an image; what comes back, every [`READ_EVERY`] steps, are the
//! scalars of the trace.

mod measure;
mod terms;

use std::sync::Arc;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};

use super::adam::corrections;
use super::{Job, Rendered, Settings, Trace, View, Watch};
use crate::backend::cpu::View as Slice;
use crate::backend::cuda::launch::{adam_fwd, size};
use crate::backend::cuda::{Array, Float, Gpu, Grid};
use crate::device::Dtype;
use crate::encoder::engine::cuda::Cuda;
use crate::encoder::layer::Rules;
use crate::encoder::program::Program;
use crate::encoder::tap::TapId;
use crate::error::{Error, Kind, Result};
use crate::model::Model;
use crate::objective::Bound;
use crate::ops::warp::Warp;
use crate::param::Parameterisation;
use crate::param::cuda::GpuParameterisation;
use crate::seed::Purpose;
use crate::transform::sample;
use measure::{Penalties, Step, squares};
use terms::Terms;

/// Steps after which the trace is read, and an ascent that went wrong is found out.
const READ_EVERY: usize = 16;

/// What `f16` cotangents are multiplied by on their way through the encoder: the mean over an
/// activation's positions makes them small, and below 6e-8 they would vanish.
const HALF_SCALE: f32 = 1024.0;

/// A model on a device.
pub struct GpuModel<'a> {
    model: &'a Model,
    gpu: Arc<Gpu>,
    program: Stored,
}

enum Stored {
    F32(Program<Cuda<f32>>),
    F16(Program<Cuda<f16>>),
    Bf16(Program<Cuda<bf16>>),
}

impl<'a> GpuModel<'a> {
    /// Copies a model's image encoder to a device.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn upload(model: &'a Model, gpu: Arc<Gpu>, dtype: Dtype) -> Result<Self> {
        let program = match dtype {
            Dtype::F32 => Stored::F32(model.encoder.upload(&gpu)?),
            Dtype::F16 => Stored::F16(model.encoder.upload(&gpu)?),
            Dtype::Bf16 => Stored::Bf16(model.encoder.upload(&gpu)?),
        };
        Ok(Self {
            model,
            gpu,
            program,
        })
    }

    /// As [`super::ascend`]. Jobs that read the same taps climb together.
    pub fn ascend(
        &self,
        settings: &Settings,
        jobs: &[Job],
        watch: &dyn Watch,
    ) -> Vec<Result<Rendered>> {
        let mut results: Vec<Option<Result<Rendered>>> = jobs.iter().map(|_| None).collect();
        let mut groups: Vec<(Vec<TapId>, Vec<Climber>)> = Vec::new();
        for (index, job) in jobs.iter().enumerate() {
            match Bound::new(&job.objective, &self.model.encoder) {
                Ok(objective) => {
                    let taps = objective.taps().to_vec();
                    let climber = Climber::new(index, job, objective);
                    match groups.iter_mut().find(|(known, _)| *known == taps) {
                        Some((_, group)) => group.push(climber),
                        None => groups.push((taps, vec![climber])),
                    }
                }
                Err(error) => results[index] = Some(Err(error)),
            }
        }
        for (taps, mut group) in groups {
            let outcome = match &self.program {
                Stored::F32(program) => {
                    self.climb(program, 1.0, settings, &taps, &mut group, watch)
                }
                Stored::F16(program) => {
                    self.climb(program, HALF_SCALE, settings, &taps, &mut group, watch)
                }
                Stored::Bf16(program) => {
                    self.climb(program, 1.0, settings, &taps, &mut group, watch)
                }
            };
            for climber in group {
                results[climber.index] = Some(match (&outcome, climber.failed) {
                    (_, Some(error)) => Err(error),
                    (Err(error), None) => Err(Error::new(error.kind(), error.report())),
                    (Ok(steps_done), None) => climber.rendered.map_or_else(lost, |image| {
                        Ok(Rendered {
                            image,
                            checkpoints: climber.checkpoints,
                            trace: climber.trace,
                            steps_done: *steps_done,
                        })
                    }),
                });
            }
        }
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(lost))
            .collect()
    }

    /// The steps that were done.
    fn climb<T: Float>(
        &self,
        program: &Program<Cuda<T>>,
        scale: f32,
        settings: &Settings,
        taps: &[TapId],
        climbers: &mut [Climber],
        watch: &dyn Watch,
    ) -> Result<usize> {
        let mut batch = Batch::new(self, program, scale, settings, taps, climbers)?;
        let start = Instant::now();
        let mut steps_done = 0;
        for step in 0..settings.steps {
            if watch.should_stop() || climbers.iter().all(|climber| climber.failed.is_some()) {
                break;
            }
            let measured = batch.step(step, climbers)?;
            batch.pending.push(measured);
            steps_done = step + 1;
            // The first step, too: a dead unit must not climb on.
            if step % READ_EVERY == 0 || steps_done == settings.steps {
                batch.read(steps_done, climbers, start)?;
            }
            if settings.checkpoints.contains(&steps_done) {
                for (climber, image) in climbers.iter_mut().zip(batch.images()?) {
                    climber.checkpoints.push((steps_done, image));
                }
            }
            watch.stepped(steps_done);
        }
        batch.read(steps_done, climbers, start)?;
        for (climber, image) in climbers.iter_mut().zip(batch.images()?) {
            climber.rendered = Some(image);
        }
        Ok(steps_done)
    }
}

fn lost<T>() -> Result<T> {
    Err(Error::new(Kind::Internal, "a batch lost a picture"))
}

/// One image of a batch, as the host sees it.
struct Climber<'a> {
    /// Of the job.
    index: usize,
    job: &'a Job,
    objective: Bound,
    checkpoints: Vec<(usize, Tensor)>,
    trace: Trace,
    rendered: Option<Tensor>,
    failed: Option<Error>,
}

impl<'a> Climber<'a> {
    fn new(index: usize, job: &'a Job, objective: Bound) -> Self {
        Self {
            index,
            job,
            objective,
            checkpoints: Vec::new(),
            trace: Trace::default(),
            rendered: None,
            failed: None,
        }
    }
}

/// A batch on the device.
struct Batch<'a, T: Float> {
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
    pending: Vec<Step>,
}

impl<'a, T: Float> Batch<'a, T> {
    fn new(
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

    fn step(&mut self, step: usize, climbers: &[Climber]) -> Result<Step> {
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
    fn read(&mut self, steps_done: usize, climbers: &mut [Climber], start: Instant) -> Result<()> {
        let first = steps_done - self.pending.len();
        for (step, pending) in (first..).zip(self.pending.drain(..)) {
            let all = pending.read(&self.terms, self.penalties.as_ref(), self.images)?;
            let seconds = start.elapsed().as_secs_f32();
            for (climber, measured) in climbers.iter_mut().zip(all) {
                if climber.failed.is_some() {
                    continue;
                }
                let spelling = climber.job.objective.to_string();
                let encoder = &self.model.encoder;
                let checked =
                    measured.check(step, &spelling, &climber.objective, encoder, self.settings);
                climber.failed = checked.err();
                climber.trace.objective.push(measured.value as f32);
                climber.trace.gradient_norm.push(measured.norm as f32);
                climber.trace.seconds.push(seconds);
            }
        }
        Ok(())
    }

    /// Every image as it is, `(1, 3, side, side)`.
    fn images(&self) -> Result<Vec<Tensor>> {
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
