//! The CUDA half against the CPU, on whatever device there is: a GPU, or a CPU that acts as one
//! (`tests/cuda_on_cpu/run cargo test --features cuda`). Without a device these tests say so and pass.

#![cfg(feature = "cuda")]

#[path = "cuda/ascent.rs"]
mod ascent;
#[path = "cuda/commands.rs"]
mod commands;
mod common;
#[path = "cuda/gpu.rs"]
mod gpu;
#[path = "cuda/groups.rs"]
mod groups;
#[path = "cuda/half.rs"]
mod half;
#[path = "cuda/images.rs"]
mod images;
#[path = "cuda/layers.rs"]
mod layers;
#[path = "cuda/looks.rs"]
mod looks;
#[path = "cuda/methods.rs"]
mod methods;
#[path = "common/networks.rs"]
mod networks;
#[path = "cuda/operations.rs"]
mod operations;
#[path = "cuda/reductions.rs"]
mod reductions;
#[path = "cuda/signatures.rs"]
mod signatures;

use std::sync::Arc;

use percept::backend::cuda::{Float, Gpu, GpuField};
use percept::backend::field::{Extent, Field};

/// Set where a device must be there.
pub const DEMANDED: &str = "PERCEPT_TEST_GPU";

/// The first device, or nothing but a remark.
pub fn gpu() -> Option<Arc<Gpu>> {
    common::program();
    match Gpu::open(0) {
        Ok(gpu) => Some(gpu),
        Err(error) if std::env::var_os(DEMANDED).is_some() => panic!("{}", error.report()),
        Err(error) => {
            eprintln!("SKIPPED, no device: {}", error.report());
            None
        }
    }
}

/// Whether it is a GPU, and no CPU that acts as one.
pub fn is_real(gpu: &Gpu) -> bool {
    !gpu.name().unwrap().contains("acts as a GPU")
}

/// How far a result may be from the CPU's, as a share of the CPU's largest number: a few roundings
/// of a value's type; in `f32` twice what Winograd's filtering is off by.
pub fn tolerance<T: Float>() -> f32 {
    match T::SUFFIX {
        "f32" => 2e-5,
        "f16" => 8e-3,
        _ => 6e-2,
    }
}

/// Fails on NaN, too.
pub fn assert_close<T: Float>(what: &str, ours: &[f32], gold: &[f32]) {
    assert_eq!(ours.len(), gold.len(), "{what}");
    let largest = gold.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let within = tolerance::<T>() * largest.max(1e-6);
    for (index, (ours, gold)) in ours.iter().zip(gold).enumerate() {
        let error = (ours - gold).abs();
        assert!(
            error <= within,
            "{what}, {}: {ours} at {index} where the CPU has {gold}, {error} > {within}",
            T::SUFFIX
        );
    }
}

/// Numbers of both signs without a pattern.
pub fn wave(count: usize, phase: f32) -> Vec<f32> {
    (0..count)
        .map(|i| {
            ((i as f32 + phase) * 12.9898).sin() * 1.3 + ((i as f32) * 0.37 + phase).cos() * 0.4
        })
        .collect()
}

/// A field on the device, and the same numbers, which the device's type can hold, for the CPU.
pub fn field<T: Float>(gpu: &Arc<Gpu>, extent: Extent, phase: f32) -> (GpuField<T>, Field<f32>) {
    let mut numbers = Field::any(extent);
    numbers
        .elements
        .copy_from_slice(&wave(extent.count(), phase));
    let there = GpuField::<T>::upload(gpu, &numbers).unwrap();
    let here = there.download().unwrap();
    (there, here)
}

/// Compares a field of the device with one of the CPU.
pub fn assert_field<T: Float>(what: &str, ours: &GpuField<T>, gold: &Field<f32>) {
    assert_eq!(ours.extent, gold.extent, "{what}");
    assert_close::<T>(what, &ours.download().unwrap().elements, &gold.elements);
}

/// Sizes of a field.
pub fn extent(images: usize, height: usize, width: usize, channels: usize) -> Extent {
    Extent {
        images,
        height,
        width,
        channels,
    }
}
