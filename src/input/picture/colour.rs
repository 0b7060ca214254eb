//! Inks, grey and transparency to RGB, and embedded profiles to sRGB.

use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use super::fault::Fault;
use super::jpeg::Decoded;

/// Lays a picture on white where it is transparent.
pub(super) fn on_white(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b, alpha] = picture.get_pixel(x, y).0.map(u32::from);
        image::Rgb([r, g, b].map(|value| ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8))
    })
}

/// The picture of a JPEG file, in sRGB where it is to be managed and has a profile.
pub(super) fn of_jpeg(decoded: Decoded, managed: bool) -> Result<DynamicImage, Fault> {
    let Decoded {
        width,
        height,
        samples,
        profile,
        ..
    } = decoded;
    let profile = profile.filter(|_| managed);
    let wrong = || Fault::damaged("its pixels do not fit its size");
    let channels = samples.len() / (width as usize * height as usize).max(1);
    let picture = match channels {
        1 => GrayImage::from_raw(width, height, samples).map(DynamicImage::from),
        3 => RgbImage::from_raw(width, height, samples).map(DynamicImage::from),
        _ => {
            let pixels = match profile {
                Some(profile) => converted(&profile, &samples, Layout::Rgba, Layout::Rgb)?,
                None => samples.as_chunks().0.iter().flat_map(printed).collect(),
            };
            let picture = RgbImage::from_raw(width, height, pixels);
            return picture.map(DynamicImage::from).ok_or_else(wrong);
        }
    };
    let picture = picture.ok_or_else(wrong)?;
    match profile {
        Some(profile) => to_srgb(&picture, &profile),
        None => Ok(picture),
    }
}

/// Cyan, magenta, yellow and black as RGB, as Pillow has it without a profile.
fn printed(&[inks @ .., black]: &[u8; 4]) -> [u8; 3] {
    let white = 255 - u32::from(black);
    inks.map(|ink| {
        let product = u32::from(ink) * white + 128;
        (white - (((product >> 8) + product) >> 8)) as u8
    })
}

/// The picture in sRGB; transparency stays.
pub(super) fn to_srgb(picture: &DynamicImage, profile: &[u8]) -> Result<DynamicImage, Fault> {
    let (width, height) = (picture.width(), picture.height());
    let has_alpha = picture.color().has_alpha();
    let is_grey = parsed(profile)?.color_space == DataColorSpace::Gray;
    let (samples, layout) = match (is_grey && !picture.color().has_color(), has_alpha) {
        (true, false) => (picture.to_luma8().into_raw(), Layout::Gray),
        (true, true) => (picture.to_luma_alpha8().into_raw(), Layout::GrayAlpha),
        (false, false) => (picture.to_rgb8().into_raw(), Layout::Rgb),
        (false, true) => (picture.to_rgba8().into_raw(), Layout::Rgba),
    };
    let converted = match has_alpha {
        true => RgbaImage::from_raw(
            width,
            height,
            converted(profile, &samples, layout, Layout::Rgba)?,
        )
        .map(DynamicImage::from),
        false => RgbImage::from_raw(
            width,
            height,
            converted(profile, &samples, layout, Layout::Rgb)?,
        )
        .map(DynamicImage::from),
    };
    converted.ok_or_else(|| Fault::profile("its pixels do not fit"))
}

fn parsed(profile: &[u8]) -> Result<ColorProfile, Fault> {
    ColorProfile::new_from_slice(profile).map_err(Fault::profile)
}

/// Samples of a profile's own colours as those of sRGB.
fn converted(profile: &[u8], samples: &[u8], from: Layout, to: Layout) -> Result<Vec<u8>, Fault> {
    let profile = parsed(profile)?;
    let srgb = ColorProfile::new_srgb();
    let transform = profile
        .create_transform_8bit(from, &srgb, to, TransformOptions::default())
        .map_err(Fault::profile)?;
    let mut pixels = vec![0; samples.len() / from.channels() * to.channels()];
    transform
        .transform(samples, &mut pixels)
        .map_err(Fault::profile)?;
    Ok(pixels)
}
