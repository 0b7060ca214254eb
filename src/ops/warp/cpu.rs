use candle_core::Tensor;

use super::{Fill, Sampling, Warp};
use crate::backend::cpu::{Elements, Real, tensor};
use crate::backend::lanes::{Loop, Vectors};
use crate::backend::threads::{TASK_ELEMENTS, each_item};
use crate::error::Result;

/// Red, green, blue.
const CHANNELS: usize = 3;

/// Where one of the four neighbours of a sample lies.
enum Source {
    Pixel(usize),
    /// Outside: its place, for the fill.
    Outside(i64, i64),
}

/// A sample whose four neighbours are pixels: the first of them, and their weights.
struct Inside {
    pixel: usize,
    weights: [f64; 4],
}

/// Where a sample at `(x, y)`, in pixels from the corner pixel's centre, lies if all its neighbours
/// are inside.
#[inline(always)]
fn inside([x, y]: [f64; 2], height: usize, width: usize) -> Option<Inside> {
    let (left, top) = (x.floor(), y.floor());
    let is_inside =
        left >= 0.0 && top >= 0.0 && left + 1.0 < width as f64 && top + 1.0 < height as f64;
    is_inside.then(|| {
        let (right, bottom) = (x - left, y - top);
        Inside {
            pixel: top as usize * width + left as usize,
            weights: [
                (1.0 - bottom) * (1.0 - right),
                (1.0 - bottom) * right,
                bottom * (1.0 - right),
                bottom * right,
            ],
        }
    })
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

fn neighbours(sampling: &Sampling, [x, y]: [f64; 2], height: usize, width: usize) -> Neighbours {
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

/// The source point of an output pixel, in pixels from the centre of the source's corner pixel.
#[inline(always)]
fn source(
    warp: &Warp,
    sampling: &Sampling,
    (height, width): (usize, usize),
    pixel: usize,
) -> [f64; 2] {
    let (out_height, out_width) = warp.size;
    let [x, y] = sampling.map.apply([
        (pixel % out_width) as f64 + 0.5 - out_width as f64 / 2.0,
        (pixel / out_width) as f64 + 0.5 - out_height as f64 / 2.0,
    ]);
    [x + width as f64 / 2.0 - 0.5, y + height as f64 / 2.0 - 0.5]
}

/// What the value of an output pixel is made of.
enum Sample {
    /// Four pixels.
    Inside(Inside),
    /// Neighbours that need not be pixels.
    Edge(Neighbours),
}

/// The sample of an output pixel.
#[inline(always)]
fn sample(warp: &Warp, sampling: &Sampling, size: (usize, usize), pixel: usize) -> Sample {
    let point = source(warp, sampling, size, pixel);
    match inside(point, size.0, size.1) {
        Some(found) => Sample::Inside(found),
        None => Sample::Edge(neighbours(sampling, point, size.0, size.1)),
    }
}

/// The value of one channel from neighbours that need not be pixels.
fn blend<T: Real>(found: &Neighbours, fill: Fill, plane: &[T], channel: usize) -> T {
    let corners = &found.corners[..found.count];
    corners.iter().fold(T::zero(), |value, (source, weight)| {
        let part = match *source {
            Source::Pixel(index) => plane[index],
            Source::Outside(y, x) => T::of(outside(fill, y, x, channel)),
        };
        value + part * T::of(*weight)
    })
}

/// One image's warp: a band of its output's rows.
struct Band<'a, T> {
    warp: &'a Warp,
    sampling: &'a Sampling,
    /// Height and width of the source.
    size: (usize, usize),
    source: &'a [T],
    /// The number of the band's first pixel in the output.
    first: usize,
    output: [&'a mut [T]; CHANNELS],
}

impl<T: Real> Loop<T> for Band<'_, T> {
    #[inline(always)]
    fn run<V: Vectors<T>>(self, _: V) {
        let (warp, sampling, (height, width)) = (self.warp, self.sampling, self.size);
        let pixels = height * width;
        for index in 0..self.output[0].len() {
            let found = sample(warp, sampling, self.size, self.first + index);
            for channel in 0..CHANNELS {
                let plane = &self.source[channel * pixels..][..pixels];
                let value = match &found {
                    Sample::Inside(Inside { pixel, weights }) => {
                        let (above, below) = (&plane[*pixel..], &plane[pixel + width..]);
                        above[0] * T::of(weights[0])
                            + above[1] * T::of(weights[1])
                            + below[0] * T::of(weights[2])
                            + below[1] * T::of(weights[3])
                    }
                    Sample::Edge(found) => blend(found, sampling.fill, plane, channel),
                };
                self.output[channel][index] =
                    (value - T::of(warp.mean[channel])) / T::of(warp.deviation[channel]);
            }
        }
    }
}

/// One image's pullback, from planes of the output's cotangent to planes of the source's.
struct Scatter<'a, T> {
    warp: &'a Warp,
    sampling: &'a Sampling,
    size: (usize, usize),
    source: &'a mut [T],
    output: &'a [T],
}

