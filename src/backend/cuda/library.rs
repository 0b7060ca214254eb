//! cuDNN: looked for when numbers of 16 bits are first to be convolved, so that nothing else needs it.

use std::sync::Arc;

use cudarc::cudnn::result::{self, CudnnError, CudnnResult};
use cudarc::cudnn::sys::{cudnnHandle_t, is_culib_present};
use cudarc::driver::CudaStream;

use super::error::device_error;
use crate::error::{Error, Kind, Result, bail};

/// The version of cuDNN whose declarations are ours. Others number their errors otherwise.
const MAJOR_VERSION: usize = 9;

/// cuDNN on a device's stream.
pub(super) struct Library {
    pub(super) handle: cudnnHandle_t,
    stream: Arc<CudaStream>,
}

// SAFETY: cuDNN takes a handle from any thread, one at a time; it is lent by `&mut` alone.
unsafe impl Send for Library {}

impl Library {
    /// Looks for cuDNN.
    ///
    /// # Errors
    /// When it is missing, or another version.
    pub(super) fn open(stream: &Arc<CudaStream>) -> Result<Self> {
        // SAFETY: the library that is looked for is NVIDIA's; loading it has no effect beyond its own
        // initialisation.
        if !unsafe { is_culib_present() } {
            bail!(
                Device,
                "cuDNN was not found (libcudnn), and this percept is built to have it convolve numbers of 16 bits: \
                 install cuDNN {MAJOR_VERSION} (such as the package nvidia-cudnn-cu13) and name its folder in \
                 LD_LIBRARY_PATH, use --dtype f32, or build percept without the feature cudnn"
            );
        }
        let version = result::get_version();
        if version / 10_000 != MAJOR_VERSION {
            bail!(
                Device,
                "a cuDNN of version {version} was found, and percept needs cuDNN {MAJOR_VERSION} (90000 to 99999): \
                 name its folder first in LD_LIBRARY_PATH, use --dtype f32, or build percept without the feature cudnn"
            );
        }
        stream.context().bind_to_thread().map_err(device_error)?;
        let handle = result::create_handle().map_err(|error| {
            cudnn_error(error).context(format!(
                "cannot start cuDNN {version}, which may need a newer driver: use --dtype f32"
            ))
        })?;
        let own = Self {
            handle,
            stream: stream.clone(),
        };
        // SAFETY: the stream is alive, and lives as long as the handle, beside it.
        unsafe { result::set_stream(own.handle, own.stream.cu_stream().cast()) }
            .map_err(cudnn_error)?;
        Ok(own)
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // A device that failed has said so before.
        let _ = self.stream.context().bind_to_thread();
        // SAFETY: the handle is whole, and used by nobody any more.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}

/// What cuDNN says, in percept's words.
pub(super) fn cudnn_error(error: CudnnError) -> Error {
    let message = match error.0 as u32 {
        3000..4000 => {
            "this cuDNN does not support a convolution here: update it, use --dtype f32, or build percept without \
             the feature cudnn"
        }
        _ => "cuDNN failed",
    };
    Error::new(Kind::Device, message).caused_by(error)
}

/// A description in the host's memory, of a few numbers. It is made anew for each call, which costs little beside it;
/// recorded steps make it once.
pub(super) struct Descriptor<D: Copy> {
    pub(super) raw: D,
    destroy: unsafe fn(D) -> CudnnResult<()>,
}

impl Library {
    /// What `create` makes and `destroy` takes back, `set` to what it describes.
    pub(super) fn describe<D: Copy>(
        &self,
        create: fn() -> CudnnResult<D>,
        destroy: unsafe fn(D) -> CudnnResult<()>,
        set: impl FnOnce(D) -> CudnnResult<()>,
    ) -> Result<Descriptor<D>> {
        let raw = create().map_err(cudnn_error)?;
        let own = Descriptor { raw, destroy };
        set(raw).map_err(cudnn_error)?;
        Ok(own)
    }
}

impl<D: Copy> Drop for Descriptor<D> {
    fn drop(&mut self) {
        // SAFETY: it was made by the function that belongs to this one, and is destroyed once.
        let _ = unsafe { (self.destroy)(self.raw) };
    }
}
