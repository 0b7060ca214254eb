//! RGB tensors to PNG files.

use std::io::{BufRead, Cursor, Seek};

use candle_core::Tensor;
use image::imageops::{self, FilterType};
use image::{ImageBuffer, Rgb};

use crate::error::{Error, Kind, Result, bail};

/// The keyword of the text chunk that holds the recipe.
pub const RECIPE_KEYWORD: &str = "percept";

/// The name of the enlargement's filter, for sidecars.
pub const FILTER: &str = "lanczos3";

/// Encodes RGB in [0, 1], `(1, 3, h, w)`, enlarged `scale` times with a Lanczos filter and
/// rounded to the nearest of 256 levels, with `recipe` in a text chunk.
///
/// # Errors
/// When a value is not finite.
pub fn encode(image: &Tensor, scale: u32, recipe: &str) -> Result<Vec<u8>> {
    let (_, _, height, width) = image.dims4()?;
    let values: Vec<f32> = image
        .squeeze(0)?
        .permute((1, 2, 0))?
        .flatten_all()?
        .to_dtype(candle_core::DType::F32)?
        .to_vec1()?;
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        bail!(Numeric, "the picture holds the value {value}");
    }
    let Some(mut pixels) =
        ImageBuffer::<Rgb<f32>, _>::from_raw(width as u32, height as u32, values)
    else {
        bail!(Internal, "a picture's size does not fit its pixels");
    };
    if scale > 1 {
        let (width, height) = (width as u32 * scale, height as u32 * scale);
        pixels = imageops::resize(&pixels, width, height, FilterType::Lanczos3);
    }
    let levels: Vec<u8> = pixels
        .as_raw()
        .iter()
        .map(|value| (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8)
        .collect();
    write(&levels, pixels.dimensions(), recipe)
        .map_err(|source| Error::new(Kind::Internal, "cannot encode a PNG").caused_by(source))
}

fn write(
    levels: &[u8],
    (width, height): (u32, u32),
    recipe: &str,
) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.add_itxt_chunk(RECIPE_KEYWORD.to_owned(), recipe.to_owned())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(levels)?;
    writer.finish()?;
    Ok(bytes)
}

/// Whether a PNG carries a recipe before its pixels, where percept writes it.
pub fn carries_recipe(png: impl BufRead + Seek) -> bool {
    let reader = png::Decoder::new(png).read_info();
    reader.is_ok_and(|reader| {
        let mut chunks = reader.info().utf8_text.iter();
        chunks.any(|chunk| chunk.keyword == RECIPE_KEYWORD)
    })
}

/// The recipe in a PNG that percept wrote, if there is one.
pub fn recipe_of(bytes: &[u8]) -> Option<String> {
    let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().ok()?;
    reader.finish().ok()?;
    let chunk = reader
        .info()
        .utf8_text
        .iter()
        .find(|chunk| chunk.keyword == RECIPE_KEYWORD)?;
    chunk.get_text().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn flat(value: f32) -> Tensor {
        Tensor::full(value, (1, 3, 5, 7), &Device::Cpu).unwrap()
    }

    #[test]
    fn levels_are_rounded_to_nearest_and_the_recipe_comes_back() {
        let bytes = encode(&flat(0.499_9), 1, "{\"a\": \"é\"}").unwrap();
        let picture = image::load_from_memory(&bytes).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (7, 5));
        assert!(picture.pixels().all(|pixel| pixel.0 == [127; 3]));
        assert_eq!(recipe_of(&bytes).unwrap(), "{\"a\": \"é\"}");
        assert_eq!(recipe_of(b"no png"), None);
    }

    #[test]
    fn enlarging_keeps_a_flat_picture_flat() {
        let bytes = encode(&flat(0.25), 3, "").unwrap();
        let picture = image::load_from_memory(&bytes).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (21, 15));
        assert!(picture.pixels().all(|pixel| pixel.0 == [64; 3]));
    }

    #[test]
    fn a_picture_that_is_not_finite_is_an_error() {
        assert_eq!(
            encode(&flat(f32::NAN), 1, "").unwrap_err().kind(),
            Kind::Numeric
        );
    }
}
