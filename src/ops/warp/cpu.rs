use candle_core::Tensor;

use super::{Fill, Sampling, Warp};
use crate::backend::cpu::{Real, View, tensor};
use crate::error::Result;

/// Where one of the four neighbours of a sample lies.
enum Source {
    Pixel(usize),
    /// Outside: its place, for the fill.
    Outside(i64, i64),
}

/// The neighbours of one sample with their weights; a neighbour of weight zero is left out.
struct Neighbours {
    corners: [(Source, f64); 4],
    count: usize,
}

fn mirror(index: i64, length: i64) -> i64 {
    if length == 1 {
        return 0;
    }
    let period = 2 * (length - 1);
    let index = index.rem_euclid(period);
    index.min(period - index)
}

fn locate(y: i64, x: i64, height: i64, width: i64, fill: Fill) -> Source {
    let inside = (0..height).contains(&y) && (0..width).contains(&x);
    let pixel = |y: i64, x: i64| Source::Pixel((y * width + x) as usize);
    match fill {
        _ if inside => pixel(y, x),
        Fill::Reflect => pixel(mirror(y, height), mirror(x, width)),
        Fill::Edge => pixel(y.clamp(0, height - 1), x.clamp(0, width - 1)),
        Fill::Constant(_) | Fill::Noise(_) => Source::Outside(y, x),
    }
}

fn neighbours(sampling: &Sampling, point: [f64; 2], height: usize, width: usize) -> Neighbours {
    let [x, y] = sampling.map.apply(point);
    let (x, y) = (x + width as f64 / 2.0 - 0.5, y + height as f64 / 2.0 - 0.5);
    let (left, top) = (x.floor(), y.floor());
    let (right_weight, bottom_weight) = (x - left, y - top);
    let mut found = Neighbours {
        corners: std::array::from_fn(|_| (Source::Pixel(0), 0.0)),
        count: 0,
    };
    for (dy, row_weight) in [(0, 1.0 - bottom_weight), (1, bottom_weight)] {
        for (dx, column_weight) in [(0, 1.0 - right_weight), (1, right_weight)] {
            let weight = row_weight * column_weight;
            if weight != 0.0 {
                let (y, x) = (top as i64 + dy, left as i64 + dx);
                let source = locate(y, x, height as i64, width as i64, sampling.fill);
                found.corners[found.count] = (source, weight);
                found.count += 1;
            }
        }
    }
    found
}

/// SplitMix64's finaliser over the seed and the place, as a number in [0, 1).
fn noise(seed: u64, y: i64, x: i64, channel: usize) -> f64 {
    let place = (y as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (x as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
        ^ (channel as u64).wrapping_mul(0x1656_67b1_9e37_79f9);
    let mut z = seed ^ place;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 11) as f64 / (1u64 << 53) as f64
}

fn outside(fill: Fill, y: i64, x: i64, channel: usize) -> f64 {
    match fill {
        Fill::Constant(value) => value,
        Fill::Noise(seed) => noise(seed, y, x, channel),
        Fill::Reflect | Fill::Edge => 0.0,
    }
}

/// Calls `visit(output pixel, neighbours)` for every pixel of one output plane.
fn for_each_sample(
    warp: &Warp,
    sampling: &Sampling,
    height: usize,
    width: usize,
    mut visit: impl FnMut(usize, &[(Source, f64)]),
) {
    let (out_height, out_width) = warp.size;
    for y in 0..out_height {
        for x in 0..out_width {
            let point = [
                x as f64 + 0.5 - out_width as f64 / 2.0,
                y as f64 + 0.5 - out_height as f64 / 2.0,
            ];
            let found = neighbours(sampling, point, height, width);
            visit(y * out_width + x, &found.corners[..found.count]);
        }
    }
}

pub fn forward<T: Real>(warp: &Warp, x: &Tensor) -> Result<Tensor> {
    let (images, channels, height, width) = x.dims4()?;
    let (out_height, out_width) = warp.size;
    let (pixels, out_pixels) = (height * width, out_height * out_width);
    let x = View::<T>::of(x)?;
    let mut y = vec![T::zero(); images * channels * out_pixels];
    for ((x, y), sampling) in x
        .chunks_exact(channels * pixels)
        .zip(y.chunks_exact_mut(channels * out_pixels))
        .zip(&warp.samplings)
    {
        for_each_sample(warp, sampling, height, width, |pixel, corners| {
            for channel in 0..channels {
                let mut value = T::zero();
                for (source, weight) in corners {
                    let part = match *source {
                        Source::Pixel(index) => x[channel * pixels + index],
                        Source::Outside(y, x) => T::of(outside(sampling.fill, y, x, channel)),
                    };
                    value += part * T::of(*weight);
                }
                y[channel * out_pixels + pixel] =
                    (value - T::of(warp.mean[channel])) / T::of(warp.deviation[channel]);
            }
        });
    }
    tensor(y, (images, channels, out_height, out_width))
}

pub fn pullback<T: Real>(warp: &Warp, dy: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let (images, channels, out_height, out_width) = dy.dims4()?;
    let (pixels, out_pixels) = (height * width, out_height * out_width);
    let dy = View::<T>::of(dy)?;
    let mut dx = vec![T::zero(); images * channels * pixels];
    for ((dx, dy), sampling) in dx
        .chunks_exact_mut(channels * pixels)
        .zip(dy.chunks_exact(channels * out_pixels))
        .zip(&warp.samplings)
    {
        for_each_sample(warp, sampling, height, width, |pixel, corners| {
            for (source, weight) in corners {
                if let Source::Pixel(index) = *source {
                    for channel in 0..channels {
                        let share = T::of(*weight) / T::of(warp.deviation[channel]);
                        dx[channel * pixels + index] += dy[channel * out_pixels + pixel] * share;
                    }
                }
            }
        });
    }
    tensor(dx, (images, channels, height, width))
}
