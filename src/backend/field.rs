//! Activations with the channels last.

use candle_core::Tensor;

use super::buffer::Buffer;
use super::cpu::{Elements, Real, tensor};
use super::threads::{TASK_ELEMENTS, each_chunk, each_row};
use crate::error::Result;

/// The sizes of a field: `images x height x width` positions of `channels` numbers. A sequence of
/// tokens is `height` positions of width 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Images of the batch.
    pub images: usize,
    /// Rows of positions, or tokens.
    pub height: usize,
    /// Columns of positions.
    pub width: usize,
    /// Numbers at each position.
    pub channels: usize,
}

impl Extent {
    /// Positions of one image.
    pub fn positions(&self) -> usize {
        self.height * self.width
    }

    /// Positions of all images.
    pub fn rows(&self) -> usize {
        self.images * self.positions()
    }

    /// All numbers.
    pub fn count(&self) -> usize {
        self.rows() * self.channels
    }

    /// The same positions with other channels.
    #[must_use]
    pub fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }
}

/// Activations: one row of channels for every position, positions in reading order. Each position's
/// channels lie together, so that a 1x1 convolution is a product of the field as it lies with a
/// matrix that can be packed beforehand.
#[derive(Debug)]
pub struct Field<T: Real> {
    /// The sizes.
    pub extent: Extent,
    /// Row-major, channels last.
    pub elements: Buffer<T>,
}

impl<T: Real> Field<T> {
    /// Elements of any values, to be written.
    pub fn any(extent: Extent) -> Self {
        Self {
            extent,
            elements: Buffer::any(extent.count()),
        }
    }

    /// From `(n, channels, h, w)`.
    pub fn from_planes(planes: &Tensor) -> Result<Self> {
        let (images, channels, height, width) = planes.dims4()?;
        let planes = planes.contiguous()?;
        let view = Elements::<T>::of(&planes)?;
        let planes: &[T] = &view;
        let mut field = Self::any(Extent {
            images,
            height,
            width,
            channels,
        });
        let positions = height * width;
        each_row(&mut field.elements, channels, |row, values| {
            let (image, position) = (row / positions, row % positions);
            let plane = &planes[image * channels * positions + position..];
            for (channel, value) in values.iter_mut().enumerate() {
                *value = plane[channel * positions];
            }
        });
        Ok(field)
    }

    /// As `(n, channels, h, w)`.
    pub fn to_planes(&self) -> Result<Tensor> {
        let Extent {
            images,
            height,
            width,
            channels,
        } = self.extent;
        let positions = height * width;
        let mut planes = vec![T::zero(); self.elements.len()];
        each_row(&mut planes, positions.max(1), |row, plane| {
            let (image, channel) = (row / channels, row % channels);
            let own = &self.elements[image * positions * channels + channel..];
            for (position, value) in plane.iter_mut().enumerate() {
                *value = own[position * channels];
            }
        });
        tensor(planes, (images, channels, height, width))
    }

    /// From `(n, tokens, channels)`, or `(n, channels)` as one token.
    pub fn from_tokens(tokens: &Tensor) -> Result<Self> {
        let (images, height, channels) = match tokens.dims() {
            [images, channels] => (*images, 1, *channels),
            _ => tokens.dims3()?,
        };
        let tokens = tokens.contiguous()?;
        let extent = Extent {
            images,
            height,
            width: 1,
            channels,
        };
        Ok(Self {
            extent,
            elements: Elements::<T>::of(&tokens)?[..].into(),
        })
    }

    /// As `(n, positions, channels)`.
    pub fn to_tokens(&self) -> Result<Tensor> {
        let extent = self.extent;
        tensor(
            self.elements.to_vec(),
            (extent.images, extent.positions(), extent.channels),
        )
    }

    /// Adds another field of the same extent.
    pub fn add(&mut self, other: &Self) {
        debug_assert_eq!(self.extent, other.extent);
        each_chunk(&mut self.elements, TASK_ELEMENTS, |task, sums| {
            let values = &other.elements[task * TASK_ELEMENTS..];
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum += value;
            }
        });
    }
}

impl<T: Real> Clone for Field<T> {
    fn clone(&self) -> Self {
        Self {
            extent: self.extent,
            elements: self.elements[..].into(),
        }
    }
}
