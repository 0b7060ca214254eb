//! The positions of an activation, whatever its layout.

use std::ops::Range;

use candle_core::{DType, Tensor};

use super::tap::{Layout, Tap};
use crate::error::Result;

/// How the elements of one image's activation are addressed by position and channel. Positions
/// are numbered row by row; the class token of a ViT is not one of them.
#[derive(Debug, Clone, Copy)]
pub struct Positions {
    /// Rows of cells or patches.
    pub rows: usize,
    /// Columns of cells or patches.
    pub columns: usize,
    channels: usize,
    layout: Layout,
}

impl Positions {
    /// For a tap's activation of shape `(n, ...)`.
    pub fn of(tap: &Tap, activation: &Tensor) -> Result<Self> {
        let (rows, columns) = match tap.layout {
            Layout::Map { .. } => (activation.dim(2)?, activation.dim(3)?),
            Layout::Tokens { grid } => (grid, grid),
            Layout::Vector => (1, 1),
        };
        Ok(Self::on(tap, (rows, columns)))
    }

    /// For a tap's activation on a grid of so many rows and columns.
    pub fn on(tap: &Tap, (rows, columns): (usize, usize)) -> Self {
        Self {
            rows,
            columns,
            channels: tap.channels,
            layout: tap.layout,
        }
    }

    /// How many positions there are.
    pub fn count(&self) -> usize {
        self.rows * self.columns
    }

    /// The element of a channel at a position.
    pub fn index(&self, position: usize, channel: usize) -> usize {
        match self.layout {
            Layout::Map { .. } => channel * self.count() + position,
            Layout::Tokens { .. } => (position + 1) * self.channels + channel,
            Layout::Vector => channel,
        }
    }

    /// For each image of the batch, each channel's mean over some positions: `n` rows of `channels`.
    pub fn means_over(&self, places: Range<usize>, activation: &Tensor) -> Result<Vec<Vec<f64>>> {
        let per_image = activation.elem_count() / activation.dim(0)?.max(1);
        let values: Vec<f64> = activation.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?;
        let mean = |image: &[f64], channel: usize| {
            let sum: f64 = places
                .clone()
                .map(|position| image[self.index(position, channel)])
                .sum();
            sum / places.len() as f64
        };
        Ok(values
            .chunks_exact(per_image.max(1))
            .map(|image| {
                (0..self.channels)
                    .map(|channel| mean(image, channel))
                    .collect()
            })
            .collect())
    }
}
