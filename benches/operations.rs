//! Times each operation of the encoder at the shapes of known models, forward and pullback, next to
//! a single-precision product of matrices by the `gemm` crate: `cargo bench --bench operations`.
//! Throughput of products is in multiply-adds of the direct algorithm, so that shares of the product's rate can
//! be read off; a method that saves some can exceed it.

use std::hint::black_box;
use std::time::Duration;

use candle_core::{DType, Device, Tensor};
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use percept::backend::field::{Extent, Field};
use percept::ops::attention::{Attention, Inputs};
use percept::ops::conv::Conv;
use percept::ops::gelu::Gelu;
use percept::ops::layer_norm::LayerNorm;
use percept::ops::linear::{Back, Forward, Linear};
use percept::ops::{pool, relu};

fn numbers(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|i| ((i * 7919) % 2003) as f32 / 1001.0 - 1.0)
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor")
}

fn field(side: usize, channels: usize) -> Field<f32> {
    Field::from_planes(&numbers(&[1, channels, side, side])).expect("a field")
}

/// The rate that shares refer to.
fn sgemm(group: &mut BenchmarkGroup<WallTime>) {
    const N: usize = 1024;
    let (a, b) = (vec![0.5f32; N * N], vec![0.25f32; N * N]);
    let mut c = vec![0f32; N * N];
    group.throughput(Throughput::Elements((N * N * N) as u64));
    group.bench_function("sgemm 1024", |bench| {
        bench.iter(|| {
            // SAFETY: three row-major matrices of N x N.
            unsafe {
                gemm::gemm(
                    N,
                    N,
                    N,
                    c.as_mut_ptr(),
                    1,
                    N as isize,
                    false,
                    a.as_ptr(),
                    1,
                    N as isize,
                    b.as_ptr(),
                    1,
                    N as isize,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::Rayon(0),
                );
            }
            black_box(&mut c);
        });
    });
}

/// inputs, outputs, kernel, stride, side of the input; what makes up RN50 at 224 pixels, and most of
/// RN50x4 at 288.
const CONVOLUTIONS: [(usize, usize, usize, usize, usize); 28] = [
    (3, 32, 3, 2, 224),
    (32, 32, 3, 1, 112),
    (32, 64, 3, 1, 112),
    (64, 64, 1, 1, 56),
    (64, 64, 3, 1, 56),
    (64, 256, 1, 1, 56),
    (256, 64, 1, 1, 56),
    (128, 128, 3, 1, 56),
    (512, 128, 1, 1, 28),
    (128, 128, 3, 1, 28),
    (128, 512, 1, 1, 28),
    (1024, 256, 1, 1, 14),
    (256, 256, 3, 1, 14),
    (256, 1024, 1, 1, 14),
    (512, 512, 3, 1, 7),
    (2048, 512, 1, 1, 7),
    (40, 80, 3, 1, 144),
    (80, 80, 3, 1, 72),
    (80, 320, 1, 1, 72),
    (320, 80, 1, 1, 72),
    (160, 160, 3, 1, 36),
    (160, 640, 1, 1, 36),
    (640, 160, 1, 1, 36),
    (320, 320, 3, 1, 18),
    (320, 1280, 1, 1, 18),
    (1280, 320, 1, 1, 18),
    (640, 640, 3, 1, 9),
    (640, 2560, 1, 1, 9),
];

fn convolutions(group: &mut BenchmarkGroup<WallTime>) {
    for (inputs, outputs, kernel, stride, side) in CONVOLUTIONS {
        let weight = numbers(&[outputs, inputs, kernel, kernel]);
        let bias = Tensor::zeros(outputs, DType::F32, &Device::Cpu).expect("a tensor");
        let conv = Conv::<f32>::new(&weight, &bias, stride, kernel / 2).expect("a convolution");
        let x = field(side, inputs);
        let then = Forward {
            add: None,
            relu: true,
        };
        let (y, _) = conv.forward(&x, then);
        let (_, gate) = relu::forward(&x);
        let back = Back {
            add: None,
            gate: Some(&gate),
        };
        let to: Extent = y.extent;
        let work = to.rows() * outputs * inputs * kernel * kernel;
        let name = format!("conv {kernel}x{kernel} {inputs}-{outputs} {side}px/{stride}");
        group.throughput(Throughput::Elements(work as u64));
        group.bench_function(format!("{name} forward"), |bench| {
            bench.iter(|| rayon_scope(|| conv.forward(black_box(&x), then)));
        });
        group.bench_function(format!("{name} pullback"), |bench| {
            bench.iter(|| rayon_scope(|| conv.pullback(black_box(&y), x.extent, back)));
        });
    }
}

