pub mod ascent;
pub mod backend;
pub mod cli;
pub mod encode;
pub mod encoder;
pub mod error;
pub mod input;
pub mod model;
pub mod objective;
pub mod ops;
pub mod output;
pub mod param;
pub mod recipe;
pub mod render;
pub mod seed;
pub mod transform;

pub use error::{Error, Result};
