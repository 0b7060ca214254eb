//! The layers on tokens: attention, the ResNets' attention pool, patches to tokens and back.

use candle_core::{D, Tensor};

use super::layer::{Layer, Rules};
use crate::error::Result;
use crate::ops::attention::{self, Attention};
use crate::ops::linear::Linear;

/// The four projections of a multi-head attention.
pub struct Projections {
    /// Width to width.
    pub query: Linear,
    /// Width to width.
    pub key: Linear,
    /// Width to width.
    pub value: Linear,
    /// Width to the output's width.
    pub output: Linear,
}

/// Multi-head attention of tokens `(n, tokens, width)` among themselves.
pub struct SelfAttention {
    /// The projections.
    pub projections: Projections,
    /// Heads and mask.
    pub attention: Attention,
}

impl Layer for SelfAttention {
    type Saved = attention::Saved;

    fn forward(&self, x: &Tensor) -> Result<(Tensor, Self::Saved)> {
        let p = &self.projections;
        let (query, key, value) = (p.query.forward(x)?, p.key.forward(x)?, p.value.forward(x)?);
        let (y, saved) = self.attention.forward(&query, &key, &value)?;
        Ok((p.output.forward(&y)?, saved))
    }

    fn pullback(&self, saved: &Self::Saved, dy: &Tensor, _: Rules) -> Result<Tensor> {
        let p = &self.projections;
        let d = self.attention.pullback(saved, &p.output.pullback(dy)?)?;
        let dx = (p.query.pullback(&d.query)? + p.key.pullback(&d.key)?)?;
        Ok((dx + p.value.pullback(&d.value)?)?)
    }
}

/// The ResNets' attention pool: the mean of all cells asks, the mean and all cells answer.
/// `(n, channels, side, side)` to `(n, embedding)`.
pub struct AttentionPool {
    /// `(1 + side * side, channels)`, the mean's first.
    pub positions: Tensor,
    /// The projections.
    pub projections: Projections,
    /// Heads.
    pub attention: Attention,
}

impl Layer for AttentionPool {
    /// Height and width of the input with the attention's own.
    type Saved = (usize, usize, attention::Saved);

    fn forward(&self, x: &Tensor) -> Result<(Tensor, Self::Saved)> {
        let (_, _, height, width) = x.dims4()?;
        let cells = x.flatten_from(2)?.transpose(1, 2)?.contiguous()?;
        let mean = cells.mean_keepdim(1)?;
        let tokens = Tensor::cat(&[&mean, &cells], 1)?.broadcast_add(&self.positions)?;
        let p = &self.projections;
        let query = p.query.forward(&tokens.narrow(1, 0, 1)?)?;
        let (key, value) = (p.key.forward(&tokens)?, p.value.forward(&tokens)?);
        let (y, saved) = self.attention.forward(&query, &key, &value)?;
        Ok((p.output.forward(&y.squeeze(1)?)?, (height, width, saved)))
    }

    fn pullback(
        &self,
        (height, width, saved): &Self::Saved,
        dy: &Tensor,
        _: Rules,
    ) -> Result<Tensor> {
        let p = &self.projections;
        let cells = height * width;
        let d = self
            .attention
            .pullback(saved, &p.output.pullback(dy)?.unsqueeze(1)?)?;
        let tokens = (p.key.pullback(&d.key)? + p.value.pullback(&d.value)?)?;
        let mean = (tokens.narrow(1, 0, 1)? + p.query.pullback(&d.query)?)?;
        let own = tokens.narrow(1, 1, cells)?;
        let dx = own
            .broadcast_add(&(mean / cells as f64)?)?
            .transpose(1, 2)?
            .contiguous()?;
        let (images, channels, _) = dx.dims3()?;
        Ok(dx.reshape((images, channels, *height, *width))?)
    }
}

/// Patches to tokens: `(n, width, h, w)` to `(n, 1 + h * w, width)` with the class token in
/// front and the positional embedding added.
pub struct Tokens {
    /// `(width)`.
    pub class: Tensor,
    /// `(1 + h * w, width)`.
    pub positions: Tensor,
}

impl Layer for Tokens {
    /// Height and width of the grid.
    type Saved = (usize, usize);

    fn forward(&self, x: &Tensor) -> Result<(Tensor, Self::Saved)> {
        let (images, width, rows, columns) = x.dims4()?;
        let patches = x.flatten_from(2)?.transpose(1, 2)?;
        let class = self.class.broadcast_as((images, 1, width))?;
        let tokens = Tensor::cat(&[&class, &patches], 1)?.broadcast_add(&self.positions)?;
        Ok((tokens, (rows, columns)))
    }

    fn pullback(&self, &(rows, columns): &Self::Saved, dy: &Tensor, _: Rules) -> Result<Tensor> {
        let (images, _, width) = dy.dims3()?;
        let patches = dy
            .narrow(1, 1, rows * columns)?
            .transpose(1, 2)?
            .contiguous()?;
        Ok(patches.reshape((images, width, rows, columns))?)
    }
}

/// The class token of `(n, tokens, width)`: `(n, width)`.
pub struct ClassToken;

impl Layer for ClassToken {
    /// Tokens of the input.
    type Saved = usize;

    fn forward(&self, x: &Tensor) -> Result<(Tensor, Self::Saved)> {
        Ok((x.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?, x.dim(1)?))
    }

    fn pullback(&self, &tokens: &Self::Saved, dy: &Tensor, _: Rules) -> Result<Tensor> {
        Ok(dy.unsqueeze(1)?.pad_with_zeros(D::Minus2, 0, tokens - 1)?)
    }
}
