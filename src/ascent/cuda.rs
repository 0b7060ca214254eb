//! The ascent on a GPU: whole batches at once, everything on the device.

use std::sync::Arc;
use std::time::Instant;

use candle_core::Tensor;
use half::{bf16, f16};

use super::batch::Batch;
use super::engine::cuda::Launcher;
use super::groups::grouped;
use super::quality::see;
use super::{Job, Rendered, Settings, Watch, of_each};
use crate::backend::cuda::{Float, Gpu};
use crate::device::Dtype;
use crate::encoder::engine::cuda::Cuda;
use crate::encoder::program::Program;
use crate::error::Result;
use crate::model::Model;
use crate::objective::Bound;
use crate::param::Parameterisation;
use crate::size::Size;

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

    /// As [`super::ascend`]. Jobs that read the same taps climb in one batch.
    pub fn ascend(
        &self,
        settings: &Settings,
        jobs: &[Job],
        watch: &dyn Watch,
    ) -> Vec<Result<Rendered>> {
        let parameterisation = Arc::new(Parameterisation::new(settings.basis, settings.size));
        let by_taps = jobs.iter().enumerate();
        let by_taps = by_taps.map(|(index, job)| (job.objective.taps(), (index, job)));
        let mut results: Vec<Vec<Result<Rendered>>> = jobs.iter().map(|_| Vec::new()).collect();
        for (_, members) in grouped(by_taps) {
            let (indices, jobs): (Vec<usize>, Vec<&Job>) = members.into_iter().unzip();
            let climb = Climb {
                on: self,
                settings,
                parameterisation: &parameterisation,
                watch,
            };
            let rendered = match &self.program {
                Stored::F32(program) => climb.run(program, &jobs),
                Stored::F16(program) => climb.run(program, &jobs),
                Stored::Bf16(program) => climb.run(program, &jobs),
            };
            let mut rendered = rendered.into_iter();
            for (index, job) in indices.into_iter().zip(jobs) {
                results[index].extend(rendered.by_ref().take(job.keys.len()));
            }
        }
        results.into_iter().flatten().collect()
    }

    /// Notes what the jobs' objectives read of their pictures.
    ///
    /// # Errors
    /// When the device's memory is full, or `watch` stops it.
    pub fn look_at(
        &self,
        jobs: &[Job],
        results: &mut [Result<Rendered>],
        watch: &dyn Watch,
    ) -> Result<()> {
        let mut found = Vec::new();
        let of_images = jobs
            .iter()
            .flat_map(|job| job.keys.iter().map(move |_| job));
        for (job, result) in of_images.zip(results) {
            let Ok(rendered) = result else { continue };
            let size = Size::of(&rendered.image)?;
            let group = (size, rendered.steps_done, job.objective.taps());
            found.push((group, (job.objective.clone(), rendered)));
        }
        for ((_, steps, _), members) in grouped(found) {
            let (objectives, pictures): (Vec<Arc<Bound>>, Vec<&mut Rendered>) =
                members.into_iter().unzip();
            let images: Vec<Tensor> = pictures.iter().map(|own| own.image.clone()).collect();
            let (model, gpu) = (self.model, &self.gpu);
            let seen = match &self.program {
                Stored::F32(on) => see((gpu, on), model, objectives, &images, Some(steps), watch)?,
                Stored::F16(on) => see((gpu, on), model, objectives, &images, Some(steps), watch)?,
                Stored::Bf16(on) => see((gpu, on), model, objectives, &images, Some(steps), watch)?,
            };
            for (picture, seen) in pictures.into_iter().zip(seen) {
                picture.seen = Some(seen);
            }
        }
        Ok(())
    }
}

/// What all batches of an ascent share.
struct Climb<'a> {
    on: &'a GpuModel<'a>,
    settings: &'a Settings,
    parameterisation: &'a Arc<Parameterisation>,
    watch: &'a dyn Watch,
}

impl<'a> Climb<'a> {
    fn run<T: Float>(
        &self,
        program: &'a Program<Cuda<T>>,
        jobs: &[&'a Job],
    ) -> Vec<Result<Rendered>> {
        let GpuModel {
            model,
            gpu,
            records,
            ..
        } = self.on;
        let (settings, on) = (self.settings, (gpu, program));
        let launcher = Launcher::new(gpu, *records);
        let batch = Batch::new(model, on, settings, self.parameterisation, jobs, launcher);
        let mut batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                let images = jobs.iter().map(|job| job.keys.len()).sum();
                return of_each(error, images);
            }
        };
        let start = Instant::now();
        for step in 0..settings.steps {
            if let Err(error) = batch.climb(step + 1, start, self.watch) {
                return batch.fail(&error);
            }
            if batch.steps_done() == step {
                break;
            }
            self.watch.stepped(step + 1);
        }
        batch.finish(start)
    }
}
