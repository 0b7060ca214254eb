//! The devices that climb.

#[cfg(feature = "cuda")]
use crate::ascent::cuda::GpuModel;
use crate::ascent::{Job, Rendered, Settings, Watch, ascend};
#[cfg(feature = "cuda")]
use crate::backend::cuda::Gpu;
use crate::device::{Device, Dtype};
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

    /// As [`ascend`]; several GPUs share the jobs evenly.
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
            .map(|(gpu, jobs)| scope.spawn(move || gpu.ascend(settings, jobs, watch)))
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
