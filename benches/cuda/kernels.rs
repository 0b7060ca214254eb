//! Every kernel by itself, at shapes of RN50's and ViT-B/32's steps of 32 images: what it moves and computes,
//! as `kernels/README.md` counts it, as a share of the measured rates. Kernels that are launched on numbers a
//! picture, and take no time that matters, are timed in whole steps only.

#[path = "kernels/fields.rs"]
mod fields;
#[path = "kernels/pictures.rs"]
mod pictures;
#[path = "kernels/tokens.rs"]
mod tokens;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use half::bf16;
use percept::backend::cuda::{Array, Element, Float};
use percept::error::Result;

use crate::rates::{Clock, Rates};
use fields::Sizes;

/// A measured kernel.
struct Row {
    name: String,
    seconds: f64,
    bytes: f64,
    operations: f64,
}

/// Where kernels are timed.
struct Bench<'a> {
    group: BenchmarkGroup<'a, WallTime>,
    clock: &'a Clock,
    rows: Vec<Row>,
}

impl Bench<'_> {
    fn zeros<T: Element>(&self, count: usize) -> Array<T> {
        Array::zeros(&self.clock.gpu, count).expect("memory")
    }

    /// Times a kernel that moves so many bytes with so many operations.
    fn kernel(
        &mut self,
        name: &str,
        bytes: usize,
        operations: usize,
        work: impl FnMut() -> Result<()>,
    ) {
        self.group.throughput(Throughput::Bytes(bytes as u64));
        let seconds = self.clock.time(&mut self.group, name, work);
        self.rows.push(Row {
            name: name.to_owned(),
            seconds,
            bytes: bytes as f64,
            operations: operations as f64,
        });
    }
}

fn of_type<T: Float>(bench: &mut Bench) {
    let clock = bench.clock;
    let fields = clock.size([(32, 56, 64), (32, 28, 128)], [(1, 4, 8), (2, 4, 33)]);
    for (images, side, channels) in fields {
        let sizes = Sizes {
            images,
            side,
            channels,
        };
        fields::all::<T>(bench, sizes);
    }
    let (images, cells, heads) = clock.size((32, 49, 12), (1, 4, 1));
    tokens::all::<T>(bench, images, cells, heads);
    let (images, side, channels) = clock.size((32, 224, 2048), (1, 8, 8));
    pictures::on_the_encoders_side::<T>(bench, images, side, channels);
}

/// Times all, in `f32` and in `bf16`, and prints their shares.
pub fn all(criterion: &mut Criterion, clock: &Clock, rates: &Rates) {
    let mut bench = Bench {
        group: criterion.benchmark_group("kernels"),
        clock,
        rows: Vec::new(),
    };
    of_type::<f32>(&mut bench);
    of_type::<bf16>(&mut bench);
    let (images, side) = clock.size((32, 224), (1, 8));
    pictures::on_the_pictures_side(&mut bench, images, side);
    let Bench { group, rows, .. } = bench;
    group.finish();
    println!("\n| kernel | us | GB/s | of the memory's rate | of the arithmetic's |");
    println!("|---|---|---|---|---|");
    for Row {
        name,
        seconds,
        bytes,
        operations,
    } in rows
    {
        let (moved, computed) = (bytes / seconds, operations / seconds);
        let shares = [moved / rates.memory, computed / rates.single];
        println!(
            "| {name} | {:.1} | {:.0} | {:.2} | {:.2} |",
            1e6 * seconds,
            moved / 1e9,
            shares[0],
            shares[1]
        );
    }
    println!();
}
