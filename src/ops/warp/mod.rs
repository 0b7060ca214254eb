//! For each image one affine map, bilinear sampling, and the encoder's normalisation, in one pass.
//!
//! Coordinates are in pixels relative to the centre of a plane; the centre of pixel `(y, x)` is
//! at `(x + 1/2 - w/2, y + 1/2 - h/2)`. The output pixel at `p` reads the source at `A p + t`,
//! blending the four pixels around it; what lies outside the source is given by [`Fill`]. Then
//! `out = (value - mean) / deviation` for each channel.
//!
//! The pullback scatters each cotangent to the pixels it was blended from, one image a thread
//! and in the order of the output, so its result does not depend on the thread count.

mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;

use candle_core::Tensor;

use crate::backend::by_dtype;
use crate::error::Result;

/// An affine map of the plane, `p -> linear . p + shift`, on `(x, y)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlaneMap {
    /// Rows of the linear part.
    pub linear: [[f64; 2]; 2],
    /// The translation.
    pub shift: [f64; 2],
}

impl PlaneMap {
    /// The map that changes nothing.
    pub const IDENTITY: Self = Self {
        linear: [[1.0, 0.0], [0.0, 1.0]],
        shift: [0.0, 0.0],
    };

    /// `p -> factors * p`.
    pub fn scaling(x: f64, y: f64) -> Self {
        Self {
            linear: [[x, 0.0], [0.0, y]],
            shift: [0.0; 2],
        }
    }

    /// `p -> p + (x, y)`.
    pub fn translation(x: f64, y: f64) -> Self {
        Self {
            shift: [x, y],
            ..Self::IDENTITY
        }
    }

    /// A rotation by `degrees`.
    pub fn rotation(degrees: f64) -> Self {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        Self {
            linear: [[cosine, -sine], [sine, cosine]],
            shift: [0.0; 2],
        }
    }

    /// The image of a point.
    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [[a, b], [c, d]] = self.linear;
        [a * x + b * y + self.shift[0], c * x + d * y + self.shift[1]]
    }

    /// The map that applies `inner` first: `p -> self(inner(p))`.
    #[must_use]
    pub fn after(&self, inner: &Self) -> Self {
        let product = |row: [f64; 2], column: usize| {
            row[0] * inner.linear[0][column] + row[1] * inner.linear[1][column]
        };
        Self {
            linear: self.linear.map(|row| [product(row, 0), product(row, 1)]),
            shift: self.apply(inner.shift),
        }
    }
}

/// What lies outside the source image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// One value in all channels.
    Constant(f64),
    /// The image mirrored at its edge pixels, which are not repeated.
    Reflect,
    /// The nearest edge pixel.
    Edge,
    /// A value uniform in [0, 1) for each pixel and channel, from a hash of the seed and place.
    Noise(u64),
}

/// How one image is sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// From output to source coordinates.
    pub map: PlaneMap,
    /// What lies outside.
    pub fill: Fill,
}

/// The warp of a batch: its output size and each image's sampling.
#[derive(Debug, Clone)]
pub struct Warp {
    /// Output height and width.
    pub size: (usize, usize),
    /// One for each image of the batch.
    pub samplings: Vec<Sampling>,
    /// Subtracted from each channel.
    pub mean: [f64; 3],
    /// Divides each channel.
    pub deviation: [f64; 3],
}

