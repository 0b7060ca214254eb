//! A convolution that looks at more than one position at a time, by each of its methods.

use std::sync::{Arc, OnceLock};

use super::choice::GpuMethod;
use super::convolver::Convolver;
#[cfg(feature = "cudnn")]
use super::cudnn::GpuCudnn;
use super::patches::GpuPatches;
use super::winograd::GpuWinograd;
use crate::backend::cuda::{Float, Gpu};
use crate::backend::field::Extent;
use crate::error::Result;
use crate::ops::conv::kernel::Kernel;

/// A convolution of any window.
pub struct GpuWindowed<T: Float> {
    kernel: Kernel<f32>,
    /// Instead of the table's.
    only: Option<GpuMethod>,
    winograd: OnceLock<GpuWinograd>,
    patches: OnceLock<GpuPatches<T>>,
    #[cfg(feature = "cudnn")]
    cudnn: OnceLock<GpuCudnn<T>>,
}

impl<T: Float> GpuWindowed<T> {
    /// Where one method serves fields of every size, uploads what it needs at once, so that a missing library is
    /// noticed here; otherwise each method's part is uploaded when it is first used.
    pub(super) fn new(
        kernel: Kernel<f32>,
        only: Option<GpuMethod>,
        gpu: &Arc<Gpu>,
    ) -> Result<Self> {
        let own = Self {
            kernel,
            only,
            winograd: OnceLock::new(),
            patches: OnceLock::new(),
            #[cfg(feature = "cudnn")]
            cudnn: OnceLock::new(),
        };
        let [smallest, largest] = [0, usize::MAX].map(|positions| own.method(positions));
        if smallest == largest {
            own.by(largest, gpu)?;
        }
        Ok(own)
    }

    /// The method for fields of so many positions.
    fn method(&self, positions: usize) -> GpuMethod {
        let table = || GpuMethod::of::<T>(self.kernel.window, self.kernel.inputs, positions);
        self.only.unwrap_or_else(table)
    }

    /// The convolution of fields of this extent.
    pub(super) fn of(&self, field: Extent, gpu: &Arc<Gpu>) -> Result<&dyn Convolver<T>> {
        self.by(self.method(field.positions()), gpu)
    }

    fn by(&self, method: GpuMethod, gpu: &Arc<Gpu>) -> Result<&dyn Convolver<T>> {
        let kernel = &self.kernel;
        Ok(match method {
            GpuMethod::Winograd => get_or_try(&self.winograd, || GpuWinograd::upload(kernel, gpu))?,
            GpuMethod::Patches => get_or_try(&self.patches, || GpuPatches::upload(kernel, gpu))?,
            #[cfg(feature = "cudnn")]
            GpuMethod::Cudnn => get_or_try(&self.cudnn, || GpuCudnn::upload(kernel, gpu))?,
        })
    }
}

/// What the cell holds; made, which can fail, if it is empty.
fn get_or_try<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    match cell.get() {
        Some(made) => Ok(made),
        None => {
            let made = make()?;
            Ok(cell.get_or_init(|| made))
        }
    }
}