impl<T: Real> Loop<T> for Scatter<'_, T> {
    #[inline(always)]
    fn run<V: Vectors<T>>(self, _: V) {
        let (warp, sampling, (height, width)) = (self.warp, self.sampling, self.size);
        let (pixels, out_pixels) = (height * width, warp.size.0 * warp.size.1);
        for pixel in 0..out_pixels {
            let found = sample(warp, sampling, self.size, pixel);
            for channel in 0..CHANNELS {
                let share =
                    self.output[channel * out_pixels + pixel] / T::of(warp.deviation[channel]);
                let plane = &mut self.source[channel * pixels..][..pixels];
                match &found {
                    Sample::Inside(Inside { pixel, weights }) => {
                        plane[*pixel] += share * T::of(weights[0]);
                        plane[pixel + 1] += share * T::of(weights[1]);
                        plane[pixel + width] += share * T::of(weights[2]);
                        plane[pixel + width + 1] += share * T::of(weights[3]);
                    }
                    Sample::Edge(found) => scatter(found, plane, share),
                }
            }
        }
    }
}

/// Adds to the pixels among the neighbours.
fn scatter<T: Real>(found: &Neighbours, plane: &mut [T], share: T) {
    for (source, weight) in &found.corners[..found.count] {
        if let Source::Pixel(index) = *source {
            plane[index] += share * T::of(*weight);
        }
    }
}

pub fn forward<T: Real>(warp: &Warp, x: &Tensor) -> Result<Tensor> {
    let (images, _, height, width) = x.dims4()?;
    let (pixels, out_pixels) = (height * width, warp.size.0 * warp.size.1);
    let x = Elements::<T>::of(x)?;
    let mut y = vec![T::zero(); images * CHANNELS * out_pixels];
    let rows = TASK_ELEMENTS.div_ceil(CHANNELS * warp.size.1);
    let mut bands = Vec::new();
    for ((source, output), sampling) in x
        .chunks_exact(CHANNELS * pixels)
        .zip(y.chunks_exact_mut(CHANNELS * out_pixels))
        .zip(&warp.samplings)
    {
        let (red, others) = output.split_at_mut(out_pixels);
        let (green, blue) = others.split_at_mut(out_pixels);
        let planes = [red, green, blue].map(|plane| plane.chunks_mut(rows * warp.size.1));
        let [red, green, blue] = planes;
        for (band, ((red, green), blue)) in red.zip(green).zip(blue).enumerate() {
            bands.push(Band {
                warp,
                sampling,
                size: (height, width),
                source,
                first: band * rows * warp.size.1,
                output: [red, green, blue],
            });
        }
    }
    each_item(bands, T::vectorised);
    tensor(y, (images, CHANNELS, warp.size.0, warp.size.1))
}

pub fn pullback<T: Real>(warp: &Warp, dy: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let images = dy.dim(0)?;
    let (pixels, out_pixels) = (height * width, warp.size.0 * warp.size.1);
    let dy = Elements::<T>::of(dy)?;
    let mut dx = vec![T::zero(); images * CHANNELS * pixels];
    for ((source, output), sampling) in dx
        .chunks_exact_mut(CHANNELS * pixels)
        .zip(dy.chunks_exact(CHANNELS * out_pixels))
        .zip(&warp.samplings)
    {
        T::vectorised(Scatter {
            warp,
            sampling,
            size: (height, width),
            source,
            output,
        });
    }
    tensor(dx, (images, CHANNELS, height, width))
}
