//! Every convolution of OpenAI's ResNets in `f32`, against its definition summed in `f64`: forward and
//! pullback, at the sizes at which the models were trained, on places spread over the field.

use candle_core::{Device, Tensor};
use percept::backend::field::Field;
use percept::ops::conv::Conv;
use percept::ops::linear::{Back, Forward};

/// Of the largest output. Winograd's F(4x4, 3x3) comes closest to it, at 9e-6; whole encoders are
/// held to 1e-4.
const FORWARD: f64 = 2e-5;
/// Of the norm; whole encoders are held to 1e-3.
const PULLBACK: f64 = 2e-5;
/// Outputs that are summed again.
const PLACES: usize = 300;

/// Width of the stem's output and side of the input, in pixels; RN101's shapes are RN50's.
const RESNETS: [(&str, usize, usize); 4] = [
    ("RN50", 64, 224),
    ("RN50x4", 80, 288),
    ("RN50x16", 96, 384),
    ("RN50x64", 128, 448),
];

/// A convolution with as much padding as keeps a field's size when `stride` is 1.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Shape {
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    side: usize,
}

/// The convolutions of a ResNet, as OpenAI's ModifiedResNet has them.
fn shapes(width: usize, side: usize) -> Vec<Shape> {
    let of = |inputs, outputs, kernel, stride, side| Shape {
        inputs,
        outputs,
        kernel,
        stride,
        side,
    };
    let half = side / 2;
    let mut shapes = vec![
        of(3, width / 2, 3, 2, side),
        of(width / 2, width / 2, 3, 1, half),
        of(width / 2, width, 3, 1, half),
    ];
    let (mut channels, mut side) = (width, side / 4);
    for stage in 0..4 {
        let planes = width << stage;
        let pooled = if stage == 0 { side } else { side / 2 };
        shapes.extend([
            of(channels, planes, 1, 1, side),
            of(planes, planes, 3, 1, side),
            of(channels, 4 * planes, 1, 1, pooled),
            of(planes, 4 * planes, 1, 1, pooled),
            of(4 * planes, planes, 1, 1, pooled),
            of(planes, planes, 3, 1, pooled),
        ]);
        (channels, side) = (4 * planes, pooled);
    }
    shapes
}

/// Numbers between -1 and 1 that look random, the same for a seed.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> Tensor {
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// The largest error of the forward pass as a share of the largest output, and the error of the
/// pullback as a share of its norm.
fn errors(shape: Shape) -> (f64, f64) {
    let Shape {
        inputs,
        outputs,
        kernel,
        stride,
        side,
    } = shape;
    let padding = kernel / 2;
    let to = (side + 2 * padding - kernel) / stride + 1;
    let weight = numbers(outputs * inputs * kernel * kernel, 1);
    let bias = numbers(outputs, 2);
    let x: Vec<f32> = numbers(inputs * side * side, 3)
        .into_iter()
        .map(|x| x.max(0.0))
        .collect();
    let dy = numbers(outputs * to * to, 4);
    let field = |values: &Vec<f32>, channels, side| {
        Field::<f32>::from_planes(&tensor(values.clone(), &[1, channels, side, side])).unwrap()
    };
    let flat = |field: Field<f32>| -> Vec<f32> {
        field
            .to_planes()
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap()
    };
    let conv = Conv::<f32>::new(
        &tensor(weight.clone(), &[outputs, inputs, kernel, kernel]),
        &tensor(bias.clone(), &[outputs]),
        stride,
        padding,
    )
    .unwrap();
    let from = field(&x, inputs, side);
    let y = flat(conv.forward(&from, Forward::default()).0);
    let dx = flat(conv.pullback(&field(&dy, outputs, to), from.extent, Back::default()));

    let w = |o: usize, i: usize, ky: usize, kx: usize| {
        f64::from(weight[((o * inputs + i) * kernel + ky) * kernel + kx])
    };
    // Pairs of a position of the input and one of the output that a place of the kernel connects.
    let input_at = |out: usize, k: usize| (out * stride + k).checked_sub(padding);
    let exact_y = |o: usize, oy: usize, ox: usize| {
        let mut sum = f64::from(bias[o]);
        for ky in 0..kernel {
            for kx in 0..kernel {
                let (Some(y), Some(x_)) = (input_at(oy, ky), input_at(ox, kx)) else {
                    continue;
                };
                if y < side && x_ < side {
                    for i in 0..inputs {
                        sum += w(o, i, ky, kx) * f64::from(x[(i * side + y) * side + x_]);
                    }
                }
            }
        }
        sum
    };
    let exact_dx = |i: usize, y: usize, x_: usize| {
        let mut sum = 0.0;
        for ky in 0..kernel {
            for kx in 0..kernel {
                let outs = |at: usize, k: usize| {
                    (0..to).find(|&out| input_at(out, k).is_some_and(|found| found == at))
                };
                let (Some(oy), Some(ox)) = (outs(y, ky), outs(x_, kx)) else {
                    continue;
                };
                for o in 0..outputs {
                    sum += w(o, i, ky, kx) * f64::from(dy[(o * to + oy) * to + ox]);
                }
            }
        }
        sum
    };
    let largest = y.iter().fold(0.0, |m: f64, &y| m.max(f64::from(y).abs()));
    let spread = |count: usize| (0..PLACES).map(move |p| p * (count - 1) / (PLACES - 1));
    let mut forward: f64 = 0.0;
    for place in spread(y.len()) {
        let exact = exact_y(place / (to * to), place / to % to, place % to);
        let error = (f64::from(y[place]) - exact).abs() / largest;
        assert!(error.is_finite(), "{shape:?}");
        forward = forward.max(error);
    }
    let (mut error, mut norm) = (0.0, 0.0);
    for place in spread(dx.len()) {
        let exact = exact_dx(place / (side * side), place / side % side, place % side);
        error += (f64::from(dx[place]) - exact).powi(2);
        norm += exact.powi(2);
    }
    (forward, (error / norm).sqrt())
}

#[test]
fn every_convolution_of_openais_resnets_is_close_to_exact_sums() {
    let mut seen = Vec::new();
    for (model, width, side) in RESNETS {
        for shape in shapes(width, side) {
            if seen.contains(&shape) {
                continue;
            }
            seen.push(shape);
            let (forward, pullback) = errors(shape);
            println!("{model} {shape:?}: forward {forward:.1e}, pullback {pullback:.1e}");
            assert!(
                forward <= FORWARD && pullback <= PULLBACK,
                "{model} {shape:?}: forward is off by {forward:.1e}, pullback by {pullback:.1e}"
            );
        }
    }
}
