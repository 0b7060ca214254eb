//! Every operation of the encoder, forward and back, in every type, on sizes that are odd, prime or
//! leave a remainder, for one image and for five. Memory of the device is NaN before it is written,
//! where the device is a CPU.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use half::{bf16, f16};
use percept::backend::cuda::{Float, Gpu, GpuField, GpuMask};
use percept::backend::field::{Extent, Field};
use percept::ops::attention::{self, Attention};
use percept::ops::conv::Conv;
use percept::ops::conv::cuda::{GpuConv, GpuMethod};
use percept::ops::gelu::{self, Gelu};
use percept::ops::layer_norm::LayerNorm;
use percept::ops::linear::{Back, Forward, Linear};
use percept::ops::{pool, relu};

use super::{assert_field, extent, field, gpu, wave};

const BATCHES: [usize; 2] = [1, 5];

/// Runs a test in every type, twice: both times the same bytes.
macro_rules! in_every_type {
    ($name:ident, $test:ident) => {
        #[test]
        fn $name() {
            let Some(gpu) = gpu() else { return };
            for images in BATCHES {
                $test::<f32>(&gpu, images);
                $test::<f16>(&gpu, images);
                $test::<bf16>(&gpu, images);
            }
        }
    };
}

/// Compares with the CPU, and with a second run, bit by bit.
fn check<T: Float>(what: &str, gold: &Field<f32>, run: impl Fn() -> GpuField<T>) {
    let (first, second) = (run(), run());
    assert_field(what, &first, gold);
    let bits = |field: &GpuField<T>| -> Vec<u32> {
        let field = field.download().unwrap();
        field.elements.iter().map(|x| x.to_bits()).collect()
    };
    assert_eq!(bits(&first), bits(&second), "{what}");
}

fn tensor(shape: &[usize], phase: f32) -> Tensor {
    let count = shape.iter().product();
    Tensor::from_vec(wave(count, phase), shape, &Device::Cpu).unwrap()
}

/// With weights small enough that sums stay near 1.
fn weights(shape: &[usize], phase: f32) -> Tensor {
    let inputs: usize = shape[1..].iter().product();
    (tensor(shape, phase) * (1.0 / (inputs as f64).sqrt())).unwrap()
}

fn linear<T: Float>(gpu: &Arc<Gpu>, images: usize) {
    let (inputs, outputs) = (37, 45);
    let linear = Linear::<f32>::new(
        &weights(&[outputs, inputs], 0.1),
        Some(&tensor(&[outputs], 0.7)),
    )
    .unwrap();
    let there = linear.upload::<T>(gpu).unwrap();
    let (x, x_here) = field::<T>(gpu, extent(images, 3, 7, inputs), 0.3);
    let (add, add_here) = field::<T>(gpu, extent(images, 3, 7, outputs), 2.3);
    let plain = linear.forward(&x_here, Forward::default()).0;
    check("linear", &plain, || {
        there.forward(&x, None, false).unwrap().0
    });
    let then = Forward {
        add: Some(&add_here),
        relu: true,
    };
    let (y_here, _) = linear.forward(&x_here, then);
    check("linear, sum, ReLU", &y_here, || {
        there.forward(&x, Some(&add), true).unwrap().0
    });

    let (dy, dy_here) = field::<T>(gpu, y_here.extent, 1.1);
    let (earlier, earlier_here) = field::<T>(gpu, x_here.extent, 5.1);
    let (_, gate_here) = relu::forward(&x_here);
    let (_, gate) = relu::cuda::forward(&x).unwrap();
    let back = Back {
        add: Some(&earlier_here),
        gate: Some(&gate_here),
    };
    check("linear, back", &linear.pullback(&dy_here, back), || {
        there.pullback(&dy, Some(&earlier), Some(&gate)).unwrap()
    });
}
in_every_type!(linear_maps, linear);

/// kernel, stride, padding, height, width, inputs, outputs.
const CONVOLUTIONS: [(usize, usize, usize, usize, usize, usize, usize); 8] = [
    (1, 1, 0, 5, 7, 3, 5),
    (3, 1, 1, 7, 5, 3, 8),
    (3, 2, 1, 8, 8, 3, 6),
    (3, 2, 1, 7, 11, 3, 33),
    (4, 4, 0, 9, 11, 3, 7),
    (3, 1, 1, 11, 5, 40, 31),
    (3, 1, 1, 13, 17, 33, 37),
    (3, 1, 1, 12, 12, 64, 32),
];

