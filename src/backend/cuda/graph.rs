//! Launches that are recorded once and launched together after that: what costs the host, and the device between
//! them, a few microseconds each is paid once for all.

use cudarc::driver::CudaGraph;
use cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};

use super::device::Gpu;
use super::error::device_error;
use crate::error::{Result, bail};

/// A record. It reads and writes the arrays that were there when it was made, by their places: they have to
/// live as long. Arrays that were made on the way are its own.
pub struct Graph(CudaGraph);

impl Graph {
    /// Records what `work` asks of the device, which does not do it. It may neither upload nor download.
    ///
    /// # Errors
    /// When the work fails, or the device cannot record it.
    pub fn record(gpu: &Gpu, work: impl FnOnce() -> Result<()>) -> Result<Self> {
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        gpu.stream.begin_capture(mode).map_err(device_error)?;
        let done = work();
        let graph = gpu.stream.end_capture(CUgraphInstantiate_flags(0));
        done?;
        match graph.map_err(device_error)? {
            Some(graph) => Ok(Self(graph)),
            None => bail!(Internal, "a record holds no launch"),
        }
    }

    /// Has the device do it.
    ///
    /// # Errors
    /// When its memory is full.
    pub fn launch(&self) -> Result<()> {
        self.0.launch().map_err(device_error)
    }
}
