//! The 3x3 convolutions of known networks by Winograd's filtering and by patches, side by side: what the table
//! of `src/ops/conv/cuda/choice.rs` is set from.

use std::time::Duration;

use candle_core::{Device, Tensor};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use half::bf16;
use percept::backend::cuda::{Float, GpuField, GpuMask};
use percept::backend::field::{Extent, Field};
use percept::error::Result;
use percept::ops::conv::Conv;
use percept::ops::conv::cuda::{GpuConv, Way};

use crate::networks::{Network, RN50, RN50X4, SMALL_RESNET, Shape};
use crate::rates::Clock;

const WAYS: [Way; 2] = [Way::Winograd, Way::Patches];

/// A 3x3 convolution with its ReLU.
#[derive(Clone, Copy)]
struct Convolution {
    side: usize,
    inputs: usize,
    outputs: usize,
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
            is_pooled,
            times,
        };
        let mut all = vec![
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
        let pooled = if self.is_pooled { ", pooled" } else { "" };
        format!("{side}x{side}x{inputs} to {outputs}{pooled}")
    }

    fn cpus(&self) -> Conv<f32> {
        let shape = [self.outputs, self.inputs, 3, 3];
        let weight = Tensor::from_vec(noise(shape.iter().product()), &shape, &Device::Cpu);
        let bias = Tensor::from_vec(noise(self.outputs), self.outputs, &Device::Cpu);
        let (weight, bias) = (weight.expect("weights"), bias.expect("a bias"));
        Conv::new(&weight, &bias, 1, 1).expect("a convolution")
    }
}

/// Numbers of both signs: products of zeros would take less power, and so less time.
fn noise(count: usize) -> Vec<f32> {
    (0..count as u32)
        .map(|i| f32::from((i.wrapping_mul(2_654_435_761) >> 16) as u16) / 32_768.0 - 1.0)
        .collect()
}

/// The seconds that one takes forward and back, by each way.
struct Row {
    network: &'static str,
    of: Convolution,
    dtype: &'static str,
    images: usize,
    seconds: [f64; 2],
    /// Which of the ways the table has.
    chosen: usize,
}

impl Row {
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
        let upload = || cpus.upload::<T>(&clock.gpu).expect("memory");
        if !matches!(upload(), GpuConv::Spatial(_)) {
            continue;
        }
        let convs = WAYS.map(|way| upload().by(way));
        let way = Way::of::<T>(of.side * of.side, of.inputs);
        for images in clock.size([1, 32], [1, 2]) {
            let from = Extent {
                images,
                height: of.side,
                width: of.side,
                channels: of.inputs,
            };
            let fields = [from, from.with_channels(of.outputs)].map(|to| field::<T>(clock, to));
            let (_, gate) = percept::ops::relu::cuda::forward(&fields[0]).expect("memory");
            let seconds = [0, 1].map(|index| {
                let work = || there_and_back(&convs[index], of, &fields, &gate);
                // Each way makes its weights when it is first used.
                work().expect("memory");
                let name = format!(
                    "{}, {}, {}, batch {images}, {:?}",
                    network.0,
                    of.name(),
                    T::SUFFIX,
                    WAYS[index]
                );
                clock.time(group, &name, work)
            });
            rows.push(Row {
                network: network.0,
                of,
                dtype: T::SUFFIX,
                images,
                seconds,
                chosen: usize::from(way == WAYS[1]),
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

    println!(
        "\n| convolution, there and back | Winograd, us | patches, us | Winograd / patches | the table's |"
    );
    println!("|---|---|---|---|---|");
    for row in &rows {
        let [winograd, patches] = row.seconds;
        let verdict = match row.seconds[row.chosen] <= row.seconds[1 - row.chosen] {
            true => "",
            false => ", slower",
        };
        println!(
            "| {}, {} | {:.1} | {:.1} | {:.2} | {:?}{verdict} |",
            row.name(),
            row.of.name(),
            1e6 * winograd,
            1e6 * patches,
            winograd / patches,
            WAYS[row.chosen],
        );
    }
    println!(
        "\n| all of a network's, ms | Winograd | patches | the table's | the faster of both |"
    );
    println!("|---|---|---|---|---|");
    let mut names: Vec<String> = rows.iter().map(Row::name).collect();
    names.sort();
    names.dedup();
    for name in names {
        let own = || rows.iter().filter(|row| row.name() == name);
        let sum = |pick: &dyn Fn(&Row) -> f64| -> f64 {
            1e3 * own()
                .map(|row| row.of.times as f64 * pick(row))
                .sum::<f64>()
        };
        println!(
            "| {name} | {:.3} | {:.3} | {:.3} | {:.3} |",
            sum(&|row| row.seconds[0]),
            sum(&|row| row.seconds[1]),
            sum(&|row| row.seconds[row.chosen]),
            sum(&|row| row.seconds[0].min(row.seconds[1])),
        );
    }
    println!();
}
