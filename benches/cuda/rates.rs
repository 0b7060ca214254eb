//! The clock for work on a device, and the device's own rates.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use half::{bf16, f16};
use percept::backend::cuda::product::{Matrices, Product};
use percept::backend::cuda::{Array, Float, Gpu};
use percept::error::Result;

/// Times what a device does, not how long it takes to ask for it.
pub struct Clock {
    pub gpu: Arc<Gpu>,
    /// Whether it is a GPU, and no CPU that acts as one.
    pub is_real: bool,
}

impl Clock {
    pub fn new(gpu: Arc<Gpu>) -> Self {
        let name = gpu.name().expect("a name");
        println!("device: {name}");
        Self {
            is_real: !name.contains("acts as a GPU"),
            gpu,
        }
    }

    /// The size for a GPU, or that for a CPU.
    pub fn size<T>(&self, real: T, tiny: T) -> T {
        if self.is_real { real } else { tiny }
    }

    /// Has Criterion time the work; the fewest seconds that it took.
    pub fn time(
        &self,
        group: &mut BenchmarkGroup<WallTime>,
        name: &str,
        mut work: impl FnMut() -> Result<()>,
    ) -> f64 {
        let fewest = Cell::new(f64::INFINITY);
        group.bench_function(name, |bench| {
            bench.iter_custom(|times| {
                self.gpu.wait().expect("a device");
                let start = Instant::now();
                for _ in 0..times {
                    work().expect("room on the device");
                }
                self.gpu.wait().expect("a device");
                let taken = start.elapsed();
                fewest.set(fewest.get().min(taken.as_secs_f64() / times as f64));
                taken.max(Duration::from_nanos(1))
            });
        });
        fewest.get()
    }
}

/// What the device reaches, a second.
pub struct Rates {
    /// Bytes read and written by a copy.
    pub memory: f64,
    /// Operations of a product in `f32`.
    pub single: f64,
    /// Operations of a product of `f16`, and of `bf16`.
    pub half: [f64; 2],
}

fn copies(group: &mut BenchmarkGroup<WallTime>, clock: &Clock) -> f64 {
    let count = clock.size(1 << 28, 1 << 10);
    let x = Array::<f32>::zeros(&clock.gpu, count).expect("memory");
    let bytes = 8 * count as u64;
    group.throughput(Throughput::Bytes(bytes));
    bytes as f64 / clock.time(group, "copy", || x.copy().map(drop))
}

fn products<T: Float>(group: &mut BenchmarkGroup<WallTime>, clock: &Clock) -> f64 {
    let n = clock.size(8192, 16);
    let zeros = || Array::<T>::zeros(&clock.gpu, n * n).expect("memory");
    let (a, b, mut c) = (zeros(), zeros(), zeros());
    let operations = 2 * (n * n * n) as u64;
    group.throughput(Throughput::Elements(operations));
    let name = format!("product of {n}, {}", T::SUFFIX);
    let work = || {
        let (a, b) = ((&a, Matrices::ONE), (&b, Matrices::ONE));
        Product::new(n, n, n).run(&clock.gpu, a, b, (&mut c, Matrices::ONE))
    };
    operations as f64 / clock.time(group, &name, work)
}

/// Measures them.
pub fn measure(criterion: &mut Criterion, clock: &Clock) -> Rates {
    let mut group = criterion.benchmark_group("rates");
    let rates = Rates {
        memory: copies(&mut group, clock),
        single: products::<f32>(&mut group, clock),
        half: [
            products::<f16>(&mut group, clock),
            products::<bf16>(&mut group, clock),
        ],
    };
    group.finish();
    println!("\n| rate | measured |");
    println!("|---|---|");
    println!("| memory | {:.0} GB/s |", rates.memory / 1e9);
    println!("| products, f32 | {:.1} TFLOP/s |", rates.single / 1e12);
    for (dtype, rate) in ["f16", "bf16"].iter().zip(rates.half) {
        println!("| products, {dtype} | {:.1} TFLOP/s |", rate / 1e12);
    }
    println!();
    rates
}
