//! Every kernel as a function, and the one place that launches them.
//!
//! The declarations below are those of `kernels/*.cu`, in the same words and the same order;
//! `tests/cuda.rs` reads both and compares them. `In` and `Out` are a kernel's pointers to what it
//! reads and writes; one that may be null is made of an `Option`.

use std::sync::Arc;

use cudarc::driver::LaunchConfig;

use super::arguments::{Argument, Grid, In, Out, THREADS};
use super::array::Float;
use super::device::Gpu;
use super::error::device_error;
use crate::error::{Result, bail};

/// The most elements of an array that kernels address.
const MOST_ELEMENTS: usize = i32::MAX as usize;

/// A size as kernels take it.
///
/// # Errors
/// When a kernel's indices do not reach so far.
pub fn size(count: usize) -> Result<u32> {
    if count > MOST_ELEMENTS {
        bail!(
            Device,
            "{count} numbers are more than a kernel can address: take a smaller --batch or --size"
        );
    }
    Ok(count as u32)
}

fn launch(
    gpu: &Gpu,
    file: &'static str,
    name: &str,
    grid: Grid,
    arguments: &[&dyn Argument],
) -> Result<()> {
    if grid.work == 0 {
        return Ok(());
    }
    size(grid.work)?;
    let function = gpu.function(file, name)?;
    let mut launch = gpu.stream.launch_builder(&function);
    for argument in arguments {
        argument.push(&mut launch);
    }
    let shape = LaunchConfig {
        grid_dim: (size(grid.blocks)?, 1, 1),
        block_dim: (THREADS as u32, 1, 1),
        shared_mem_bytes: 0,
    };
    // SAFETY: the arguments are those of the function that `kernels!` declared under this name, whose
    // types are the kernel's parameters (held to it by a test); the arrays live on this device, their
    // lengths are the callers' promise, and work on the one stream follows the order of the calls.
    unsafe { launch.launch(shape) }.map_err(device_error)?;
    Ok(())
}

macro_rules! kernels {
    ($($file:literal { $(fn $name:ident $(<$t:ident>)? ($($argument:ident: $type:ty),* $(,)?);)* })*) => {
        $($(
            #[doc = concat!("Launches a kernel of `kernels/", $file, ".cu`.")]
            #[allow(clippy::too_many_arguments, reason = "they are the kernel's")]
            pub fn $name $(<$t: Float>)? (gpu: &Arc<Gpu>, grid: Grid, $($argument: $type),*) -> Result<()> {
                let suffix = suffix!($($t)?);
                let name = format!("{}_{suffix}", stringify!($name));
                launch(gpu, $file, &name, grid, &[$(&$argument),*])
            }
        )*)*
    };
}

macro_rules! suffix {
    () => {
        "f32"
    };
    ($t:ident) => {
        $t::SUFFIX
    };
}

