//! Pictures to the encoder's input, as CLIP's own preprocessing has it: the shorter side
//! resized to the input's with Pillow's bicubic filter, the centre cut out, each channel normalised.

mod resize;

use candle_core::{Device, Tensor};
use image::RgbImage;
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

/// The centre of a picture as `side x side` pixels, as torchvision's `Resize(side)` and
/// `CenterCrop(side)` cut it from a PIL image. Only those pixels are computed, whatever the shape.
pub fn centre(picture: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let short = u64::from(width.min(height).max(1));
    let scaled = |length: u32| u64::from(length) * u64::from(side) / short;
    let cut = |length: u64| {
        let first = ((length - u64::from(side)) as f64 / 2.0).round_ties_even() as usize;
        first..first + side as usize
    };
    let (width, height) = (scaled(width), scaled(height));
    let size = (width as usize, height as usize);
    resize::resize(picture, size, cut(width), cut(height))
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

    #[test]
    fn a_picture_of_the_right_size_is_not_touched() {
        let picture = RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8 * 3, y as u8, 7]));
        assert_eq!(centre(&picture, 64), picture);
    }

    #[test]
    fn any_shape_becomes_a_square_and_one_colour_stays_it() {
        for (width, height) in [
            (1, 1),
            (3, 500),
            (501, 64),
            (65, 64),
            (1000, 7),
            (1, 60_000),
        ] {
            let flat = RgbImage::from_pixel(width, height, image::Rgb([255, 9, 130]));
            let square = centre(&flat, 64);
            assert_eq!(square.dimensions(), (64, 64));
            assert!(square.pixels().all(|pixel| pixel.0 == [255, 9, 130]));
        }
    }
}
