//! The values that a recipe may hold.

use crate::error::{Result, bail};
use crate::transform::Transform;

/// The canvas sizes that make sense: from a few cells of a ResNet's grid to what memory allows.
const SIZES: std::ops::RangeInclusive<usize> = 16..=4096;

/// The most steps of an ascent.
const MOST_STEPS: usize = 1_000_000;

/// The most variants of one unit.
const MOST_VARIANTS: u32 = 10_000;

/// The largest side of a PNG.
const LARGEST_PICTURE: usize = 8192;

/// A canvas' side, as it is typed.
///
/// # Errors
/// When it is no number of pixels: says what can be given.
pub fn parse_size(text: &str) -> std::result::Result<usize, String> {
    text.parse().map_err(|_| {
        let (least, most) = SIZES.into_inner();
        format!(
            "a canvas is a square: give one number of pixels from {least} to {most}, such as 128"
        )
    })
}

/// # Errors
/// When a number is out of range: says what can be given.
pub fn check_numbers(
    size: usize,
    steps: usize,
    rate: f64,
    scale: u32,
    variants: u32,
) -> Result<()> {
    if !SIZES.contains(&size) {
        bail!(
            Request,
            "a canvas of {size} pixels is out of range: give --size from {} to {}",
            SIZES.start(),
            SIZES.end()
        );
    }
    if !(1..=MOST_STEPS).contains(&steps) {
        bail!(
            Request,
            "{steps} steps is out of range: give --steps from 1 to {MOST_STEPS}"
        );
    }
    if !(rate.is_finite() && rate > 0.0) {
        bail!(
            Request,
            "a step length of {rate} cannot climb: give --lr a positive number such as 0.05"
        );
    }
    if scale == 0 || size.saturating_mul(scale as usize) > LARGEST_PICTURE {
        bail!(
            Request,
            "enlarging {size} pixels {scale} times is out of range: give --scale from 1 to {}",
            LARGEST_PICTURE / size
        );
    }
    if !(1..=MOST_VARIANTS).contains(&variants) {
        bail!(
            Request,
            "{variants} variants is out of range: give --variants from 1 to {MOST_VARIANTS}"
        );
    }
    Ok(())
}

/// # Errors
/// When the decay is no number, or so large that the spectrum overflows.
pub fn check_decay(decay: f64) -> Result<()> {
    if !(0.0..=4.0).contains(&decay) {
        bail!(
            Request,
            "a decay of {decay} is out of range: give --decay from 0 to 4 (lucid's is 1)"
        );
    }
    Ok(())
}

/// # Errors
/// When a transform of a recipe that was read is out of range.
pub fn check_transform(transform: &Transform) -> Result<()> {
    let largest = *SIZES.end() as u32;
    let fits = match transform {
        Transform::Pad { pixels, .. } | Transform::Jitter { pixels } => *pixels <= largest,
        Transform::Scale { factors } => {
            factors.iter().all(|factor| (0.01..=100.0).contains(factor))
        }
        Transform::Rotate { degrees } => degrees.iter().all(|angle| angle.is_finite()),
        Transform::Crop => true,
    };
    if !fits {
        bail!(
            Input,
            "the recipe's transform {transform:?} is out of range"
        );
    }
    Ok(())
}
