//! An NVIDIA GPU: the device, memory on it, the kernels' launches and the products that cuBLAS makes.
//!
//! All of `cudarc` is here. Its libraries are looked for when a device is opened, so that a program with
//! this feature starts on machines without them. Everything on a device happens in one order, that of
//! one stream; only reading results back waits for it.

mod arguments;
pub mod array;
pub mod device;
pub mod field;
mod graph;
pub mod launch;
pub mod product;

pub use arguments::{Grid, In, Out};
pub use array::{Array, Element, Float};
pub use device::Gpu;
pub use field::{GpuField, GpuMask};
pub use graph::Graph;