/// By every method that there is for its kind, with the method's name.
fn methods<T: Float>(conv: &Conv<f32>, gpu: &Arc<Gpu>) -> Vec<(String, GpuConv<T>)> {
    let by = |method: &GpuMethod| {
        let there = conv.upload_by::<T>(gpu, *method).unwrap()?;
        Some((format!("{method:?}"), there))
    };
    let all: Vec<_> = GpuMethod::ALL.iter().filter_map(by).collect();
    match all.is_empty() {
        true => vec![("a product".to_owned(), conv.upload(gpu).unwrap())],
        false => all,
    }
}

fn convolution<T: Float>(gpu: &Arc<Gpu>, images: usize) {
    for (kernel, stride, padding, height, width, inputs, outputs) in CONVOLUTIONS {
        let weight = weights(&[outputs, inputs, kernel, kernel], 0.9);
        let conv = Conv::<f32>::new(&weight, &tensor(&[outputs], 1.7), stride, padding).unwrap();
        for (method, there) in methods::<T>(&conv, gpu) {
            let what =
                format!("{kernel}x{kernel} convolution of {height}x{width}x{inputs} by {method}");
            let (x, x_here) = field::<T>(gpu, extent(images, height, width, inputs), 0.2);
            let plain = conv.forward(&x_here, Forward::default()).0;
            check(&what, &plain, || there.forward(&x, None, false).unwrap().0);
            let (add, add_here) = field::<T>(gpu, plain.extent, 3.2);
            let then = Forward {
                add: Some(&add_here),
                relu: true,
            };
            let (y_here, _) = conv.forward(&x_here, then);
            check(&what, &y_here, || {
                there.forward(&x, Some(&add), true).unwrap().0
            });

            let (dy, dy_here) = field::<T>(gpu, plain.extent, 1.4);
            let (earlier, earlier_here) = field::<T>(gpu, x_here.extent, 5.1);
            let (_, gate_here) = relu::forward(&x_here);
            let (_, gate) = relu::cuda::forward(&x).unwrap();
            let back = Back {
                add: Some(&earlier_here),
                gate: Some(&gate_here),
            };
            let what = format!("{what}, back");
            let gold = conv.pullback(&dy_here, x_here.extent, Back::default());
            check(&what, &gold, || {
                there.pullback(&dy, x.extent, None, None).unwrap()
            });
            let gold = conv.pullback(&dy_here, x_here.extent, back);
            check(&what, &gold, || {
                there
                    .pullback(&dy, x.extent, Some(&earlier), Some(&gate))
                    .unwrap()
            });
        }
    }
}
in_every_type!(convolutions, convolution);

/// The mask of a ReLU that a convolution carries is the one that gates its pullback.
fn mask<T: Float>(gpu: &Arc<Gpu>, images: usize) {
    for (height, width, inputs, outputs) in [(13, 17, 33, 37), (5, 3, 40, 45)] {
        let weight = weights(&[outputs, inputs, 3, 3], 0.9);
        let conv = Conv::<f32>::new(&weight, &tensor(&[outputs], 1.7), 1, 1).unwrap();
        let there = conv.upload::<T>(gpu).unwrap();
        let (x, _) = field::<T>(gpu, extent(images, height, width, inputs), 0.2);
        let (y, mask) = there.forward(&x, None, true).unwrap();
        let y = y.download().unwrap();
        let (mut dy, dy_here) = field::<T>(gpu, y.extent, 1.4);
        relu::cuda::finish_pullback(&mut dy, None, mask.as_ref()).unwrap();
        let gated = dy.download().unwrap();
        for ((gated, dy), y) in gated
            .elements
            .iter()
            .zip(dy_here.elements.iter())
            .zip(y.elements.iter())
        {
            assert_eq!(*gated, if *y > 0.0 { *dy } else { 0.0 });
        }
    }
}
in_every_type!(masks, mask);

/// A ReLU is not active at zero, whatever makes its mask: the pass after a product, or Winograd's.
fn mask_at_zero<T: Float>(gpu: &Arc<Gpu>, images: usize) {
    let shape = extent(images, 13, 17, 33);
    let (x, _) = field::<T>(gpu, shape, 0.2);
    for kernel in [1, 3] {
        let weight = (weights(&[37, 33, kernel, kernel], 0.9) * 0.0).unwrap();
        let bias = (tensor(&[37], 1.7) * 0.0).unwrap();
        let conv = Conv::<f32>::new(&weight, &bias, 1, kernel / 2).unwrap();
        let there = conv.upload::<T>(gpu).unwrap();
        let (y, mask) = there.forward(&x, None, true).unwrap();
        let (mut dy, _) = field::<T>(gpu, y.extent, 1.4);
        relu::cuda::finish_pullback(&mut dy, None, mask.as_ref()).unwrap();
        let (means, pooled) = there.forward_pooled(&x).unwrap();
        for field in [&y, &dy, &means] {
            let numbers = field.download().unwrap();
            assert!(numbers.elements.iter().all(|x| *x == 0.0));
        }
        assert!(
            pooled
                .words
                .download()
                .unwrap()
                .iter()
                .all(|word| *word == 0)
        );
    }
}
in_every_type!(masks_at_zero, mask_at_zero);