/// inputs, outputs of ViT-B/32's linear maps: queries, keys and values, the way out, the MLP.
const LINEARS: [(usize, usize); 4] = [(768, 2304), (768, 768), (768, 3072), (3072, 768)];

/// Tokens of ViT-B/32 at 224 pixels.
const TOKENS: usize = 50;

fn tokens(width: usize) -> Field<f32> {
    Field::from_tokens(&numbers(&[1, TOKENS, width])).expect("a field")
}

fn linears(group: &mut BenchmarkGroup<WallTime>) {
    for (inputs, outputs) in LINEARS {
        let linear = Linear::<f32>::new(&numbers(&[outputs, inputs]), None).expect("a linear map");
        let (x, y) = (tokens(inputs), tokens(outputs));
        let name = format!("linear {inputs}-{outputs}, {TOKENS} tokens");
        group.throughput(Throughput::Elements((TOKENS * inputs * outputs) as u64));
        group.bench_function(format!("{name} forward"), |bench| {
            bench.iter(|| rayon_scope(|| linear.forward(black_box(&x), Forward::default())));
        });
        group.bench_function(format!("{name} pullback"), |bench| {
            bench.iter(|| rayon_scope(|| linear.pullback(black_box(&y), Back::default())));
        });
    }
    let attention = Attention {
        heads: 12,
        causal: false,
    };
    let (y, saved) = attention.forward(Inputs::Own(tokens(3 * 768)));
    group.throughput(Throughput::Elements((2 * TOKENS * TOKENS * 768) as u64));
    group.bench_function("attention 12 heads, 50 tokens forward", |bench| {
        bench.iter_batched(
            || Inputs::Own(tokens(3 * 768)),
            |inputs| rayon_scope(|| attention.forward(inputs)),
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Elements((4 * TOKENS * TOKENS * 768) as u64));
    group.bench_function("attention 12 heads, 50 tokens pullback", |bench| {
        bench.iter(|| rayon_scope(|| attention.pullback(&saved, black_box(&y))));
    });
}

/// What only reads and writes; throughput is in numbers.
fn passes(group: &mut BenchmarkGroup<WallTime>) {
    let x = tokens(768);
    let norm = LayerNorm::<f32>::new(&numbers(&[768]), &numbers(&[768]), 1e-5);
    let norm = norm.expect("a normalisation");
    let (_, saved) = norm.forward(&x);
    group.throughput(Throughput::Elements((TOKENS * 768) as u64));
    group.bench_function("layer norm 768, 50 tokens forward", |bench| {
        bench.iter(|| rayon_scope(|| norm.forward(black_box(&x))));
    });
    group.bench_function("layer norm 768, 50 tokens pullback", |bench| {
        bench.iter(|| rayon_scope(|| norm.pullback(&saved, black_box(&x))));
    });
    let x = tokens(3072);
    group.throughput(Throughput::Elements((TOKENS * 3072) as u64));
    for (gelu, name) in [(Gelu::Quick, "QuickGELU"), (Gelu::Exact, "GELU")] {
        group.bench_function(format!("{name} 3072, 50 tokens forward"), |bench| {
            bench.iter(|| rayon_scope(|| gelu.forward(black_box(&x))));
        });
        group.bench_function(format!("{name} 3072, 50 tokens pullback"), |bench| {
            bench.iter(|| rayon_scope(|| gelu.pullback(&x, black_box(&x))));
        });
    }
    let x = field(56, 128);
    let pooled = pool::forward(&x, 2);
    group.throughput(Throughput::Elements((56 * 56 * 128) as u64));
    group.bench_function("pool 2x2 128, 56px forward", |bench| {
        bench.iter(|| rayon_scope(|| pool::forward(black_box(&x), 2)));
    });
    group.bench_function("pool 2x2 128, 56px pullback", |bench| {
        bench.iter(|| rayon_scope(|| pool::pullback(black_box(&pooled), 2, x.extent)));
    });
    group.bench_function("ReLU 128, 56px forward", |bench| {
        bench.iter(|| rayon_scope(|| relu::forward(black_box(&x))));
    });
}

/// As an ascent runs: on a thread of the pool.
fn rayon_scope<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

fn operations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("operations");
    group.warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    group.sample_size(20);
    sgemm(&mut group);
    convolutions(&mut group);
    linears(&mut group);
    passes(&mut group);
    group.finish();
}

criterion_group!(benches, operations);
criterion_main!(benches);