impl Warp {
    /// `(n, 3, h, w)` to `(n, 3, size.0, size.1)`, with as many images as samplings.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.contiguous()?;
        by_dtype!(x, T => cpu::forward::<T>(self, &x))
    }

    /// The cotangent of a source of size `(height, width)`.
    pub fn pullback(&self, dy: &Tensor, height: usize, width: usize) -> Result<Tensor> {
        let dy = dy.contiguous()?;
        by_dtype!(dy, T => cpu::pullback::<T>(self, &dy, height, width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{assert_close, pullback_matches_differences, wave};

    fn maps() -> Vec<PlaneMap> {
        vec![
            PlaneMap::IDENTITY,
            PlaneMap::rotation(23.0),
            PlaneMap::scaling(0.6, 1.7).after(&PlaneMap::translation(1.3, -0.8)),
            PlaneMap::translation(4.0, -3.0),
            PlaneMap::translation(31.25, 8.5).after(&PlaneMap::rotation(-100.0)),
        ]
    }

    const FILLS: [Fill; 4] = [
        Fill::Constant(0.5),
        Fill::Reflect,
        Fill::Edge,
        Fill::Noise(7),
    ];

    fn warp(map: PlaneMap, fill: Fill, size: (usize, usize)) -> Warp {
        Warp {
            size,
            samplings: vec![Sampling { map, fill }],
            mean: [0.4, 0.5, 0.6],
            deviation: [0.3, 0.2, 0.25],
        }
    }

    /// Samples one pixel by the definition: a tent of width one over all pixels of the plane.
    fn naive(picture: &[f64], (height, width): (i64, i64), point: [f64; 2], fill: Fill) -> f64 {
        let (sx, sy) = (
            point[0] + width as f64 / 2.0 - 0.5,
            point[1] + height as f64 / 2.0 - 0.5,
        );
        let mirror = |i: i64, n: i64| {
            if n == 1 {
                return 0;
            }
            let mut i = i;
            while i < 0 || i >= n {
                i = if i < 0 { -i } else { 2 * (n - 1) - i };
            }
            i
        };
        let mut sum = 0.0;
        for y in sy.floor() as i64 - 1..=sy.floor() as i64 + 2 {
            for x in sx.floor() as i64 - 1..=sx.floor() as i64 + 2 {
                let weight =
                    (1.0 - (sy - y as f64).abs()).max(0.0) * (1.0 - (sx - x as f64).abs()).max(0.0);
                let inside = (0..height).contains(&y) && (0..width).contains(&x);
                let at = |y: i64, x: i64| picture[(y * width + x) as usize];
                sum += weight
                    * match fill {
                        _ if inside => at(y, x),
                        Fill::Constant(value) => value,
                        Fill::Reflect => at(mirror(y, height), mirror(x, width)),
                        Fill::Edge => at(y.clamp(0, height - 1), x.clamp(0, width - 1)),
                        Fill::Noise(_) => unreachable!("noise has no naive twin"),
                    };
            }
        }
        sum
    }

    #[test]
    fn forward_matches_naive_sampling_at_odd_and_prime_sizes() {
        for (height, width) in [(7, 5), (9, 11), (1, 1), (8, 13)] {
            for map in maps() {
                for fill in &FILLS[..3] {
                    let picture = wave(&[1, 3, height, width], 0.6);
                    let warp = warp(map, *fill, (5, 7));
                    let ours = warp
                        .forward(&picture)
                        .unwrap()
                        .flatten_all()
                        .unwrap()
                        .to_vec1::<f64>()
                        .unwrap();
                    let picture = picture.flatten_all().unwrap().to_vec1::<f64>().unwrap();
                    for (index, ours) in ours.into_iter().enumerate() {
                        let (channel, y, x) = (index / 35, index / 7 % 5, index % 7);
                        let point = map.apply([x as f64 + 0.5 - 3.5, y as f64 + 0.5 - 2.5]);
                        let plane = &picture[channel * height * width..];
                        let value = naive(plane, (height as i64, width as i64), point, *fill);
                        let theirs = (value - warp.mean[channel]) / warp.deviation[channel];
                        assert_close(ours, theirs, 1e-9, &format!("{map:?} {fill:?} {index}"));
                    }
                }
            }
        }
    }

    #[test]
    fn the_pullback_is_the_transpose_of_naive_sampling() {
        let (height, width) = (7, 5);
        for map in maps() {
            for fill in [Fill::Constant(0.0), Fill::Reflect, Fill::Edge] {
                let warp = warp(map, fill, (5, 7));
                let dy = wave(&[1, 3, 5, 7], 0.9);
                let pulled = warp.pullback(&dy, height, width).unwrap();
                let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
                let (dy, pulled) = (flat(&dy), flat(&pulled));
                for (index, pulled) in pulled.iter().enumerate() {
                    let (channel, pixel) = (index / (height * width), index % (height * width));
                    let mut unit = vec![0.0; height * width];
                    unit[pixel] = 1.0;
                    let share = |place: usize| {
                        let (x, y) = (
                            (place % 7) as f64 + 0.5 - 3.5,
                            (place / 7) as f64 + 0.5 - 2.5,
                        );
                        let size = (height as i64, width as i64);
                        naive(&unit, size, map.apply([x, y]), fill) * dy[channel * 35 + place]
                    };
                    let transposed: f64 = (0..35).map(share).sum::<f64>() / warp.deviation[channel];
                    assert!(
                        (pulled - transposed).abs() <= 1e-9,
                        "{map:?} {fill:?} {index}: {pulled} and {transposed}"
                    );
                }
            }
        }
    }

    #[test]
    fn pullback_matches_central_differences() {
        for (height, width) in [(7, 5), (8, 13)] {
            for map in maps() {
                for fill in FILLS {
                    let warp = warp(map, fill, (5, 7));
                    pullback_matches_differences(
                        &wave(&[1, 3, height, width], 0.6),
                        |x| warp.forward(x),
                        |dy| warp.pullback(dy, height, width),
                    );
                }
            }
        }
    }

    #[test]
    fn the_identity_copies_every_bit() {
        for size in [(64, 64), (7, 5)] {
            let picture = wave(&[1, 3, size.0, size.1], 0.6)
                .to_dtype(candle_core::DType::F32)
                .unwrap();
            let warp = Warp {
                mean: [0.0; 3],
                deviation: [1.0; 3],
                ..warp(PlaneMap::IDENTITY, Fill::Constant(0.5), size)
            };
            let same = warp.forward(&picture).unwrap();
            let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(flat(&same), flat(&picture));
        }
    }
}
