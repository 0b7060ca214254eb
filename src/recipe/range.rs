//! The values that a recipe may hold.

use crate::ascent::Settings;
use crate::error::{Result, bail};
use crate::param::Basis;
use crate::transform::Transform;

/// The sides of a canvas that make sense: from a few cells of a ResNet's grid to what memory allows.
const SIDES: std::ops::RangeInclusive<usize> = 16..=4096;

/// The most steps of an ascent.
const MOST_STEPS: usize = 1_000_000;

/// The most variants of one unit.
const MOST_VARIANTS: u32 = 10_000;

/// The most variants that are made together, each with a Gram matrix of its channels.
const MOST_TOGETHER: u32 = 64;

/// The largest side of a PNG.
const LARGEST_PICTURE: usize = 8192;

/// What was typed and what was read alike.
///
/// # Errors
/// When a number is out of range: says what can be given.
pub fn check(ascent: &Settings, scale: u32) -> Result<()> {
    let Settings {
        size,
        steps,
        learning_rate: rate,
        ..
    } = *ascent;
    if !(SIDES.contains(&size.height) && SIDES.contains(&size.width)) {
        bail!(
            Request,
            "a canvas of {size} pixels is out of range: give --size from {} to {} on each side",
            SIDES.start(),
            SIDES.end()
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
    if scale == 0 || size.longest().saturating_mul(scale as usize) > LARGEST_PICTURE {
        bail!(
            Request,
            "enlarging {size} pixels {scale} times is out of range: give --scale from 1 to {}",
            LARGEST_PICTURE / size.longest()
        );
    }
    if let Basis::Fourier { decay } = ascent.basis
        && !(0.0..=4.0).contains(&decay)
    {
        bail!(
            Request,
            "a decay of {decay} is out of range: give --decay from 0 to 4 (lucid's is 1)"
        );
    }
    for transform in &ascent.transforms {
        check_transform(transform)?;
    }
    // A picture that was stopped keeps what was asked for, later steps too.
    check_checkpoints(&ascent.checkpoints, MOST_STEPS)
}

/// # Errors
/// When a step to be kept is none of so many: says what can be given.
pub fn check_checkpoints(checkpoints: &[usize], steps: usize) -> Result<()> {
    let mut checkpoints = checkpoints.iter();
    match checkpoints.find(|&step| !(1..=steps).contains(step)) {
        Some(step) => bail!(
            Request,
            "there is no step {step} to keep: give steps from 1 to {steps}"
        ),
        None => Ok(()),
    }
}

/// # Errors
/// When so many variants of a unit are out of range: says what can be given.
pub fn check_variants(variants: u32) -> Result<()> {
    if !(1..=MOST_VARIANTS).contains(&variants) {
        bail!(
            Request,
            "{variants} variants is out of range: give --variants from 1 to {MOST_VARIANTS}"
        );
    }
    Ok(())
}

/// # Errors
/// When so many pictures cannot be compared: says what can be given.
pub fn check_together(variants: u32) -> Result<()> {
    if !(2..=MOST_TOGETHER).contains(&variants) {
        bail!(
            Request,
            "diversity compares the variants of a unit, and {variants} cannot be: give --variants from 2 to {MOST_TOGETHER}"
        );
    }
    Ok(())
}

/// # Errors
/// When a transform of a recipe that was read is out of range.
fn check_transform(transform: &Transform) -> Result<()> {
    let largest = *SIDES.end() as u32;
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
