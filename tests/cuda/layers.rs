//! The layers that stand between fields and tokens, each as a program of its own, as the CPU runs it.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use half::{bf16, f16};
use percept::backend::cuda::{Float, Gpu};
use percept::encoder::affine::Affine;
use percept::encoder::attention::{AttentionPool, Tokens};
use percept::encoder::engine::Cpu;
use percept::encoder::engine::cuda::Cuda;
use percept::encoder::layer::{Layer, Rules};
use percept::encoder::program::{IMAGE, Program};
use percept::encoder::tap::{Layout, Relu, Tap, TapId};
use percept::ops::attention::Attention;
use percept::ops::conv::Conv;
use percept::ops::linear::Linear;

use super::{assert_field, extent, field, gpu, wave};

const IMAGES: usize = 3;
const HEIGHT: usize = 4;
const WIDTH: usize = 5;
const CELLS: usize = HEIGHT * WIDTH;

fn tap(name: &str, channels: usize, layout: Layout) -> Tap {
    Tap {
        name: name.to_owned(),
        channels,
        layout,
        relu: Relu::None,
    }
}

/// Runs a layer on both, forward and back.
fn check<T: Float>(gpu: &Arc<Gpu>, what: &str, channels: usize, layer: Layer<f32>) {
    let mut here = Program::<Cpu<f32>>::default();
    let y = here.layer(IMAGE, layer);
    here.tap(y, tap("y", channels, Layout::Vector));
    let there = Cuda::<T>::upload(&here, gpu).unwrap();
    let (x, x_here) = field::<T>(gpu, extent(IMAGES, HEIGHT, WIDTH, channels), 0.4);
    let tap = TapId(0);
    let run_here = here.run(x_here, &[tap]).unwrap();
    let run = there.run(x, &[tap]).unwrap();
    let y = run_here.activation(tap).unwrap();
    assert_field(what, run.activation(tap).unwrap(), y);
    let (dy, dy_here) = field::<T>(gpu, y.extent, 1.9);
    let back_here = here.pullback(&run_here, vec![(tap, dy_here)], Rules::default());
    let back = there.pullback(&run, vec![(tap, dy)], Rules::default());
    let what = format!("{what}, back");
    assert_field(&what, &back.unwrap(), &back_here.unwrap());
}

/// A convolution, its ReLU and the means of its windows: as one pass, and where the ReLU is read too; with
/// the gate, and redirected.
fn pooled_program<T: Float>() {
    let Some(gpu) = gpu() else { return };
    let (channels, outputs) = (33, 37);
    let mut here = Program::<Cpu<f32>>::default();
    let numbers = wave(outputs * channels * 9, 0.9).into_iter();
    let numbers: Vec<f32> = numbers.map(|x| x / 17.0).collect();
    let weight = Tensor::from_vec(numbers, (outputs, channels, 3, 3), &Device::Cpu).unwrap();
    let bias = Tensor::from_vec(wave(outputs, 1.7), outputs, &Device::Cpu).unwrap();
    let conv = Conv::new(&weight, &bias, 1, 1).unwrap();
    let rectified = here.affine(IMAGE, Affine::Conv(conv));
    let rectified = here.relu(rectified);
    let mean = here.layer(rectified, Layer::AveragePool(2));
    let layout = Layout::Map { stride: 1 };
    here.tap(rectified, tap("rectified", outputs, layout));
    here.tap(mean, tap("mean", outputs, layout));
    let there = Cuda::<T>::upload(&here, &gpu).unwrap();
    for (height, width) in [(13, 14), (4, 5)] {
        let (x, x_here) = field::<T>(&gpu, extent(IMAGES, height, width, channels), 0.4);
        for taps in [&[TapId(1)][..], &[TapId(0), TapId(1)]] {
            let run_here = here.run(x_here.clone(), taps).unwrap();
            let run = there.run(x.copy().unwrap(), taps).unwrap();
            for redirect_relu in [false, true] {
                let mut cotangents = (Vec::new(), Vec::new());
                for tap in taps {
                    let y = run_here.activation(*tap).unwrap();
                    assert_field("activation", run.activation(*tap).unwrap(), y);
                    let (dy, dy_here) = field::<T>(&gpu, y.extent, 1.9);
                    cotangents.0.push((*tap, dy_here));
                    cotangents.1.push((*tap, dy));
                }
                let rules = Rules { redirect_relu };
                let back_here = here.pullback(&run_here, cotangents.0, rules).unwrap();
                let back = there.pullback(&run, cotangents.1, rules).unwrap();
                assert_field("back", &back, &back_here);
            }
        }
    }
}

/// In types of 16 bits rounding turns a ReLU here and there, and with it what comes back.
#[test]
fn a_convolution_its_relu_and_its_pool() {
    pooled_program::<f32>();
}

fn linear(inputs: usize, outputs: usize, phase: f32) -> Linear<f32> {
    let shrink = (inputs as f32).sqrt().recip();
    let numbers = wave(outputs * inputs, phase).into_iter();
    let numbers: Vec<f32> = numbers.map(|x| x * shrink).collect();
    let weight = Tensor::from_vec(numbers, (outputs, inputs), &Device::Cpu).unwrap();
    let bias = Tensor::from_vec(wave(outputs, phase + 0.3), outputs, &Device::Cpu).unwrap();
    Linear::new(&weight, Some(&bias)).unwrap()
}

fn layers<T: Float>() {
    let Some(gpu) = gpu() else { return };
    let channels = 33;
    let tokens = Tokens {
        class: wave(channels, 0.9),
        positions: wave((CELLS + 1) * channels, 2.1),
    };
    check::<T>(&gpu, "tokens", channels, Layer::Tokens(tokens));
    check::<T>(&gpu, "class token", channels, Layer::ClassToken);
    let pool = AttentionPool {
        positions: wave((CELLS + 1) * channels, 2.1),
        query: linear(channels, channels, 0.1),
        key_value: linear(channels, 2 * channels, 0.2),
        output: linear(channels, 7, 0.3),
        attention: Attention {
            heads: 3,
            causal: false,
        },
    };
    let pool = Layer::AttentionPool(Box::new(pool));
    check::<T>(&gpu, "attention pool", channels, pool);
}

#[test]
fn layers_in_every_type() {
    layers::<f32>();
    layers::<f16>();
    layers::<bf16>();
}
