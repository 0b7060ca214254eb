//! What the errors of NVIDIA's libraries mean.

use cudarc::cublas::result::CublasError;
use cudarc::driver::DriverError;
use cudarc::driver::sys::CUresult;

use crate::error::{Error, Kind};

/// What the driver says, in percept's words.
pub fn device_error(error: DriverError) -> Error {
    let message = match error.0 {
        CUresult::CUDA_ERROR_OUT_OF_MEMORY => {
            "the GPU has not enough memory: take a smaller --batch or --size"
        }
        _ => "the GPU failed",
    };
    Error::new(Kind::Device, message).caused_by(error)
}

/// What cuBLAS says.
pub fn blas_error(error: CublasError) -> Error {
    Error::new(Kind::Device, "cuBLAS failed").caused_by(error)
}
