//! The layers of CLIP's towers that are neither affine maps nor ReLUs: a closed set.

use std::sync::Arc;

use super::attention::{AttentionPool, ClassToken, SelfAttention, Tokens};
use crate::backend::cpu::Real;
use crate::backend::field::{Extent, Field};
use crate::error::{Result, bail};
use crate::ops::attention;
use crate::ops::gelu::Gelu;
use crate::ops::layer_norm::{self, LayerNorm};
use crate::ops::pool;

/// Rules that change pullbacks without changing what is computed forward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// Redirect the ReLUs of images whose gradient is blocked altogether.
    pub redirect_relu: bool,
}

/// A differentiable function without parameters to train.
///
/// `pullback(saved, dy)` is the transposed Jacobian at the point that `saved` was returned for,
/// applied to `dy`. Both treat the images of a batch independently.
pub enum Layer<T: Real> {
    /// Average pooling over windows of this side.
    AveragePool(usize),
    /// Layer normalisation.
    LayerNorm(LayerNorm<T>),
    /// An activation.
    Gelu(Gelu),
    /// Attention of tokens among themselves.
    SelfAttention(SelfAttention<T>),
    /// The ResNets' attention pool.
    AttentionPool(Box<AttentionPool<T>>),
    /// Patches to tokens.
    Tokens(Tokens<T>),
    /// The class token alone.
    ClassToken,
}

/// What a layer's pullback needs of the forward pass.
pub enum Saved<T: Real> {
    /// The input's extent.
    Extent(Extent),
    /// The input.
    Input(Arc<Field<T>>),
    /// A layer normalisation's own.
    LayerNorm(layer_norm::Saved<T>),
    /// An attention's own.
    Attention(attention::Saved<T>),
    /// The input's extent, and the attention's own.
    Pool(Extent, attention::Saved<T>),
}

impl<T: Real> Layer<T> {
    /// The output, and what the pullback needs, which may be `x` itself.
    pub fn forward(&self, x: &Arc<Field<T>>) -> (Field<T>, Saved<T>) {
        let extent = x.extent;
        match self {
            Self::AveragePool(window) => (pool::forward(x, *window), Saved::Extent(extent)),
            Self::LayerNorm(norm) => {
                let (y, saved) = norm.forward(x);
                (y, Saved::LayerNorm(saved))
            }
            Self::Gelu(gelu) => (gelu.forward(x), Saved::Input(x.clone())),
            Self::SelfAttention(own) => {
                let (y, saved) = own.forward(x);
                (y, Saved::Attention(saved))
            }
            Self::AttentionPool(own) => {
                let (y, saved) = own.forward(x);
                (y, Saved::Pool(extent, saved))
            }
            Self::Tokens(own) => (own.forward(x), Saved::Extent(extent)),
            Self::ClassToken => (ClassToken::forward(x), Saved::Extent(extent)),
        }
    }

    /// The cotangent of the input, of the input's extent, from that of the output.
    ///
    /// # Errors
    /// When another kind of layer saved `saved`: a defect of the caller.
    pub fn pullback(&self, saved: &Saved<T>, dy: &Field<T>) -> Result<Field<T>> {
        Ok(match (self, saved) {
            (Self::AveragePool(window), Saved::Extent(from)) => pool::pullback(dy, *window, *from),
            (Self::LayerNorm(norm), Saved::LayerNorm(saved)) => norm.pullback(saved, dy),
            (Self::Gelu(gelu), Saved::Input(x)) => gelu.pullback(x, dy),
            (Self::SelfAttention(own), Saved::Attention(saved)) => own.pullback(saved, dy),
            (Self::AttentionPool(own), Saved::Pool(from, saved)) => own.pullback(*from, saved, dy),
            (Self::Tokens(_), Saved::Extent(from)) => Tokens::pullback(*from, dy),
            (Self::ClassToken, Saved::Extent(from)) => ClassToken::pullback(*from, dy),
            _ => bail!(Internal, "a layer got what another layer saved"),
        })
    }

    /// Whether each channel of the output depends on the same channel of the input alone.
    pub fn keeps_channels_apart(&self) -> bool {
        matches!(self, Self::AveragePool(_) | Self::Gelu(_))
    }
}
