//! Transformation robustness: the random geometry under which each step sees the image.
//!
//! A transform is split into *sampling*, which draws its parameters from a stream, and
//! *applying*, which is deterministic: the samples of one step compose into one affine map and
//! one fill, so a step interpolates once, whatever the number of transforms.
//!
//! The maps follow lucid's `transform.py` in its order, each from output to source coordinates
//! about the centre. The composed map covers the whole plane: where lucid pads, crops and pads
//! again with black, percept looks through to the canvas and shows the fill only outside it.

pub mod preset;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::ops::warp::{Fill, PlaneMap, Sampling};
use crate::size::Size;

/// What a padding shows outside the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// Grey, 0.5.
    Grey,
    /// The canvas mirrored at its edges.
    Reflect,
    /// Uniform noise, drawn anew for each image and step.
    Noise,
}

/// One random change of the geometry; lengths in canvas pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Transform {
    /// Grows the frame by `pixels` on every side; the last padding decides what lies outside.
    Pad {
        /// Width of the border.
        pixels: u32,
        /// What it shows.
        fill: Padding,
    },
    /// Shrinks the frame by `pixels` and moves it by a whole number of pixels, uniformly over
    /// all places that it can take (lucid's `jitter`).
    Jitter {
        /// How many pixels the frame loses.
        pixels: u32,
    },
    /// Enlarges by a factor drawn uniformly from a list (lucid's `random_scale`).
    Scale {
        /// The factors; above 1 shows less of the canvas.
        factors: Vec<f64>,
    },
    /// Rotates about the centre by an angle drawn uniformly from a list (`random_rotate`).
    Rotate {
        /// The angles in degrees.
        degrees: Vec<f64>,
    },
    /// Cuts or extends the frame to the canvas's own size about the centre (`crop_or_pad_to`).
    Crop,
}

fn draw(stream: &mut impl Rng, values: &[f64], otherwise: f64) -> f64 {
    match values.len() {
        0 => otherwise,
        count => values[stream.random_range(0..count)],
    }
}

