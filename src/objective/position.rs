//! Where on a tap's grid a unit is read.

use std::fmt;
use std::ops::Range;

use crate::encoder::positions::Positions;
use crate::encoder::tap::Tap;
use crate::error::{Error, Result, bail, shorten};

/// Which positions of an activation a unit is read at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Position {
    /// The mean over all positions; for a ViT over the patch tokens, without the class token.
    Mean,
    /// The centre; of an even number the one right of and below it, as in lucid.
    Centre,
    /// One cell or patch, by row and column from the top left.
    Cell {
        /// From 0 at the top.
        row: usize,
        /// From 0 at the left.
        column: usize,
    },
}

impl Position {
    /// The positions that a unit is read at.
    ///
    /// # Errors
    /// When the cell lies outside the grid.
    pub fn select(self, positions: Positions, tap: &Tap) -> Result<Range<usize>> {
        let Positions { rows, columns, .. } = positions;
        let one = |row: usize, column: usize| {
            let place = row * columns + column;
            place..place + 1
        };
        match self {
            Self::Mean => Ok(0..positions.count()),
            Self::Centre => Ok(one(rows / 2, columns / 2)),
            Self::Cell { row, column } => {
                if row >= rows || column >= columns {
                    bail!(
                        Request,
                        "{tap} has a grid of {rows}x{columns} at this size, there is no position @{row},{column}; \
                         rows and columns count from 0"
                    );
                }
                Ok(one(row, column))
            }
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mean => Ok(()),
            Self::Centre => write!(f, "@centre"),
            Self::Cell { row, column } => write!(f, "@{row},{column}"),
        }
    }
}

impl std::str::FromStr for Position {
    type Err = Error;

    /// Reads what stands after the `@`.
    fn from_str(text: &str) -> Result<Self> {
        if matches!(text.trim(), "centre" | "center") {
            return Ok(Self::Centre);
        }
        let numbers = text
            .split_once(',')
            .map(|(row, column)| (row.trim().parse(), column.trim().parse()));
        match numbers {
            Some((Ok(row), Ok(column))) => Ok(Self::Cell { row, column }),
            _ => bail!(
                Request,
                "\"@{}\" is not a position: write @ROW,COLUMN, such as @3,4, or @centre",
                shorten(text)
            ),
        }
    }
}
