//! Pictures that are handed in: which files can be read, and their pixels.
//!
//! What is read is 8-bit RGB, as Pillow's `convert("RGB")` has it, but with transparent parts on
//! white. The EXIF orientation and the colour profile are left alone unless [`Reading`] asks for
//! them: CLIP's own preprocessing knows neither.

mod colour;
mod fault;
mod file;
mod jpeg;

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use serde::Serialize;

use crate::error::{Error, Result};
use fault::Fault;

/// The most pixels of a picture: 20,000 x 20,000, which take 1.2 GB as RGB.
pub const MOST_PIXELS: u64 = 400_000_000;

/// Bytes that a decoder may take for a picture of that size: 16 bits for each of four channels.
const MOST_MEMORY: u64 = 8 * MOST_PIXELS;

/// Pictures of more pixels are decoded one after the other, so that memory holds them.
const LARGE: u64 = 1 << 26;

/// The most bytes that a byte of DEFLATE's output stands for: 258 for two bits.
const DEFLATE_RATIO: u64 = 1032;

/// The most pixels that a byte of a GIF stands for: its strings are shorter than 4,096, and a code
/// for one of them has 12 bits. The codes of a BMP stand for less.
const CODE_RATIO: u64 = 4096 * 8 / 12;

/// What is done to a picture beyond what CLIP's own preprocessing does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Whether the EXIF orientation is applied.
    pub upright: bool,
    /// Whether an embedded colour profile is converted to sRGB.
    pub colour_managed: bool,
}

/// Checks what can be told without decoding: that there is a file, of a known format, of a size
/// that is possible and can be read, and that its end is there.
///
/// # Errors
/// When it cannot be read; the message names the file.
pub fn check(path: &Path) -> Result<()> {
    let (mut file, length) = file::open(path)?;
    check_file(&mut file, length).map_err(|fault| fault.of(path))
}

fn check_file(file: &mut File, length: u64) -> Result<(), Fault> {
    let mut bytes = file::head(file)?;
    let format = format(&bytes)?;
    if format == ImageFormat::Jpeg {
        if jpeg::frame(&bytes)?.is_none() {
            file.read_to_end(&mut bytes)?;
        }
        let (frame, end) = jpeg::frame(&bytes)?.ok_or_else(Fault::cut)?;
        fits_jpeg(&frame, length)?;
        return file::holds(file, end as u64, &jpeg::END);
    }
    file.rewind()?;
    fits(&decoder(BufReader::new(&*file), format)?, format, length)?;
    match format {
        ImageFormat::Png => file::holds(file, 0, b"IEND"),
        ImageFormat::WebP => whole_riff(&bytes, length),
        _ => Ok(()),
    }
}

/// Reads a picture as 8-bit RGB, transparent parts on white.
///
/// # Errors
/// When it cannot be read, is cut off or damaged, has more than [`MOST_PIXELS`], or has a profile
/// that is to be used and cannot be; the message names the file.
pub fn read(path: &Path, reading: Reading) -> Result<RgbImage> {
    let (mut file, length) = file::open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.read_to_end(&mut bytes)
        .map_err(|source| Error::io("cannot read", path, source))?;
    decode(&bytes, reading).map_err(|fault| fault.of(path))
}

fn decode(bytes: &[u8], reading: Reading) -> Result<RgbImage, Fault> {
    let (mut picture, orientation) = match format(bytes)? {
        ImageFormat::Jpeg => {
            let (frame, _) = jpeg::frame(bytes)?.ok_or_else(Fault::cut)?;
            fits_jpeg(&frame, bytes.len() as u64)?;
            let _turn = turn(frame.width as u64 * frame.height as u64);
            let decoded = jpeg::decode(bytes)?;
            let orientation = decoded
                .exif
                .as_deref()
                .and_then(Orientation::from_exif_chunk);
            (
                colour::of_jpeg(decoded, reading.colour_managed)?,
                orientation,
            )
        }
        format => {
            let mut decoder = decoder(Cursor::new(bytes), format)?;
            fits(&decoder, format, bytes.len() as u64)?;
            if format == ImageFormat::WebP {
                whole_riff(bytes, bytes.len() as u64)?;
            }
            let (width, height) = decoder.dimensions();
            let _turn = turn(u64::from(width) * u64::from(height));
            let orientation = decoder.orientation().ok();
            let profile = decoder.icc_profile().ok().flatten();
            let picture = DynamicImage::from_decoder(decoder)?;
            match profile.filter(|_| reading.colour_managed) {
                Some(profile) => (colour::to_srgb(&picture, &profile)?, orientation),
                None => (picture, orientation),
            }
        }
    };
    if let Some(orientation) = orientation.filter(|_| reading.upright) {
        picture.apply_orientation(orientation);
    }
    Ok(colour::on_white(picture))
}

/// Waits until no other large picture is being decoded, when this one is large.
fn turn(pixels: u64) -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    (pixels > LARGE).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

fn format(bytes: &[u8]) -> Result<ImageFormat, Fault> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, WebP};
    match image::guess_format(bytes) {
        _ if bytes.is_empty() => Err(Fault::empty()),
        Ok(format @ (Png | Jpeg | WebP | Gif | Bmp)) => Ok(format),
        _ => Err(Fault::foreign()),
    }
}

fn decoder<'a>(
    source: impl std::io::BufRead + Seek + 'a,
    format: ImageFormat,
) -> Result<impl ImageDecoder + 'a, Fault> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_MEMORY);
    let mut reader = ImageReader::with_format(source, format);
    reader.limits(limits);
    Ok(reader.into_decoder()?)
}

/// Whether a picture of this size can be read.
fn fits_at_all(width: u64, height: u64) -> Result<(), Fault> {
    if width * height > MOST_PIXELS {
        return Err(Fault::large(width, height));
    }
    Ok(())
}

fn fits_jpeg(frame: &jpeg::Frame, length: u64) -> Result<(), Fault> {
    let (width, height) = (frame.width as u64, frame.height as u64);
    fits_at_all(width, height)?;
    if frame.least_bytes() as u64 > length {
        return Err(Fault::implausible(width, height, length));
    }
    Ok(())
}

/// Whether so large a picture can be in so short a file.
fn fits(decoder: &impl ImageDecoder, format: ImageFormat, length: u64) -> Result<(), Fault> {
    let (width, height) = decoder.dimensions();
    let (width, height) = (u64::from(width), u64::from(height));
    fits_at_all(width, height)?;
    let bits = u64::from(decoder.original_color_type().bits_per_pixel());
    let possible = match format {
        ImageFormat::Png => (width * height * bits).div_ceil(8) <= length * DEFLATE_RATIO,
        ImageFormat::Gif | ImageFormat::Bmp => width * height <= length * CODE_RATIO,
        // Lossless WebP has a picture of one colour in a few bytes, whatever its size.
        _ => true,
    };
    match possible {
        true => Ok(()),
        false => Err(Fault::implausible(width, height, length)),
    }
}

/// Whether a WebP file is as long as it says.
fn whole_riff(bytes: &[u8], length: u64) -> Result<(), Fault> {
    match bytes.get(4..8).and_then(|size| size.first_chunk()) {
        Some(&size) if u64::from(u32::from_le_bytes(size)) + 8 <= length => Ok(()),
        _ => Err(Fault::cut()),
    }
}
