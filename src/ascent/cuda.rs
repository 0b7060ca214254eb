//! The ascent on a GPU: a whole batch at once, everything on the device. What goes there in a step are
//! the drawn transforms, a few numbers an image; what comes back, every `READ_EVERY` steps, are the
//! scalars of the trace.

mod adam;
mod batch;
mod look;
mod measure;
mod scales;
mod stepper;
mod terms;

use std::sync::Arc;
use std::time::Instant;

use candle_core::Tensor;
use half::{bf16, f16};

use super::check::Reached;
use super::groups::grouped;
use super::{Job, Rendered, Settings, Trace, Watch};
use crate::backend::cuda::{Float, Gpu};
use crate::device::Dtype;
use crate::encoder::engine::cuda::Cuda;
use crate::encoder::program::Program;
use crate::encoder::tap::TapId;
use crate::error::{Error, Kind, Result};
use crate::model::Model;
use crate::objective::Bound;
use batch::Batch;

/// Steps after which the trace is read, and an ascent that went wrong is found out.
const READ_EVERY: usize = 16;

/// A model on a device.
pub struct GpuModel<'a> {
    model: &'a Model,
    gpu: Arc<Gpu>,
    program: Stored,
    records: bool,
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
    /// When the device's memory is full, or cuDNN is missing that this build needs for 16 bits.
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
            records: false,
        })
    }

    /// The device.
    pub fn device(&self) -> &Gpu {
        &self.gpu
    }

    /// Whether steps are recorded and launched as CUDA graphs; pictures do not depend on it.
    #[must_use]
    pub fn recording(self, records: bool) -> Self {
        Self { records, ..self }
    }

    /// As [`super::ascend`]. Jobs that read the same taps climb together.
    pub fn ascend(
        &self,
        settings: &Settings,
        jobs: &[Job],
        watch: &dyn Watch,
    ) -> Vec<Result<Rendered>> {
        let mut results: Vec<Option<Result<Rendered>>> = jobs.iter().map(|_| None).collect();
        let mut climbers: Vec<(Vec<TapId>, Climber)> = Vec::new();
        for (index, job) in jobs.iter().enumerate() {
            match Bound::new(&job.objective, &self.model.encoder) {
                Ok(objective) => {
                    let taps = objective.taps().to_vec();
                    climbers.push((taps, Climber::new(index, job, objective)));
                }
                Err(error) => results[index] = Some(Err(error)),
            }
        }
        for (taps, mut group) in grouped(climbers) {
            let outcome = match &self.program {
                Stored::F32(program) => self.climb(program, settings, &taps, &mut group, watch),
                Stored::F16(program) => self.climb(program, settings, &taps, &mut group, watch),
                Stored::Bf16(program) => self.climb(program, settings, &taps, &mut group, watch),
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
                            seen: None,
                            reached: climber.reached.answer(),
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
        settings: &Settings,
        taps: &[TapId],
        climbers: &mut [Climber],
        watch: &dyn Watch,
    ) -> Result<usize> {
        let mut batch = Batch::new(self, program, settings, taps, climbers)?;
        let start = Instant::now();
        let mut steps_done = 0;
        for step in 0..settings.steps {
            if watch.should_stop() || climbers.iter().all(|climber| climber.failed.is_some()) {
                break;
            }
            batch.step(step, climbers)?;
            steps_done = step + 1;
            // The first step, too: a dead unit must not climb on.
            if step % READ_EVERY == 0 {
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
    spelling: String,
    objective: Bound,
    checkpoints: Vec<(usize, Tensor)>,
    trace: Trace,
    rendered: Option<Tensor>,
    failed: Option<Error>,
    reached: Reached,
    /// Gradients that the device's type could not hold.
    lost: usize,
}

impl<'a> Climber<'a> {
    fn new(index: usize, job: &'a Job, objective: Bound) -> Self {
        Self {
            index,
            job,
            spelling: job.objective.to_string(),
            objective,
            checkpoints: Vec::new(),
            trace: Trace::default(),
            rendered: None,
            failed: None,
            reached: Reached::default(),
            lost: 0,
        }
    }
}
