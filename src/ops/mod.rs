//! The operations of frozen networks: each a pair of functions, forward and pullback.
//!
//! One folder an operation: `mod.rs` holds the mathematics, the checks and the tests; the loops,
//! generic over `f32` and `f64`, lie beside it where they are long. A pullback takes the cotangent
//! of the output and returns the cotangent of the input; weights have none.
//!
//! Operations of the encoder work on fields (channels last), those of the image on tensors.

pub mod attention;
pub mod colour;
pub mod conv;
pub mod fourier;
pub mod gelu;
pub mod layer_norm;
pub mod linear;
pub mod pool;
pub mod relu;
pub mod warp;

#[cfg(test)]
pub(crate) mod check;
