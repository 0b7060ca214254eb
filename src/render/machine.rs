//! The devices that climb.

#[cfg(feature = "cuda")]
use crate::ascent::cuda::GpuModel;
use crate::ascent::{Job, Rendered, Settings, Watch, ascend};
use crate::backend::buffer::METER;
#[cfg(feature = "cuda")]
use crate::backend::cuda::Gpu;
use crate::backend::memory::available;
use crate::device::{Device, Dtype};
#[cfg(feature = "cuda")]
use crate::error::Kind;
use crate::error::Result;
#[cfg(not(feature = "cuda"))]
use crate::error::bail;
use crate::model::Model;

/// A model where it climbs.
pub struct Machine<'a> {
    model: &'a Model,
    /// A copy of the model on each; none for the CPU.
    #[cfg(feature = "cuda")]
    gpus: Vec<GpuModel<'a>>,
}

impl<'a> Machine<'a> {
    /// # Errors
    /// When a device cannot be opened, or has not the memory for the model.
    #[cfg(feature = "cuda")]
    pub fn open(model: &'a Model, device: &Device, dtype: Dtype) -> Result<Self> {
        let ordinals: &[usize] = match device {
            Device::Cpu => &[],
            Device::Cuda(ordinals) => ordinals,
        };
        let open = |&ordinal: &usize| GpuModel::upload(model, Gpu::open(ordinal)?, dtype);
        Ok(Self {
            model,
            gpus: ordinals.iter().map(open).collect::<Result<_>>()?,
        })
    }

    /// # Errors
    /// When the device is not the CPU.
    #[cfg(not(feature = "cuda"))]
    pub fn open(model: &'a Model, device: &Device, _: Dtype) -> Result<Self> {
        if *device != Device::Cpu {
            bail!(
                Device,
                "this percept was built without CUDA: build it with --features cuda, or use --device cpu"
            );
        }
        Ok(Self { model })
    }

    /// Whether GPUs record their steps.
    #[cfg(feature = "cuda")]
    pub fn recording(self, records: bool) -> Self {
        let recording = |gpu: GpuModel<'a>| gpu.recording(records);
        Self {
            gpus: self.gpus.into_iter().map(recording).collect(),
            ..self
        }
    }

    /// The CPU records no steps.
    #[cfg(not(feature = "cuda"))]
    pub fn recording(self, _: bool) -> Self {
        self
    }

    /// As [`ascend`]; several GPUs share the jobs evenly, and look at what they made.
    pub fn ascend(
        &self,
        settings: &Settings,
        jobs: &[Job],
        watch: &dyn Watch,
    ) -> Vec<Result<Rendered>> {
        #[cfg(feature = "cuda")]
        if !self.gpus.is_empty() {
            return shared(&self.gpus, settings, jobs, watch);
        }
        ascend(self.model, settings, jobs, watch)
    }

    /// What each device has room for, found by running a job.
    ///
    /// # Errors
    /// When a GPU fails; what else may be wrong with the job does not matter here.
    pub fn rooms(&self, settings: &Settings, job: &Job) -> Result<Vec<Room>> {
        #[cfg(feature = "cuda")]
        if !self.gpus.is_empty() {
            let rooms = self.gpus.iter().map(|gpu| room_on(gpu, settings, job));
            return rooms.collect();
        }
        let run = || drop(ascend(self.model, settings, std::slice::from_ref(job), &()));
        // The first packs the weights.
        run();
        let step = METER.peak_of(run);
        Ok(vec![Room::Cpu {
            step,
            free: available(METER.held()),
        }])
    }
}

#[cfg(feature = "cuda")]
fn room_on(gpu: &GpuModel, settings: &Settings, job: &Job) -> Result<Room> {
    let peak = |images: usize| -> Result<usize> {
        let mut results = Vec::new();
        let peak = gpu.device().meter().peak_of(|| {
            results = gpu.ascend(settings, &vec![job.clone(); images], &());
        });
        let failed = results.into_iter().filter_map(Result::err);
        let mut failed = failed.filter(|error| error.kind() == Kind::Device);
        failed.next().map_or(Ok(peak), Err)
    };
    let (one, two) = (peak(1)?, peak(2)?);
    let step = two.saturating_sub(one);
    Ok(Room::Gpu {
        common: one.saturating_sub(step),
        step,
        free: gpu.device().free_memory()?,
    })
}

/// What a device has free, and what an image takes there, in bytes.
pub enum Room {
    /// Main memory.
    Cpu {
        /// Of one image's step, with nothing beside it.
        step: usize,
        /// What the process may still take.
        free: usize,
    },
    /// A GPU's memory.
    #[cfg(feature = "cuda")]
    Gpu {
        /// Of a batch, whatever its size.
        common: usize,
        /// Of each image.
        step: usize,
        /// What the device has.
        free: usize,
    },
}

/// A thread a GPU, each with its share of the jobs in their order.
#[cfg(feature = "cuda")]
fn shared(
    gpus: &[GpuModel],
    settings: &Settings,
    jobs: &[Job],
    watch: &dyn Watch,
) -> Vec<Result<Rendered>> {
    let share = jobs.len().div_ceil(gpus.len()).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = gpus
            .iter()
            .zip(jobs.chunks(share))
            .map(|(gpu, jobs)| scope.spawn(move || climb_and_look(gpu, settings, jobs, watch)))
            .collect();
        let finished = workers.into_iter().map(|worker| worker.join());
        finished
            .flat_map(|results| match results {
                Ok(results) => results,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}

#[cfg(feature = "cuda")]
fn climb_and_look(
    gpu: &GpuModel,
    settings: &Settings,
    jobs: &[Job],
    watch: &dyn Watch,
) -> Vec<Result<Rendered>> {
    let mut results = gpu.ascend(settings, jobs, watch);
    if !watch.should_stop() {
        // The pictures are here: the CPU looks at what the device had no room to look at.
        if let Err(error) = gpu.look_at(jobs, &mut results, watch)
            && error.kind() != Kind::Interrupted
        {
            watch.warn(&format!(
                "{}; the CPU measures these pictures",
                error.report()
            ));
        }
    }
    results
}
