//! What the operations stand on: typed views of tensors, matrix products, and the thread pool.
//!
//! Everything that touches a device's memory lives here, and all `unsafe` code but the memory map of
//! a weight file.

pub mod buffer;
pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod field;
pub mod lanes;
pub mod mask;
pub mod memory;
pub mod number;
pub mod packed;
pub mod threads;

/// Runs `$body` with `$t` bound to the element type of `$tensor`: `f32`, or `f64` for checks.
macro_rules! by_dtype {
    ($tensor:expr, $t:ident => $body:expr) => {
        match $tensor.dtype() {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            dtype => Err($crate::Error::new(
                $crate::error::Kind::Internal,
                format!("no CPU kernel for {dtype:?}"),
            )),
        }
    };
}
pub(crate) use by_dtype;
