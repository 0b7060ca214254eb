//! Pillow's bicubic resizing of 8-bit pictures, to the last bit: two passes, rows first, each in
//! fixed point, rounded and clamped to 8 bits (`Resample.c`).

use std::ops::Range;

use image::RgbImage;

/// Pillow's `PRECISION_BITS`: weights are multiples of 2^-22.
const PRECISION: u32 = 32 - 8 - 2;

/// How far the bicubic kernel reaches, in source pixels of an enlargement.
const SUPPORT: f64 = 2.0;

/// Keys' cubic with a = -1/2, as Pillow writes it.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// What one pixel of the result reads along one side.
struct Window {
    /// The first source pixel.
    first: usize,
    /// Fixed-point weights of it and those that follow; they sum to about one.
    weights: Vec<i32>,
}

/// The windows of the pixels `wanted` of a side that goes from `from` pixels to `to`.
fn windows(from: usize, to: usize, wanted: Range<usize>) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let spread = scale.max(1.0);
    let support = SUPPORT * spread;
    let window = |pixel: usize| {
        let centre = (pixel as f64 + 0.5) * scale;
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let weights: Vec<f64> = (first..end)
            .map(|source| bicubic((source as f64 - centre + 0.5) * (1.0 / spread)))
            .collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: f64| {
            let weight = weight / sum * f64::from(1 << PRECISION);
            (weight + 0.5f64.copysign(weight)) as i32
        };
        Window {
            first,
            weights: weights.into_iter().map(fixed).collect(),
        }
    };
    wanted.map(window).collect()
}

/// A sum of weighted levels as a level.
fn level(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

const HALF: i32 = 1 << (PRECISION - 1);

/// The picture resized to `size` (width, height), of which only `columns` and `rows` are computed.
pub(super) fn resize(
    picture: &RgbImage,
    size: (usize, usize),
    columns: Range<usize>,
    rows: Range<usize>,
) -> RgbImage {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let across = windows(width, size.0, columns);
    let down = windows(height, size.1, rows);
    let first = down.first().map_or(0, |window| window.first);
    let end = down
        .last()
        .map_or(0, |window| window.first + window.weights.len());

    let stride = 3 * across.len();
    let mut narrow = Vec::with_capacity((end - first) * stride);
    for row in picture.as_raw()[3 * width * first..3 * width * end].chunks_exact(3 * width) {
        for window in &across {
            let mut sums = [HALF; 3];
            for (pixel, weight) in row[3 * window.first..].chunks_exact(3).zip(&window.weights) {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum = sum.wrapping_add(i32::from(*value) * weight);
                }
            }
            narrow.extend(sums.map(level));
        }
    }

    let mut pixels = Vec::with_capacity(down.len() * stride);
    let mut sums = vec![HALF; stride];
    for window in &down {
        sums.fill(HALF);
        let start = (window.first - first) * stride;
        for (row, weight) in narrow[start..].chunks_exact(stride).zip(&window.weights) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum = sum.wrapping_add(i32::from(*value) * weight);
            }
        }
        pixels.extend(sums.iter().copied().map(level));
    }
    RgbImage::from_raw(across.len() as u32, down.len() as u32, pixels).unwrap_or_default()
}
