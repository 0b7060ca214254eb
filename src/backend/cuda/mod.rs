//! An NVIDIA GPU: the device, memory on it, the kernels' launches, the products that cuBLAS makes and the
//! convolutions that cuDNN makes.
//!
//! All of `cudarc` is here. Its libraries are looked for when a device is opened, cuDNN when it is first needed, so
//! that a program with these features starts on machines without them. Everything on a device happens in one
//! order, that of one stream; only reading results back waits for it.

mod arguments;
pub mod array;
#[cfg(feature = "cudnn")]
pub mod convolution;
pub mod device;
mod error;
pub mod field;
mod graph;
pub mod launch;
#[cfg(feature = "cudnn")]
mod library;
pub mod product;

pub use arguments::{Grid, In, Out};
pub use array::{Array, Element, Float};
pub use device::Gpu;
pub use field::{GpuField, GpuMask};
pub use graph::Graph;
