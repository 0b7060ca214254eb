//! Thumbnails, 64 to a sheet: a browser loads one picture where it would load 64.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::imageops;
use image::{ImageReader, Rgb, RgbImage};
use rayon::prelude::*;

use super::Chunk;
use crate::atlas::manifest::FileEntry;
use crate::atlas::published::Published;
use crate::atlas::record::Record;
use crate::error::{Error, Kind, Result};
use crate::input::sha256;

/// The folder of the sheets.
pub const FOLDER: &str = "sprites";

/// Thumbnails beside each other.
pub const COLUMNS: u32 = 8;

/// The longest side of a thumbnail in pixels, which is about that of a tile: a sheet of the embedded
/// model's pictures has 400 KB, and with twice the side would have four times as much.
const LARGEST_SIDE: u32 = 128;

/// JPEG works on squares of this many pixels: thumbnails of whole squares do not run into each other.
const SQUARE: u32 = 16;

/// JPEG's quality, at which thumbnails of rendered pictures show no blocks.
const QUALITY: u8 = 85;

/// Where a unit has no picture.
const BLANK: Rgb<u8> = Rgb([128; 3]);

/// One sheet.
pub struct Sheet {
    /// Its path in the atlas' folder; it changes with what the sheet shows.
    pub name: String,
    /// Its JPEG.
    pub image: Image,
}

/// A sheet's JPEG.
pub enum Image {
    /// Made now.
    Drawn(Vec<u8>),
    /// In its place already.
    Kept(FileEntry),
}

/// The side of the thumbnails: pictures that are smaller are not enlarged.
pub fn side(records: &[Record]) -> u32 {
    let widths = records
        .iter()
        .filter_map(|record| Some(record.face()?.width));
    let largest = widths.max().unwrap_or(SQUARE).min(LARGEST_SIDE);
    (largest / SQUARE).max(1) * SQUARE
}

/// A sheet a chunk. Those that were published and are as they were are not made again.
///
/// # Errors
/// When a picture cannot be read.
pub fn sheets(
    folder: &Path,
    chunks: &[Chunk],
    side: u32,
    published: &Published,
) -> Result<Vec<Sheet>> {
    chunks
        .par_iter()
        .map(|chunk| {
            let name = name(chunk, side);
            let image = match published.intact(folder, &name)? {
                Some(entry) => Image::Kept(entry),
                None => Image::Drawn(draw(folder, chunk.records, side)?),
            };
            Ok(Sheet { name, image })
        })
        .collect()
}

fn name(chunk: &Chunk, side: u32) -> String {
    let faces = chunk.records.iter().map(|record| {
        let face = record.face();
        face.map_or("none", |picture| picture.sha256.as_str())
    });
    let what = faces.fold(format!("{side} {QUALITY}"), |text, face| text + "\n" + face);
    let Chunk { tap, index, .. } = chunk;
    format!(
        "{FOLDER}/{tap}-{index}-{}.jpg",
        &sha256(what.as_bytes())[..12]
    )
}

fn draw(folder: &Path, records: &[Record], side: u32) -> Result<Vec<u8>> {
    let rows = (records.len() as u32).div_ceil(COLUMNS);
    let mut sheet = RgbImage::from_pixel(COLUMNS * side, rows * side, BLANK);
    let thumbnails: Vec<Option<RgbImage>> = records
        .par_iter()
        .map(|record| {
            let picture = record.face();
            picture
                .map(|picture| thumbnail(&folder.join(&picture.file), side))
                .transpose()
        })
        .collect::<Result<_>>()?;
    for (place, thumbnail) in (0..).zip(thumbnails) {
        if let Some(thumbnail) = thumbnail {
            let (x, y) = (place % COLUMNS * side, place / COLUMNS * side);
            imageops::replace(&mut sheet, &thumbnail, x.into(), y.into());
        }
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode_image(&sheet)
        .map_err(|source| Error::new(Kind::Internal, "cannot encode a JPEG").caused_by(source))?;
    Ok(bytes)
}

fn thumbnail(path: &Path, side: u32) -> Result<RgbImage> {
    let reader =
        ImageReader::open(path).map_err(|source| Error::io("cannot read", path, source))?;
    let picture = reader.decode().map_err(|source| {
        let message = format!("cannot read {} as a picture", path.display());
        Error::new(Kind::Input, message).caused_by(source)
    })?;
    Ok(imageops::thumbnail(&picture.into_rgb8(), side, side))
}
