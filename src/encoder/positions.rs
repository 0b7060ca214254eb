//! The positions of an activation, whatever its layout.

use super::tap::{Layout, Tap};
use crate::backend::field::Extent;

/// Where on a tap's grid positions lie, and in which rows of a field. Positions
/// are numbered row by row; the class token of a ViT is not one of them.
#[derive(Debug, Clone, Copy)]
pub struct Positions {
    /// Rows of cells or patches.
    pub rows: usize,
    /// Columns of cells or patches.
    pub columns: usize,
    layout: Layout,
}

impl Positions {
    /// For a tap's activation in a field of this extent.
    pub fn in_field(tap: &Tap, extent: Extent) -> Self {
        let grid = match tap.layout {
            Layout::Map { .. } => (extent.height, extent.width),
            Layout::Tokens { grid } => (grid, grid),
            Layout::Vector => (1, 1),
        };
        Self::on(tap, grid)
    }

    /// For a tap's activation on a grid of so many rows and columns.
    pub fn on(tap: &Tap, (rows, columns): (usize, usize)) -> Self {
        Self {
            rows,
            columns,
            layout: tap.layout,
        }
    }

    /// How many positions there are.
    pub fn count(&self) -> usize {
        self.rows * self.columns
    }

    /// The row of an image's field that a position is.
    pub fn row(&self, position: usize) -> usize {
        position + usize::from(matches!(self.layout, Layout::Tokens { .. }))
    }
}