fn rectifier<T: Float>(gpu: &Arc<Gpu>, images: usize) {
    for channels in [1, 31, 32, 67] {
        let shape = extent(images, 3, 5, channels);
        let (x, x_here) = field::<T>(gpu, shape, 0.4);
        let (y_here, mask_here) = relu::forward(&x_here);
        check("ReLU", &y_here, || relu::cuda::forward(&x).unwrap().0);
        let (_, mask) = relu::cuda::forward(&x).unwrap();
        let (dy, dy_here) = field::<T>(gpu, shape, 2.9);
        let mut gold = dy_here.clone();
        relu::gate(&mut gold, &mask_here);
        check("gate", &gold, || {
            let mut dx = dy.copy().unwrap();
            relu::cuda::finish_pullback(&mut dx, None, Some(&mask)).unwrap();
            dx
        });
        // The last image's cotangent lies where its ReLU is shut, so it alone is redirected.
        let last = shape.count() - shape.positions() * channels;
        let mut sparse = dy_here.clone();
        for (index, (dy, x)) in sparse
            .elements
            .iter_mut()
            .zip(x_here.elements.iter())
            .enumerate()
        {
            if index >= last && *x > 0.0 {
                *dy = 0.0;
            }
        }
        let dy = GpuField::<T>::upload(gpu, &sparse).unwrap();
        let mut gold = sparse.clone();
        relu::redirect(&mut gold, &mask_here);
        check("redirected", &gold, || {
            let mut dx = dy.copy().unwrap();
            relu::cuda::redirect(&mut dx, &mask).unwrap();
            dx
        });
    }
}
in_every_type!(rectifiers, rectifier);

fn pooling<T: Float>(gpu: &Arc<Gpu>, images: usize) {
    for (height, width, window) in [(7, 9, 2), (8, 6, 2), (11, 7, 3)] {
        let shape = extent(images, height, width, 13);
        let (x, x_here) = field::<T>(gpu, shape, 0.4);
        let gold = pool::forward(&x_here, window);
        check("pooling", &gold, || {
            pool::cuda::forward(&x, window).unwrap()
        });
        let (dy, dy_here) = field::<T>(gpu, gold.extent, 0.8);
        let gold = pool::pullback(&dy_here, window, shape);
        check("pooling, back", &gold, || {
            pool::cuda::pullback(&dy, window, shape, None, None).unwrap()
        });
    }
}
in_every_type!(pools, pooling);

/// A convolution with its ReLU and the means of windows in one pass, against the three by themselves; the
/// mask is the one of the ReLU by itself. Back, the spread of the means with a sum and the gate.
fn rectified_pooling<T: Float>(gpu: &Arc<Gpu>, images: usize) {
    for (kernel, stride, padding, height, width, inputs, outputs) in CONVOLUTIONS {
        let weight = weights(&[outputs, inputs, kernel, kernel], 0.9);
        let conv = Conv::<f32>::new(&weight, &tensor(&[outputs], 1.7), stride, padding).unwrap();
        for (method, there) in methods::<T>(&conv, gpu) {
            let what = format!(
                "pooled {kernel}x{kernel} convolution of {height}x{width}x{inputs} by {method}"
            );
            let (x, x_here) = field::<T>(gpu, extent(images, height, width, inputs), 0.2);
            let then = Forward {
                add: None,
                relu: true,
            };
            let (y_here, mask_here) = conv.forward(&x_here, then);
            check(&what, &pool::forward(&y_here, 2), || {
                there.forward_pooled(&x).unwrap().0
            });
            let (_, mask) = there.forward_pooled(&x).unwrap();
            let (_, alone) = there.forward(&x, None, true).unwrap();
            let words = |mask: &GpuMask| mask.words.download().unwrap();
            assert_eq!(words(&mask), words(&alone.unwrap()), "{what}");

            let means = there.forward_pooled(&x).unwrap().0.extent;
            let (dy, dy_here) = field::<T>(gpu, means, 0.8);
            let (earlier, earlier_here) = field::<T>(gpu, y_here.extent, 5.1);
            // The CPU's own mask, as rounding may turn a ReLU.
            let mut gate_here = Field::any(y_here.extent);
            gate_here.elements.copy_from_slice(&y_here.elements);
            let (_, gate) =
                relu::cuda::forward(&GpuField::<f32>::upload(gpu, &gate_here).unwrap()).unwrap();
            for gated in [false, true] {
                let mut gold = pool::pullback(&dy_here, 2, y_here.extent);
                gold.add(&earlier_here);
                if gated {
                    relu::gate(&mut gold, mask_here.as_ref().unwrap());
                }
                check(&format!("{what}, back"), &gold, || {
                    let gate = gated.then_some(&gate);
                    pool::cuda::pullback(&dy, 2, y_here.extent, Some(&earlier), gate).unwrap()
                });
            }
        }
    }
}
in_every_type!(rectified_pools, rectified_pooling);

