//! What lies around the encoder: warp, synthesis, colours, in `f32` on the side of the picture.

use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};
use percept::backend::cuda::{Array, Float, GpuField};
use percept::backend::field::Field;
use percept::ops::colour::{self, cuda::GpuColours};
use percept::ops::fourier::Synthesis;
use percept::ops::warp::{Fill, PlaneMap, Sampling, Warp};

use super::{assert_close, assert_field, gpu, wave};

fn planes(shape: &[usize], phase: f32) -> Tensor {
    let numbers = wave(shape.iter().product(), phase);
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor
        .flatten_all()
        .unwrap()
        .to_dtype(DType::F32)
        .unwrap()
        .to_vec1()
        .unwrap()
}

/// Turned, scaled, moved, mirrored, and far outside; one kind of fill each, and all kinds on each.
fn warps() -> Vec<Warp> {
    let maps = [
        PlaneMap::IDENTITY,
        PlaneMap::rotation(23.0),
        PlaneMap::scaling(0.6, 1.7).after(&PlaneMap::translation(1.3, -0.8)),
        PlaneMap::scaling(-1.1, 0.9).after(&PlaneMap::rotation(4.0)),
        PlaneMap::translation(31.25, 8.5).after(&PlaneMap::rotation(-100.0)),
    ];
    let fills = [
        Fill::Constant(0.5),
        Fill::Reflect,
        Fill::Edge,
        Fill::Noise(0x1234_5678_9abc_def0),
    ];
    let warp = |samplings| Warp {
        size: (13, 11),
        samplings,
        mean: [0.48, 0.45, 0.4],
        deviation: [0.27, 0.26, 0.28],
    };
    let alone = fills.map(|fill| warp(vec![Sampling { map: maps[2], fill }]));
    let together = fills.map(|fill| warp(maps.iter().map(|&map| Sampling { map, fill }).collect()));
    alone.into_iter().chain(together).collect()
}

fn warp<T: Float>() {
    let Some(gpu) = gpu() else { return };
    for warp in warps() {
        for (height, width) in [(17, 7), (1, 5), (9, 12)] {
            let images = warp.samplings.len();
            let what = format!(
                "warp of {images} from {height}x{width}, {:?}",
                warp.samplings[0].fill
            );
            let x = planes(&[images, 3, height, width], 0.4);
            let there = warp.upload(&gpu).unwrap();
            let x_there = Array::upload(&gpu, &numbers(&x)).unwrap();
            let y = there.forward::<T>(&x_there, (height, width)).unwrap();
            let gold = Field::<f32>::from_planes(&warp.forward(&x).unwrap()).unwrap();
            assert_field(&what, &y, &gold);

            let dy = Field::<f32>::from_planes(&planes(&[images, 3, 13, 11], 1.9)).unwrap();
            let dy_there = GpuField::<T>::upload(&gpu, &dy).unwrap();
            let dy = dy_there.download().unwrap().to_planes().unwrap();
            // What cotangents were multiplied by comes off again, image by image.
            let scales: Vec<f32> = (0..images).map(|image| 2f32.powi(image as i32)).collect();
            let mut gold = numbers(&warp.pullback(&dy, height, width).unwrap());
            for (image, scale) in gold.chunks_mut(3 * height * width).zip(&scales) {
                image.iter_mut().for_each(|x| *x /= scale);
            }
            let scales = Array::upload(&gpu, &scales).unwrap();
            let run = || {
                there
                    .pullback(&dy_there, &scales, (height, width))
                    .unwrap()
                    .download()
                    .unwrap()
            };
            assert_close::<T>(&format!("{what}, back"), &run(), &gold);
            assert_eq!(run(), run());
        }
    }
}

#[test]
fn warps_in_every_type() {
    warp::<f32>();
    warp::<f16>();
    warp::<bf16>();
}

#[test]
fn syntheses_and_colours() {
    let Some(gpu) = gpu() else { return };
    for (height, width) in [(16, 16), (7, 5), (13, 11), (8, 9), (1, 1), (2, 3), (5, 2)] {
        for images in [1, 5] {
            let synthesis = Synthesis::new(height, width, 1.0);
            let there = synthesis.upload(&gpu).unwrap();
            let spectrum = planes(&[images, 3, height, width / 2 + 1, 2], 0.4);
            let spectrum_there = Array::upload(&gpu, &numbers(&spectrum)).unwrap();
            let t = synthesis.forward(&spectrum).unwrap();
            let t_there = there.forward(&spectrum_there, 3 * images).unwrap();
            let what = format!("synthesis of {height}x{width}");
            assert_close::<f32>(&what, &t_there.download().unwrap(), &numbers(&t));

            let colours = GpuColours::upload(&gpu).unwrap();
            let pixels = height * width;
            let rgb = colour::forward(&t).unwrap();
            let rgb_there = colours.forward(&t_there, images, pixels).unwrap();
            assert_close::<f32>("colours", &rgb_there.download().unwrap(), &numbers(&rgb));

            let drgb = planes(&[images, 3, height, width], 1.9);
            let drgb_there = Array::upload(&gpu, &numbers(&drgb)).unwrap();
            let dt = colour::pullback(&rgb, &drgb).unwrap();
            let dt_there = colours
                .pullback((&rgb_there, &drgb_there), images, pixels)
                .unwrap();
            assert_close::<f32>(
                "colours, back",
                &dt_there.download().unwrap(),
                &numbers(&dt),
            );
            let back = synthesis.pullback(&dt).unwrap();
            let run = || {
                there
                    .pullback(&dt_there, 3 * images)
                    .unwrap()
                    .download()
                    .unwrap()
            };
            assert_close::<f32>(&format!("{what}, back"), &run(), &numbers(&back));
            assert_eq!(run(), run());
        }
    }
}