kernels! {
    "adam" {
        fn adam_fwd(parameters: Out<f32>, first: Out<f32>, second: Out<f32>, gradient: In<f32>, constants: In<f32>, corrections: In<f32>, lost: In<u32>, step: In<u32>, pairs: u32, length: u32, count: u32);
    }
    "diversity" {
        fn diversity_products_fwd(grams: In<f32>, groups: In<i32>, products: Out<f64>, most: u32, elements: u32);
        fn diversity_others_fwd<T>(grams: In<f32>, groups: In<i32>, products: In<f64>, others: Out<T>, images: u32, most: u32, elements: u32);
        fn diversity_add_bwd<T>(
            slopes: In<f32>,
            groups: In<i32>,
            products: In<f64>,
            weights: In<f32>,
            scales: In<f32>,
            step: In<u32>,
            cotangent: Out<T>,
            values: Out<f32>,
            images: u32,
            most: u32,
            rows: u32,
            skipped: u32,
            channels: u32,
        );
    }
    "epilogue" {
        fn epilogue_fwd<T>(x: In<T>, bias: In<f32>, add: In<T>, y: Out<T>, mask: Out<u32>, rows: u32, channels: u32);
        fn epilogue_pool_fwd<T>(x: In<T>, bias: In<f32>, y: Out<T>, mask: Out<u32>, images: u32, h: u32, w: u32, channels: u32);
        fn epilogue_bwd<T>(dy: In<T>, add: In<T>, mask: In<u32>, dx: Out<T>, rows: u32, channels: u32);
        fn relu_alive_bwd<T>(dy: In<T>, mask: In<u32>, alive: Out<u32>, rows: u32, channels: u32);
        fn relu_redirect_bwd<T>(dy: In<T>, mask: In<u32>, alive: In<u32>, dx: Out<T>, images: u32, rows: u32, channels: u32);
    }
    "facet" {
        fn facet_rows_bwd<T>(a: In<T>, pure: In<T>, rectified: In<f32>, linear: In<f32>, cotangent: Out<T>, table: Out<f32>, images: u32, rows: u32, skipped: u32, channels: u32);
        fn facet_values_fwd(table: In<f32>, scales: In<f32>, step: In<u32>, values: Out<f32>, images: u32, rows: u32);
    }
    "gelu" {
        fn quick_gelu_fwd<T>(x: In<T>, y: Out<T>, count: u32);
        fn quick_gelu_bwd<T>(x: In<T>, dy: In<T>, dx: Out<T>, count: u32);
        fn gelu_fwd<T>(x: In<T>, y: Out<T>, count: u32);
        fn gelu_bwd<T>(x: In<T>, dy: In<T>, dx: Out<T>, count: u32);
    }
    "heads" {
        fn heads_fwd<T>(x: In<T>, y: Out<T>, images: u32, tokens: u32, parts: u32, heads: u32, size: u32);
        fn heads_bwd<T>(dy: In<T>, dx: Out<T>, images: u32, tokens: u32, parts: u32, heads: u32, size: u32);
    }
    "layer_norm" {
        fn layer_norm_fwd<T>(x: In<T>, gain: In<f32>, bias: In<f32>, y: Out<T>, moments: Out<f32>, rows: i32, width: i32, epsilon: f32);
        fn layer_norm_bwd<T>(x: In<T>, moments: In<f32>, gain: In<f32>, dy: In<T>, dx: Out<T>, rows: i32, width: i32);
    }
    "patches" {
        fn patches_fwd<T>(x: In<T>, rows: Out<T>, images: u32, h: u32, w: u32, channels: u32, k: u32, stride: u32, padding: u32, oh: u32, ow: u32);
        fn patches_bwd<T>(rows: In<T>, dx: Out<T>, images: u32, h: u32, w: u32, channels: u32, k: u32, stride: u32, padding: u32, oh: u32, ow: u32);
    }
    "penalty" {
        fn penalty_bwd(rgb: In<f32>, weights: In<f32>, step: In<u32>, gradient: Out<f32>, values: Out<f32>, h: u32, w: u32);
    }
    "pool" {
        fn pool_fwd<T>(x: In<T>, y: Out<T>, images: u32, h: u32, w: u32, channels: u32, k: u32);
        fn pool_bwd<T>(dy: In<T>, add: In<T>, gate: In<u32>, dx: Out<T>, images: u32, h: u32, w: u32, channels: u32, k: u32);
    }
    "reduce" {
        fn reduce_terms_bwd<T>(a: In<T>, starts: In<i32>, terms: In<i32>, weights: In<f32>, vectors: In<f32>, scales: In<f32>, cotangent: Out<T>, table: Out<f32>, images: u32, rows: u32, channels: u32);
        fn reduce_values_fwd(table: In<f32>, terms: In<i32>, step: In<u32>, values: Out<f32>, count: u32, rows: u32);
        fn reduce_norm_fwd(x: In<f32>, step: In<u32>, squares: Out<f64>, length: u32);
        fn reduce_guard_bwd(gradient: In<f32>, scales: Out<f32>, lost: Out<u32>, step: In<u32>, squares: Out<f64>, length: u32);
    }
    "softmax" {
        fn softmax_fwd<T>(s: In<T>, p: Out<T>, scale: f32, rows: u32, keys: u32);
        fn softmax_bwd<T>(p: In<T>, dp: In<T>, ds: Out<T>, scale: f32, rows: u32, keys: u32);
    }
    "synthesis" {
        fn synthesis_spectrum_fwd(spectrum: In<f32>, scale: In<f32>, parts: Out<f32>, planes: i32, bins: i32);
        fn synthesis_spectrum_bwd(
            parts: In<f32>,
            scale: In<f32>,
            spectrum: Out<f32>,
            planes: i32,
            bins: i32,
        );
        fn synthesis_colour_fwd(t: In<f32>, colours: In<f32>, rgb: Out<f32>, images: i32, pixels: i32);
        fn synthesis_colour_bwd(rgb: In<f32>, drgb: In<f32>, colours: In<f32>, dt: Out<f32>, images: i32, pixels: i32);
    }
    "tokens" {
        fn class_tokens_fwd<T>(x: In<T>, first: In<f32>, positions: In<f32>, y: Out<T>, images: u32, cells: u32, channels: u32);
        fn class_tokens_bwd<T>(dy: In<T>, dx: Out<T>, images: u32, cells: u32, channels: u32);
        fn first_token_fwd<T>(x: In<T>, y: Out<T>, images: u32, tokens: u32, channels: u32);
        fn first_token_bwd<T>(dy: In<T>, dx: Out<T>, images: u32, tokens: u32, channels: u32);
        fn mean_tokens_fwd<T>(x: In<T>, positions: In<f32>, y: Out<T>, images: u32, cells: u32, channels: u32);
        fn mean_tokens_bwd<T>(dy: In<T>, first: In<T>, dx: Out<T>, images: u32, cells: u32, channels: u32);
    }
    "warp" {
        fn warp_fwd<T>(x: In<f32>, maps: In<f32>, fills: In<u32>, norm: In<f32>, y: Out<T>, images: i32, h: i32, w: i32, oh: i32, ow: i32);
        fn warp_bwd<T>(dy: In<T>, maps: In<f32>, fills: In<u32>, norm: In<f32>, scales: In<f32>, dx: Out<f32>, images: i32, h: i32, w: i32, oh: i32, ow: i32);
    }
    "winograd" {
        fn winograd_input_fwd<T>(x: In<T>, v: Out<f32>, images: u32, h: u32, w: u32, channels: u32);
        fn winograd_output_fwd<T>(m: In<f32>, bias: In<f32>, add: In<T>, y: Out<T>, made: Out<u32>, gate: In<u32>, images: u32, h: u32, w: u32, channels: u32);
        fn winograd_pool_fwd<T>(m: In<f32>, bias: In<f32>, y: Out<T>, made: Out<u32>, images: u32, h: u32, w: u32, channels: u32);
    }
}