/// Draws every transform's parameters and composes them: how a view samples a canvas. What is left of the frame is
/// centred in the view, as large as it can be seen whole.
pub fn sample(
    transforms: &[Transform],
    canvas: Size,
    view: Size,
    stream: &mut impl Rng,
) -> Sampling {
    let sides = |size: Size| [size.width as f64, size.height as f64];
    let mut map = PlaneMap::IDENTITY;
    let mut frame = sides(canvas);
    let mut fill = Fill::Constant(0.5);
    for transform in transforms {
        let next = match transform {
            Transform::Pad {
                pixels,
                fill: padding,
            } => {
                frame = frame.map(|side| side + 2.0 * f64::from(*pixels));
                fill = match padding {
                    Padding::Grey => Fill::Constant(0.5),
                    Padding::Reflect => Fill::Reflect,
                    Padding::Noise => Fill::Noise(stream.next_u64()),
                };
                PlaneMap::IDENTITY
            }
            Transform::Jitter { pixels } => {
                frame = frame.map(|side| (side - f64::from(*pixels)).max(1.0));
                let mut offset =
                    || f64::from(stream.random_range(0..=*pixels)) - f64::from(*pixels) / 2.0;
                PlaneMap::translation(offset(), offset())
            }
            Transform::Scale { factors } => {
                let factor = draw(stream, factors, 1.0);
                frame = frame.map(|side| side * factor);
                PlaneMap::scaling(1.0 / factor, 1.0 / factor)
            }
            Transform::Rotate { degrees } => PlaneMap::rotation(draw(stream, degrees, 0.0)),
            Transform::Crop => {
                frame = sides(canvas);
                PlaneMap::IDENTITY
            }
        };
        map = map.after(&next);
    }
    let [width, height] = sides(view);
    let factor = (frame[0] / width).max(frame[1] / height);
    if factor != 1.0 {
        map = map.after(&PlaneMap::scaling(factor, factor));
    }
    Sampling { map, fill }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Key, Purpose};

    const SQUARE: Size = Size::square(64);

    fn stream(step: u64) -> crate::seed::Stream {
        Key::new(0, "test", 0).stream(Purpose::Transform, step)
    }

    #[test]
    fn without_transforms_the_view_shows_the_canvas() {
        let same = sample(&[], SQUARE, SQUARE, &mut stream(0));
        assert_eq!(same.map, PlaneMap::IDENTITY);
        let larger = sample(&[], Size::square(97), Size::square(96), &mut stream(0));
        assert_eq!(larger.map.apply([48.0, -48.0]), [48.5, -48.5]);
    }

    #[test]
    fn padding_alone_shows_the_border_and_a_crop_hides_it() {
        let pad = Transform::Pad {
            pixels: 8,
            fill: Padding::Grey,
        };
        let shown = sample(std::slice::from_ref(&pad), SQUARE, SQUARE, &mut stream(0));
        assert_eq!(shown.map.apply([32.0, 0.0]), [40.0, 0.0]);
        let hidden = sample(&[pad, Transform::Crop], SQUARE, SQUARE, &mut stream(0));
        assert_eq!(hidden.map, PlaneMap::IDENTITY);
    }

    #[test]
    fn jitter_reaches_every_place_and_no_other() {
        let jitter = [Transform::Jitter { pixels: 3 }, Transform::Crop];
        let mut seen = std::collections::BTreeSet::new();
        for step in 0..200 {
            let shift = sample(&jitter, SQUARE, SQUARE, &mut stream(step)).map.shift;
            seen.insert(shift.map(|s| (s * 2.0) as i64));
        }
        let places = [-3, -1, 1, 3];
        let all: Vec<_> = places
            .iter()
            .flat_map(|&x| places.iter().map(move |&y| [x, y]))
            .collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
    }

    /// A canvas that is moved first and enlarged then has moved by whole pixels of its own.
    #[test]
    fn transforms_apply_in_their_order() {
        let transforms = [
            Transform::Jitter { pixels: 2 },
            Transform::Scale { factors: vec![2.0] },
            Transform::Crop,
        ];
        let shifts = (0..50).map(|step| {
            sample(&transforms, SQUARE, SQUARE, &mut stream(step))
                .map
                .shift
        });
        let seen: std::collections::BTreeSet<i64> = shifts.map(|[x, _]| (x * 2.0) as i64).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, 0, 2]);
    }

    #[test]
    fn the_last_padding_decides_what_lies_outside() {
        let pad = |fill| Transform::Pad { pixels: 1, fill };
        let fill = |fills: &[Padding], step| {
            let transforms: Vec<_> = fills.iter().map(|&fill| pad(fill)).collect();
            sample(&transforms, SQUARE, SQUARE, &mut stream(step)).fill
        };
        assert_eq!(fill(&[], 0), Fill::Constant(0.5));
        assert_eq!(
            fill(&[Padding::Reflect, Padding::Grey], 0),
            Fill::Constant(0.5)
        );
        assert_eq!(fill(&[Padding::Grey, Padding::Reflect], 0), Fill::Reflect);
        let noise = fill(&[Padding::Noise], 0);
        assert!(matches!(noise, Fill::Noise(_)) && noise == fill(&[Padding::Noise], 0));
        assert_ne!(
            noise,
            fill(&[Padding::Noise], 1),
            "noise is drawn anew for each step"
        );
    }

    /// The composed map against the transforms applied one after the other, as lucid does: a
    /// point of the output is taken back through crop, rotation, scale, jitter in turn.
    #[test]
    fn composition_takes_a_point_back_through_the_transforms_in_reverse() {
        let transforms = [
            Transform::Pad {
                pixels: 4,
                fill: Padding::Grey,
            },
            Transform::Scale {
                factors: vec![1.25],
            },
            Transform::Rotate {
                degrees: vec![90.0],
            },
            Transform::Crop,
        ];
        let [x, y] = sample(&transforms, SQUARE, SQUARE, &mut stream(0))
            .map
            .apply([10.0, 0.0]);
        assert!(
            (x - 0.0).abs() < 1e-12 && (y - 8.0).abs() < 1e-12,
            "({x}, {y})"
        );
    }

    /// Each side of a rectangle has a frame of its own, and the longer one decides how large it is seen.
    #[test]
    fn a_rectangle_is_seen_whole_in_any_view() {
        let wide = Size {
            height: 32,
            width: 96,
        };
        let seen =
            |transforms: &[Transform], view| sample(transforms, wide, view, &mut stream(0)).map;
        assert_eq!(seen(&[], wide), PlaneMap::IDENTITY);
        assert_eq!(seen(&[], SQUARE).apply([32.0, 10.0]), [48.0, 15.0]);
        let tall = Size {
            height: 96,
            width: 32,
        };
        assert_eq!(seen(&[], tall).apply([16.0, 16.0]), [48.0, 48.0]);
        let pad = Transform::Pad {
            pixels: 16,
            fill: Padding::Grey,
        };
        assert_eq!(seen(&[pad], wide).apply([12.0, 4.0]), [24.0, 8.0]);
    }
}
