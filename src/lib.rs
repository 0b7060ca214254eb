//! Pictures of what the neurons of CLIP's image encoder respond to: gradient ascent on
//! Fourier-parameterised images, under random transforms, against a frozen CLIP.
//!
//! The `percept` program is this library's main user; the library is what a notebook, a batch
//! job or another program would build on:
//!
#![doc = "```"]
#![doc = include_str!("../tests/library.rs")]
#![doc = "```"]
//!
//! # Conventions
//!
//! ### Layout
//! Images are `(n, channels, height, width)`. A ResNet's activations are `(n, channels, h, w)`, a
//! vision transformer's `(n, tokens, channels)` with the class token first, an embedding
//! `(n, channels)`.
//!
//! ### Colour
//! RGB in [0, 1] everywhere outside an encoder; its input is normalised by the model's mean and
//! deviation. Parameterised images are `sigmoid(C . t)` at each pixel with lucid's colour matrix
//! ([`ops::colour`]).
//!
//! ### Fourier scaling
//! Lucid's: a bin at `f` cycles per pixel is scaled by `sqrt(h w) / max(f, 1 / max(h, w))^decay`,
//! the inverse transform is normalised by `1 / (h w)`, and the result divided by 4
//! ([`ops::fourier`]).
//!
//! ### Geometry
//! Pixel `(y, x)` has its centre at `(x + 1/2 - w/2, y + 1/2 - h/2)`, relative to the centre of its
//! plane; affine maps lead from output to source ([`ops::warp`]).
//!
//! ### Randomness
//! Addressed by (root seed, objective, variant, purpose, step), never carried along ([`seed`]).
//!
//! ### Units
//! `TAP:CHANNEL`, with `@ROW,COLUMN` for one position. The value of a channel is its mean over
//! positions, of a transformer over the patch tokens without the class token ([`objective`]).
//!
#![doc = include_str!("ARCHITECTURE.md")]
#![cfg_attr(
    not(test),
    warn(
        clippy::expect_used,
        clippy::panic,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::unwrap_used
    )
)]

pub mod ascent;
pub mod atlas;
pub mod backend;
pub mod cli;
pub mod device;
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
pub mod size;
pub mod transform;

pub use error::{Error, Result};
