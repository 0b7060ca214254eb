//! Pictures to the encoder's input, as the model's own preprocessing has it. CLIP's: the shorter side
//! resized to the input's with Pillow's bicubic filter, the centre cut out, each channel normalised.

mod crop;
mod filter;
mod resize;

use std::fmt;

use candle_core::{Device, Tensor};
use image::{Rgb, RgbImage, imageops};
use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Result, bail};
pub use crop::{Crop, Rounding};
pub use filter::Filter;

/// The normalisation of each channel, `(x - mean) / deviation` for `x` in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    /// Red, green, blue.
    pub mean: [f32; 3],
    /// Red, green, blue.
    pub deviation: [f32; 3],
}

impl Normalisation {
    /// OpenAI's, used by every published CLIP unless its configuration says otherwise.
    pub const CLIP: Self = Self {
        mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
        deviation: [0.268_629_54, 0.261_302_6, 0.275_777_1],
    };
}

/// What a picture's sides become; the other side of one that is named keeps the proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// Nothing: they stay.
    None,
    /// The shorter side becomes so many pixels, the encoder's where it is left open; the other is rounded down, as
    /// torchvision does.
    Shorter(Option<u32>),
    /// The longer side becomes the encoder's; the other is rounded to the nearest, as open_clip does.
    Longer,
    /// Both become (width, height), the encoder's where it is left open, whatever the proportion.
    Both(Option<(u32, u32)>),
}

impl Resize {
    /// Width and height of a picture of this width and height, for an encoder's square of this side.
    fn size(self, (width, height): (u32, u32), side: u32) -> (u64, u64) {
        let (short, long) = (width.min(height).max(1), width.max(height).max(1));
        match self {
            Self::None => (width.into(), height.into()),
            Self::Shorter(to) => {
                let to = u64::from(to.unwrap_or(side));
                let scaled = |length: u32| u64::from(length) * to / u64::from(short);
                (scaled(width), scaled(height))
            }
            Self::Longer => {
                let ratio = f64::from(long) / f64::from(side);
                let scaled = |length: u32| (f64::from(length) / ratio).round_ties_even().max(1.0);
                (scaled(width) as u64, scaled(height) as u64)
            }
            Self::Both(to) => {
                let (width, height) = to.unwrap_or((side, side));
                (width.into(), height.into())
            }
        }
    }
}

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(f, "none"),
            Self::Shorter(None) => write!(f, "shorter side"),
            Self::Shorter(Some(to)) => write!(f, "shorter side to {to}"),
            Self::Longer => write!(f, "longer side"),
            Self::Both(None) => write!(f, "both sides"),
            Self::Both(Some((width, height))) => write!(f, "to {width}x{height}"),
        }
    }
}

/// How a picture of any shape becomes the encoder's square.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// First what its sides become,
    pub resize: Resize,
    /// by which filter,
    pub filter: Filter,
    /// then what is cut out of it.
    pub crop: Crop,
}

impl Fit {
    /// OpenAI's: torchvision's `Resize(side, BICUBIC)` and `CenterCrop(side)` of a PIL image.
    pub const CLIP: Self = Self {
        resize: Resize::Shorter(None),
        filter: Filter::Bicubic,
        crop: Crop::Centre {
            size: None,
            rounding: Rounding::Nearest,
            fill: [0; 3],
        },
    };

    /// A picture as `side x side` pixels. Only those pixels are computed, whatever the shape.
    ///
    /// # Errors
    /// When it does not become a square of this side: says what it becomes.
    pub fn square(&self, picture: &RgbImage, side: u32) -> Result<RgbImage> {
        let (width, height) = self.resize.size(picture.dimensions(), side);
        let across = self.crop.across(width, side);
        let down = self.crop.down(height, side);
        if (across.length(), down.length()) != (side.into(), side.into()) {
            bail!(
                Input,
                "the model's preprocessing (resize: {}; crop: {}) makes {}x{} pixels of it, and its encoder reads {side}x{side}: give a picture of another size, or pixels with --raw",
                self.resize,
                self.crop,
                across.length(),
                down.length()
            );
        }
        let size = (width as usize, height as usize);
        let (columns, rows) = (across.kept.clone(), down.kept.clone());
        let inner = resize::resize(picture, size, self.filter, columns, rows);
        if inner.dimensions() == (side, side) {
            return Ok(inner);
        }
        let mut square = RgbImage::from_pixel(side, side, Rgb(self.crop.fill()));
        let corner = (across.before as i64, down.before as i64);
        imageops::replace(&mut square, &inner, corner.0, corner.1);
        Ok(square)
    }
}

