//! The 3x3 convolutions of known networks by each method that there is, side by side: what the table of
//! `src/ops/conv/cuda/choice.rs` is set from. With the feature `cudnn` that is one more.

use std::time::Duration;

use candle_core::{Device, Tensor};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use half::bf16;
use percept::backend::cuda::{Float, GpuField, GpuMask};
use percept::backend::field::{Extent, Field};
use percept::error::Result;
use percept::ops::conv::cuda::{GpuConv, GpuMethod};
use percept::ops::conv::{Conv, Window};

use crate::networks::{Network, RN50, RN50X4, SMALL_RESNET, Shape};
use crate::rates::Clock;

/// A 3x3 convolution with its ReLU.
#[derive(Clone, Copy)]
struct Convolution {
    side: usize,
    inputs: usize,
    outputs: usize,
    stride: usize,
    /// Whether a pool follows, which is taken along.
    is_pooled: bool,
    /// How many a network has.
    times: usize,
}

impl Convolution {
    fn all((_, shape, side): Network) -> Vec<Self> {
        let Shape::ResNet { width, blocks } = shape else {
            return Vec::new();
        };
        let of = |side, inputs, outputs, is_pooled, times| Self {
            side,
            inputs,
            outputs,
            stride: 1,
            is_pooled,
            times,
        };
        let stem = Self {
            stride: 2,
            ..of(side, 3, width / 2, false, 1)
        };
        let mut all = vec![
            stem,
            of(side / 2, width / 2, width / 2, false, 1),
            of(side / 2, width / 2, width, true, 1),
            of(side / 4, width, width, false, blocks[0]),
        ];
        for (stage, blocks) in blocks.into_iter().enumerate().skip(1) {
            let (side, channels) = ((side / 4) >> stage, width << stage);
            all.push(of(2 * side, channels, channels, true, 1));
            all.push(of(side, channels, channels, false, blocks - 1));
        }
        all.retain(|own| own.times > 0);
        all
    }

    fn name(&self) -> String {
        let Self {
            side,
            inputs,
            outputs,
            ..
        } = self;
        let halved = if self.stride == 2 { ", stride 2" } else { "" };
        let pooled = if self.is_pooled { ", pooled" } else { "" };
        format!("{side}x{side}x{inputs} to {outputs}{halved}{pooled}")
    }

    fn window(&self) -> Window {
        Window {
            stride: self.stride,
            ..Window::SPATIAL
        }
    }

    fn cpus(&self) -> Conv<f32> {
        let shape = [self.outputs, self.inputs, 3, 3];
        let weight = Tensor::from_vec(noise(shape.iter().product()), &shape, &Device::Cpu);
        let bias = Tensor::from_vec(noise(self.outputs), self.outputs, &Device::Cpu);
        let (weight, bias) = (weight.expect("weights"), bias.expect("a bias"));
        let Window {
            stride, padding, ..
        } = self.window();
        Conv::new(&weight, &bias, stride, padding).expect("a convolution")
    }
}

/// Numbers of both signs: products of zeros would take less power, and so less time.
fn noise(count: usize) -> Vec<f32> {
    (0..count as u32)
        .map(|i| f32::from((i.wrapping_mul(2_654_435_761) >> 16) as u16) / 32_768.0 - 1.0)
        .collect()
}

/// The seconds that one takes forward and back, by each method that it has.
struct Row {
    network: &'static str,
    of: Convolution,
    dtype: &'static str,
    images: usize,
    seconds: Vec<(GpuMethod, f64)>,
    /// The table's method.
    chosen: GpuMethod,
}

impl Row {
    fn by(&self, method: GpuMethod) -> Option<f64> {
        let found = self.seconds.iter().find(|(own, _)| *own == method);
        found.map(|(_, seconds)| *seconds)
    }

    fn fastest(&self) -> f64 {
        let seconds = self.seconds.iter().map(|(_, seconds)| *seconds);
        seconds.fold(f64::INFINITY, f64::min)
    }

    fn name(&self) -> String {
        format!("{}, {}, batch {}", self.network, self.dtype, self.images)
    }
}

fn field<T: Float>(clock: &Clock, extent: Extent) -> GpuField<T> {
    let mut numbers = Field::any(extent);
    numbers.elements.copy_from_slice(&noise(extent.count()));
    GpuField::upload(&clock.gpu, &numbers).expect("memory")
}

/// Forward with the ReLU, and the pool where there is one; back with the gate of a ReLU before.
fn there_and_back<T: Float>(
    conv: &GpuConv<T>,
    of: Convolution,
    [x, dy]: &[GpuField<T>; 2],
    gate: &GpuMask,
) -> Result<()> {
    if of.is_pooled {
        conv.forward_pooled(x)?;
    } else {
        conv.forward(x, None, true)?;
    }
    conv.pullback(dy, x.extent, None, Some(gate)).map(drop)
}

