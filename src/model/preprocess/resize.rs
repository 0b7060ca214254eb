//! Pillow's resizing of 8-bit pictures, to the last bit: two passes, rows first, each in fixed point,
//! rounded and clamped to 8 bits (`Resample.c`).

use std::ops::Range;

use image::RgbImage;

use super::filter::Filter;

/// Pillow's `PRECISION_BITS`: weights are multiples of 2^-22.
const PRECISION: u32 = 32 - 8 - 2;

/// What one pixel of the result reads along one side.
struct Window {
    /// The first source pixel.
    first: usize,
    /// Fixed-point weights of it and those that follow; they sum to about one.
    weights: Vec<i32>,
}

/// The windows of the pixels `wanted` of a side that goes from `from` pixels to `to`.
fn windows(from: usize, to: usize, wanted: Range<usize>, filter: Filter) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let spread = scale.max(1.0);
    let support = filter.support() * spread;
    let window = |pixel: usize| {
        let centre = (pixel as f64 + 0.5) * scale;
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let weights: Vec<f64> = (first..end)
            .map(|source| filter.weight((source as f64 - centre + 0.5) * (1.0 / spread)))
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

/// The source pixels that windows read.
fn read(windows: &[Window]) -> Range<usize> {
    let first = windows.first().map_or(0, |window| window.first);
    let last = windows.last();
    first..last.map_or(0, |window| window.first + window.weights.len())
}

/// Rows of `width` pixels, the first of which is the picture's column `from`, through windows of columns.
fn across(rows: &[u8], width: usize, windows: &[Window], from: usize) -> Vec<u8> {
    let mut narrow = Vec::with_capacity(rows.len() / width.max(1) * windows.len());
    for row in rows.chunks_exact(3 * width) {
        for window in windows {
            let mut sums = [HALF; 3];
            let pixels = row[3 * (window.first - from)..].chunks_exact(3);
            for (pixel, weight) in pixels.zip(&window.weights) {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum = sum.wrapping_add(i32::from(*value) * weight);
                }
            }
            narrow.extend(sums.map(level));
        }
    }
    narrow
}

/// Columns of rows of `width` pixels, the first of which is the picture's row `from`, through windows of rows.
fn down(
    rows: &[u8],
    width: usize,
    columns: Range<usize>,
    windows: &[Window],
    from: usize,
) -> Vec<u8> {
    let (stride, columns) = (3 * width, 3 * columns.start..3 * columns.end);
    let mut low = Vec::with_capacity(windows.len() * columns.len());
    let mut sums = vec![HALF; columns.len()];
    for window in windows {
        sums.fill(HALF);
        let rows = rows[(window.first - from) * stride..].chunks_exact(stride);
        for (row, weight) in rows.zip(&window.weights) {
            for (sum, value) in sums.iter_mut().zip(&row[columns.clone()]) {
                *sum = sum.wrapping_add(i32::from(*value) * weight);
            }
        }
        low.extend(sums.iter().copied().map(level));
    }
    low
}

/// Whether columns are made shorter before rows are, which shows in the rounding between the two: since version 13
/// Pillow does where a picture loses more than twice as many rows as columns.
fn is_down_first((width, height): (usize, usize), to: (usize, usize)) -> bool {
    let lost = |from: usize, to: usize| from as i64 - to as i64;
    height > to.1 && lost(height, to.1) > 2 * lost(width, to.0)
}

/// The picture resized to `size` (width, height), of which only `columns` and `rows` are computed.
pub(super) fn resize(
    picture: &RgbImage,
    size: (usize, usize),
    filter: Filter,
    columns: Range<usize>,
    rows: Range<usize>,
) -> RgbImage {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (count, all) = (columns.len(), picture.as_raw());
    let of_columns = windows(width, size.0, columns, filter);
    let of_rows = windows(height, size.1, rows, filter);
    let pixels = match is_down_first((width, height), size) {
        true => {
            let read = read(&of_columns);
            let low = down(all, width, read.clone(), &of_rows, 0);
            across(&low, read.len(), &of_columns, read.start)
        }
        false => {
            let read = read(&of_rows);
            let rows = &all[3 * width * read.start..3 * width * read.end];
            let narrow = across(rows, width, &of_columns, 0);
            down(&narrow, count, 0..count, &of_rows, read.start)
        }
    };
    RgbImage::from_raw(count as u32, of_rows.len() as u32, pixels).unwrap_or_default()
}