/// What is done to pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preprocessing {
    /// This.
    Fit(Fit),
    /// Something that percept does not do: what.
    Foreign(String),
}

impl Preprocessing {
    /// How a picture becomes the encoder's square.
    ///
    /// # Errors
    /// When the model asks for what percept does not do.
    pub fn fit(&self) -> Result<&Fit> {
        match self {
            Self::Fit(fit) => Ok(fit),
            Self::Foreign(what) => bail!(
                Request,
                "the model's pictures are prepared in a way that percept does not know: {what}; prepare them elsewhere and give the pixels with --raw"
            ),
        }
    }
}

impl fmt::Display for Preprocessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fit(Fit {
                resize,
                filter,
                crop,
            }) => write!(f, "{resize}, {filter}; crop {crop}"),
            Self::Foreign(what) => write!(f, "unknown to percept: {what}"),
        }
    }
}

impl Serialize for Preprocessing {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `(1, 3, side, side)` normalised pixels of a picture of that size.
pub fn normalised(picture: &RgbImage, normalisation: Normalisation) -> Result<Tensor> {
    let (width, height) = picture.dimensions();
    let mut pixels = Vec::with_capacity(3 * (width * height) as usize);
    for channel in 0..3 {
        let (mean, deviation) = (
            normalisation.mean[channel],
            normalisation.deviation[channel],
        );
        pixels.extend(
            picture
                .pixels()
                .map(|pixel| (f32::from(pixel.0[channel]) / 255.0 - mean) / deviation),
        );
    }
    Ok(Tensor::from_vec(
        pixels,
        (1, 3, height as usize, width as usize),
        &Device::Cpu,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: [Filter; 5] = [
        Filter::Box,
        Filter::Bilinear,
        Filter::Hamming,
        Filter::Bicubic,
        Filter::Lanczos,
    ];

    #[test]
    fn a_picture_of_the_right_size_is_not_touched() {
        let picture = RgbImage::from_fn(64, 64, |x, y| Rgb([x as u8 * 3, y as u8, 7]));
        for filter in EVERY {
            for resize in [
                Resize::None,
                Resize::Shorter(None),
                Resize::Longer,
                Resize::Both(None),
            ] {
                let fit = Fit {
                    resize,
                    filter,
                    ..Fit::CLIP
                };
                assert_eq!(fit.square(&picture, 64).unwrap(), picture, "{fit:?}");
            }
        }
    }

    #[test]
    fn any_shape_becomes_a_square_and_one_colour_stays_it() {
        let shapes = [
            (1, 1),
            (3, 500),
            (501, 64),
            (65, 64),
            (1000, 7),
            (1, 60_000),
        ];
        for (width, height) in shapes {
            let flat = RgbImage::from_pixel(width, height, Rgb([255, 9, 130]));
            for filter in EVERY {
                for resize in [Resize::Shorter(None), Resize::Longer, Resize::Both(None)] {
                    let crop = Crop::Centre {
                        size: None,
                        rounding: Rounding::Down,
                        fill: [255, 9, 130],
                    };
                    let fit = Fit {
                        resize,
                        filter,
                        crop,
                    };
                    let square = fit.square(&flat, 64).unwrap();
                    assert_eq!(square.dimensions(), (64, 64));
                    assert!(square.pixels().all(|pixel| pixel.0 == [255, 9, 130]));
                }
            }
        }
    }

    #[test]
    fn what_does_not_become_the_encoders_square_is_an_error_and_takes_no_memory() {
        let wide = RgbImage::new(30_000, 1);
        for (resize, crop) in [
            (Resize::None, Crop::None),
            (Resize::Shorter(Some(60_000)), Crop::None),
            (Resize::Both(Some((64, 63))), Crop::None),
        ] {
            let fit = Fit {
                resize,
                crop,
                ..Fit::CLIP
            };
            let error = fit.square(&wide, 64).unwrap_err().to_string();
            assert!(error.contains("64x64"), "{error}");
        }
    }
}