fn of_type<T: Float>(
    group: &mut BenchmarkGroup<WallTime>,
    clock: &Clock,
    network: Network,
    rows: &mut Vec<Row>,
) {
    for of in Convolution::all(network) {
        let cpus = of.cpus();
        let by = |method: &GpuMethod| {
            let conv = cpus.upload_by::<T>(&clock.gpu, *method).expect("memory")?;
            Some((*method, conv))
        };
        let convs: Vec<_> = GpuMethod::ALL.iter().filter_map(by).collect();
        if convs.len() < 2 {
            continue;
        }
        let chosen = GpuMethod::of::<T>(of.window(), of.inputs, of.side * of.side);
        for images in clock.size([1, 32], [1, 2]) {
            let from = Extent {
                images,
                height: of.side,
                width: of.side,
                channels: of.inputs,
            };
            let to = Extent {
                height: of.side / of.stride,
                width: of.side / of.stride,
                channels: of.outputs,
                ..from
            };
            let fields = [from, to].map(|extent| field::<T>(clock, extent));
            let (_, gate) = percept::ops::relu::cuda::forward(&fields[0]).expect("memory");
            let mut time = |(method, conv): &(GpuMethod, GpuConv<T>)| {
                let work = || there_and_back(conv, of, &fields, &gate);
                // Each method makes its weights when it is first used.
                work().expect("memory");
                let of = of.name();
                let name = format!(
                    "{}, {of}, {}, batch {images}, {method:?}",
                    network.0,
                    T::SUFFIX
                );
                (*method, clock.time(group, &name, work))
            };
            rows.push(Row {
                network: network.0,
                of,
                dtype: T::SUFFIX,
                images,
                seconds: convs.iter().map(&mut time).collect(),
                chosen,
            });
        }
    }
}

/// Times all, and prints each, and what the table makes of them.
pub fn all(criterion: &mut Criterion, clock: &Clock) {
    let networks: &[Network] = match clock.is_real {
        true => &[RN50, RN50X4],
        false => &[SMALL_RESNET],
    };
    let mut group = criterion.benchmark_group("convolutions");
    group
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(200));
    let mut rows = Vec::new();
    for &network in networks {
        of_type::<f32>(&mut group, clock, network, &mut rows);
        of_type::<bf16>(&mut group, clock, network, &mut rows);
    }
    group.finish();

    print_each(&rows);
    print_sums(&rows);
}

/// A cell for each method, empty where there is nothing.
fn cells(of: impl Fn(GpuMethod) -> Option<String>) -> String {
    let cell = |method: &GpuMethod| of(*method).unwrap_or_default() + " | ";
    GpuMethod::ALL.iter().map(cell).collect()
}

fn print_each(rows: &[Row]) {
    let names = cells(|method| Some(format!("{method:?}, us")));
    println!("\n| convolution, there and back | {names}the table's | of the fastest |");
    println!("|---|{}---|---|", "---|".repeat(GpuMethod::ALL.len()));
    for row in rows {
        let times = cells(|method| {
            row.by(method)
                .map(|seconds| format!("{:.1}", 1e6 * seconds))
        });
        let chosen = row.by(row.chosen).expect("it was timed");
        println!(
            "| {}, {} | {times}{:?} | {:.2} |",
            row.name(),
            row.of.name(),
            row.chosen,
            chosen / row.fastest(),
        );
    }
}

/// What all of a network's take; by a method as far as it goes, and else by patches.
fn print_sums(rows: &[Row]) {
    let names = cells(|method| Some(format!("{method:?}")));
    println!("\n| all of a network's, ms | {names}the table's | the fastest |");
    println!("|---|{}---|---|", "---|".repeat(GpuMethod::ALL.len()));
    let mut names: Vec<String> = rows.iter().map(Row::name).collect();
    names.sort();
    names.dedup();
    for name in names {
        let own = || rows.iter().filter(|row| row.name() == name);
        let sum = |pick: &dyn Fn(&Row) -> f64| -> String {
            let all = own().map(|row| row.of.times as f64 * pick(row));
            format!("{:.3}", 1e3 * all.sum::<f64>())
        };
        let by = |row: &Row, method| {
            row.by(method)
                .or(row.by(GpuMethod::Patches))
                .expect("timed")
        };
        println!(
            "| {name} | {}{} | {} |",
            cells(|method| Some(sum(&|row| by(row, method)))),
            sum(&|row| by(row, row.chosen)),
            sum(&Row::fastest),
        );
    }
    println!();
}
