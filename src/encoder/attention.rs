//! The layers on tokens: attention, the ResNets' attention pool, patches to tokens and back.

use crate::backend::cpu::Real;
use crate::backend::field::{Extent, Field};
use crate::backend::threads::each_row;
use crate::ops::attention::{self, Attention, Inputs};
use crate::ops::linear::{Back, Forward, Linear};

/// Multi-head attention of tokens `(n, tokens, width)` among themselves, before the output's
/// projection.
pub struct SelfAttention<T: Real> {
    /// Width to queries, keys and values side by side.
    pub projection: Linear<T>,
    /// Heads and mask.
    pub attention: Attention,
}

impl<T: Real> SelfAttention<T> {
    /// `(n, tokens, width)`, and what the pullback needs.
    pub fn forward(&self, x: &Field<T>) -> (Field<T>, attention::Saved<T>) {
        let (all, _) = self.projection.forward(x, Forward::default());
        self.attention.forward(Inputs::Own(all))
    }

    /// The cotangent of the tokens from that of the output, both `(n, tokens, width)`.
    pub fn pullback(&self, saved: &attention::Saved<T>, dy: &Field<T>) -> Field<T> {
        let d = match self.attention.pullback(saved, dy) {
            Inputs::Own(all) => all,
            Inputs::Other { key_value, .. } => key_value,
        };
        self.projection.pullback(&d, Back::default())
    }
}

/// The ResNets' attention pool: the mean of all cells asks, the mean and all cells answer.
/// `side * side` cells of `channels` to one position of `embedding`.
pub struct AttentionPool<T: Real> {
    /// `(1 + side * side, channels)`, the mean's first.
    pub positions: Vec<T>,
    /// Channels to channels.
    pub query: Linear<T>,
    /// Channels to keys and values side by side.
    pub key_value: Linear<T>,
    /// Channels to the embedding.
    pub output: Linear<T>,
    /// Heads.
    pub attention: Attention,
}

/// The extent of a sequence of tokens.
pub fn sequence(extent: Extent, tokens: usize) -> Extent {
    Extent {
        height: tokens,
        width: 1,
        ..extent
    }
}

impl<T: Real> AttentionPool<T> {
    /// One position of `embedding` channels an image, and what the attention's pullback needs.
    pub fn forward(&self, x: &Field<T>) -> (Field<T>, attention::Saved<T>) {
        let (extent, channels, cells) = (x.extent, x.extent.channels, x.extent.positions());
        let mut tokens = Field::any(sequence(extent, cells + 1));
        let mut mean = Field::any(sequence(extent, 1));
        let per_image = (cells + 1) * channels;
        let share = T::of(1.0 / cells as f64);
        for (image, tokens) in tokens.elements.chunks_exact_mut(per_image).enumerate() {
            let cells = &x.elements[image * cells * channels..][..cells * channels];
            let (first, others) = tokens.split_at_mut(channels);
            first.fill(T::zero());
            for cell in cells.chunks_exact(channels) {
                for (sum, &value) in first.iter_mut().zip(cell) {
                    *sum += value * share;
                }
            }
            others.copy_from_slice(cells);
            for (token, &position) in tokens.iter_mut().zip(&self.positions) {
                *token += position;
            }
            mean.elements[image * channels..][..channels].copy_from_slice(&tokens[..channels]);
        }
        let (query, _) = self.query.forward(&mean, Forward::default());
        let (key_value, _) = self.key_value.forward(&tokens, Forward::default());
        let inputs = Inputs::Other { query, key_value };
        let (y, saved) = self.attention.forward(inputs);
        let (y, _) = self.output.forward(&y, Forward::default());
        (y, saved)
    }

    /// The cotangent of the cells, of the extent `extent`, from that of the embedding.
    pub fn pullback(&self, extent: Extent, saved: &attention::Saved<T>, dy: &Field<T>) -> Field<T> {
        let dy = self.output.pullback(dy, Back::default());
        let (query, key_value) = match self.attention.pullback(saved, &dy) {
            Inputs::Other { query, key_value } => (query, key_value),
            Inputs::Own(all) => (dy, all),
        };
        let query = self.query.pullback(&query, Back::default());
        let tokens = self.key_value.pullback(&key_value, Back::default());
        let (channels, cells) = (extent.channels, extent.positions());
        let share = T::of(1.0 / cells as f64);
        let mut dx = Field::any(extent);
        each_row(&mut dx.elements, channels, |row, dx| {
            let (image, cell) = (row / cells, row % cells);
            let tokens = &tokens.elements[image * (cells + 1) * channels..];
            let own = &tokens[(cell + 1) * channels..][..channels];
            let query = &query.elements[image * channels..][..channels];
            for (((dx, &own), &mean), &query) in dx.iter_mut().zip(own).zip(tokens).zip(query) {
                *dx = own + (mean + query) * share;
            }
        });
        dx
    }
}

/// Patches to tokens: `h * w` positions of `width` channels to `1 + h * w` tokens, the class token
/// in front, with the positional embedding added.
pub struct Tokens<T: Real> {
    /// `(width)`.
    pub class: Vec<T>,
    /// `(1 + h * w, width)`.
    pub positions: Vec<T>,
}

impl<T: Real> Tokens<T> {
    /// The tokens of a field of patches.
    pub fn forward(&self, x: &Field<T>) -> Field<T> {
        let (width, count) = (x.extent.channels, x.extent.positions());
        let mut tokens = Field::any(sequence(x.extent, count + 1));
        each_row(&mut tokens.elements, width, |row, token| {
            let (image, place) = (row / (count + 1), row % (count + 1));
            let own = match place.checked_sub(1) {
                Some(patch) => &x.elements[(image * count + patch) * width..][..width],
                None => &self.class,
            };
            let position = &self.positions[place * width..][..width];
            for ((token, &own), &position) in token.iter_mut().zip(own).zip(position) {
                *token = own + position;
            }
        });
        tokens
    }

    /// The cotangent of the patches, of the extent `extent`, from that of the tokens.
    pub fn pullback(extent: Extent, dy: &Field<T>) -> Field<T> {
        let (width, count) = (extent.channels, extent.positions());
        let mut dx = Field::any(extent);
        each_row(&mut dx.elements, width, |row, dx| {
            let token = row + row / count + 1;
            dx.copy_from_slice(&dy.elements[token * width..][..width]);
        });
        dx
    }
}

/// The class token alone.
pub struct ClassToken;

impl ClassToken {
    /// The first of an image's tokens.
    pub fn forward<T: Real>(x: &Field<T>) -> Field<T> {
        let (width, count) = (x.extent.channels, x.extent.positions());
        let mut class = Field::any(sequence(x.extent, 1));
        let tokens = x.elements.chunks_exact(count * width);
        for (class, tokens) in class.elements.chunks_exact_mut(width).zip(tokens) {
            class.copy_from_slice(&tokens[..width]);
        }
        class
    }

    /// The cotangent of the tokens, of the extent `extent`: zero but for the class token.
    pub fn pullback<T: Real>(extent: Extent, dy: &Field<T>) -> Field<T> {
        let (width, count) = (extent.channels, extent.positions());
        let mut dx = Field::any(extent);
        dx.elements.fill(T::zero());
        let tokens = dx.elements.chunks_exact_mut(count * width);
        for (tokens, dy) in tokens.zip(dy.elements.chunks_exact(width)) {
            tokens[..width].copy_from_slice(dy);
        }
        dx
    }
}
