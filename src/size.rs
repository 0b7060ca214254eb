//! The size of a canvas.

use std::fmt;

/// Height and width in pixels, each at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Size {
    /// `side x side` pixels.
    pub const fn square(side: usize) -> Self {
        Self {
            height: side,
            width: side,
        }
    }

    /// How many pixels there are.
    pub const fn pixels(self) -> usize {
        self.height * self.width
    }
}

/// `128` for a square, else `WIDTHxHEIGHT`.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { height, width } if height == width => height.fmt(f),
            Self { height, width } => write!(f, "{width}x{height}"),
        }
    }
}