fn activation<T: Float>(gpu: &Arc<Gpu>, images: usize) {
    // A multiple of four numbers, and not.
    for channels in [8, 67] {
        for kind in [Gelu::Quick, Gelu::Exact] {
            let shape = extent(images, 3, 1, channels);
            let (x, x_here) = field::<T>(gpu, shape, 0.4);
            let (dy, dy_here) = field::<T>(gpu, shape, 1.9);
            check("GELU", &kind.forward(&x_here), || {
                gelu::cuda::forward(kind, &x).unwrap()
            });
            check("GELU, back", &kind.pullback(&x_here, &dy_here), || {
                gelu::cuda::pullback(kind, &x, &dy).unwrap()
            });
        }
    }
}
in_every_type!(activations, activation);

fn normalisation<T: Float>(gpu: &Arc<Gpu>, images: usize) {
    for (width, epsilon) in [(5, 1e-5), (32, 1e-5), (97, 1e-6), (768, 0.1)] {
        let (gain, bias) = (tensor(&[width], 0.3), tensor(&[width], 0.6));
        let norm = LayerNorm::<f32>::new(&gain, &bias, epsilon).unwrap();
        let there = norm.upload(gpu).unwrap();
        let shape: Extent = extent(images, 7, 1, width);
        let (x, x_here) = field::<T>(gpu, shape, 0.4);
        let x = Arc::new(x);
        let (dy, dy_here) = field::<T>(gpu, shape, 1.9);
        let (gold, saved_here) = norm.forward(&x_here);
        check("layer norm", &gold, || there.forward(&x).unwrap().0);
        let (_, saved) = there.forward(&x).unwrap();
        check(
            "layer norm, back",
            &norm.pullback(&saved_here, &dy_here),
            || there.pullback(&saved, &dy).unwrap(),
        );
    }
}
in_every_type!(normalisations, normalisation);

fn heads<T: Float>(gpu: &Arc<Gpu>, images: usize) {
    let attention = Attention {
        heads: 3,
        causal: false,
    };
    let (tokens, width) = (37, 3 * 11);
    let (all, all_here) = field::<T>(gpu, extent(images, tokens, 1, 3 * width), 0.4);
    let (dy, dy_here) = field::<T>(gpu, extent(images, tokens, 1, width), 1.9);
    let inputs = attention::cuda::Inputs::Own(all);
    let (gold, saved_here) = attention.forward(attention::Inputs::Own(all_here));
    check("attention", &gold, || {
        attention::cuda::forward(attention, &inputs).unwrap().0
    });
    let (_, saved) = attention::cuda::forward(attention, &inputs).unwrap();
    let attention::Inputs::Own(gold) = attention.pullback(&saved_here, &dy_here) else {
        unreachable!()
    };
    check(
        "attention, back",
        &gold,
        || match attention::cuda::pullback(&saved, &dy).unwrap() {
            attention::cuda::Inputs::Own(all) => all,
            attention::cuda::Inputs::Other { .. } => unreachable!(),
        },
    );

    let (query, query_here) = field::<T>(gpu, extent(images, 1, 1, width), 0.7);
    let (key_value, key_value_here) = field::<T>(gpu, extent(images, tokens, 1, 2 * width), 0.4);
    let (dy, dy_here) = field::<T>(gpu, extent(images, 1, 1, width), 1.9);
    let inputs = attention::cuda::Inputs::Other { query, key_value };
    let (gold, saved_here) = attention.forward(attention::Inputs::Other {
        query: query_here,
        key_value: key_value_here,
    });
    check("attention of one", &gold, || {
        attention::cuda::forward(attention, &inputs).unwrap().0
    });
    let (_, saved) = attention::cuda::forward(attention, &inputs).unwrap();
    let attention::Inputs::Other { query, key_value } = attention.pullback(&saved_here, &dy_here)
    else {
        unreachable!()
    };
    let parts = || match attention::cuda::pullback(&saved, &dy).unwrap() {
        attention::cuda::Inputs::Other { query, key_value } => (query, key_value),
        attention::cuda::Inputs::Own(_) => unreachable!(),
    };
    check("attention of one, back to the query", &query, || parts().0);
    check("attention of one, back to the keys", &key_value, || {
        parts().1
    });
}
in_every_type!(attentions, heads);
