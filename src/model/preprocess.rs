//! Pictures to the encoder's input, as CLIP's own preprocessing has it: the shorter side
//! resized to the input's with a bicubic filter, the centre cut out, each channel normalised.

use candle_core::{Device, Tensor};
use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};
use serde::{Deserialize, Serialize};

use crate::error::Result;

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

/// Lays a picture on white where it is transparent.
fn opaque(picture: &DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    let picture = picture.to_rgba8();
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b, alpha] = picture.get_pixel(x, y).0.map(u32::from);
        image::Rgb([r, g, b].map(|value| ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8))
    })
}

/// The longest shape that is resized whole; of a longer strip only the middle can be seen.
const LONGEST_SHAPE: u32 = 4;

/// Cuts a long strip to its middle, so that resizing it takes no more memory than a picture.
fn middle(picture: RgbImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    let limit = width.min(height).max(1).saturating_mul(LONGEST_SHAPE);
    if width <= limit && height <= limit {
        return picture;
    }
    let (cut_width, cut_height) = (width.min(limit), height.min(limit));
    let (x, y) = ((width - cut_width) / 2, (height - cut_height) / 2);
    imageops::crop_imm(&picture, x, y, cut_width, cut_height).to_image()
}

/// The centre of a picture as `side x side` pixels; transparent parts become white.
pub fn centre(picture: &DynamicImage, side: u32) -> RgbImage {
    let picture = middle(opaque(picture));
    let (width, height) = picture.dimensions();
    let short = width.min(height).max(1);
    let scaled =
        |length: u32| (u64::from(length) * u64::from(side) / u64::from(short)).max(1) as u32;
    let (width, height) = (scaled(width), scaled(height));
    let resized = if picture.dimensions() == (width, height) {
        picture
    } else {
        imageops::resize(&picture, width, height, FilterType::CatmullRom)
    };
    let offset = |length: u32| (f64::from(length - side) / 2.0).round_ties_even() as u32;
    imageops::crop_imm(&resized, offset(width), offset(height), side, side).to_image()
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
    use image::{Rgba, RgbaImage};

    #[test]
    fn a_picture_of_the_right_size_is_not_touched() {
        let picture = RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8 * 3, y as u8, 7]));
        assert_eq!(centre(&picture.clone().into(), 64), picture);
    }

    #[test]
    fn any_shape_becomes_a_square_and_transparency_white() {
        for (width, height) in [
            (1, 1),
            (3, 500),
            (501, 64),
            (65, 64),
            (1000, 7),
            (1, 60_000),
        ] {
            let clear = RgbaImage::from_pixel(width, height, Rgba([9, 9, 9, 0]));
            let square = centre(&clear.into(), 64);
            assert_eq!(square.dimensions(), (64, 64));
            assert!(square.pixels().all(|pixel| pixel.0 == [255; 3]));
        }
    }
}
