//! What is cut out of a resized picture.

use std::fmt;
use std::ops::Range;

/// Where a centre lies that is half a pixel off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// At the nearest even pixel: torchvision and open_clip.
    Nearest,
    /// At the pixel before: transformers.
    Down,
}

/// The part of a resized picture that the encoder sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crop {
    /// All of it.
    None,
    /// Its centre; what is missing of one that is larger than the picture is filled.
    Centre {
        /// Width and height; the encoder's where it is left open.
        size: Option<(u32, u32)>,
        /// Which of two middles.
        rounding: Rounding,
        /// Red, green, blue.
        fill: [u8; 3],
    },
}

/// One side of a cut.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Side {
    /// The pixels of the picture that are kept.
    pub kept: Range<usize>,
    /// Pixels that are filled before them.
    pub before: u64,
    /// Pixels that are filled after them.
    after: u64,
}

impl Side {
    /// Pixels of the result.
    pub fn length(&self) -> u64 {
        self.before + self.kept.len() as u64 + self.after
    }
}

impl Crop {
    /// The columns of a picture of this width, for an encoder's square of this side.
    pub(super) fn across(&self, width: u64, side: u32) -> Side {
        self.side(width, |size| size.map_or(side, |(width, _)| width))
    }

    /// The rows of a picture of this height, for an encoder's square of this side.
    pub(super) fn down(&self, height: u64, side: u32) -> Side {
        self.side(height, |size| size.map_or(side, |(_, height)| height))
    }

    fn side(&self, length: u64, of: impl Fn(Option<(u32, u32)>) -> u32) -> Side {
        let (kept, before, after) = match *self {
            Self::None => (0..length, 0, 0),
            Self::Centre { size, rounding, .. } => {
                let wanted = u64::from(of(size));
                let missing = wanted.saturating_sub(length);
                let first = middle(length.saturating_sub(wanted), rounding);
                let kept = first..first + wanted.min(length);
                (kept, missing / 2, missing.div_ceil(2))
            }
        };
        Side {
            kept: kept.start as usize..kept.end as usize,
            before,
            after,
        }
    }

    /// The colour of what is missing.
    pub(super) fn fill(&self) -> [u8; 3] {
        match *self {
            Self::None => [0; 3],
            Self::Centre { fill, .. } => fill,
        }
    }
}

/// Half of what is cut off, in pixels.
fn middle(cut: u64, rounding: Rounding) -> u64 {
    match rounding {
        Rounding::Down => cut / 2,
        Rounding::Nearest => (cut as f64 / 2.0).round_ties_even() as u64,
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(f, "none"),
            Self::Centre { size, fill, .. } => {
                write!(f, "centre")?;
                if let Some((width, height)) = size {
                    write!(f, " {width}x{height}")?;
                }
                match fill {
                    [0, 0, 0] => Ok(()),
                    fill => write!(f, ", filled with {fill:?}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_centre_is_cut_or_filled_on_both_sides() {
        let crop = |rounding| Crop::Centre {
            size: None,
            rounding,
            fill: [0; 3],
        };
        let side = |length, rounding| {
            let side = crop(rounding).across(length, 8);
            (side.before, side.kept.start, side.kept.len(), side.after)
        };
        assert_eq!(side(8, Rounding::Nearest), (0, 0, 8, 0));
        assert_eq!(side(11, Rounding::Nearest), (0, 2, 8, 0));
        assert_eq!(side(11, Rounding::Down), (0, 1, 8, 0));
        assert_eq!(side(5, Rounding::Down), (1, 0, 5, 2));
    }
}
