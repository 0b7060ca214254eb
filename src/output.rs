//! What a render leaves behind: a PNG that carries its recipe, and a JSON sidecar.

pub mod file;
pub mod own;
pub mod picture;
pub mod sidecar;
pub mod temporary;
pub mod tensors;
