//! What a frozen layer is, and the layers of CLIP's towers that carry nothing along.

use std::any::Any;

#[cfg(feature = "cuda")]
use super::attention::{AttentionPool, SelfAttention, Tokens};
use crate::backend::cpu::Real;
use crate::backend::field::{Extent, Field};
use crate::error::{Error, Kind, Result};
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
pub trait Layer<T: Real>: Send + Sync {
    /// What the pullback needs of the forward pass.
    type Saved: Send + Sync + 'static;

    /// The output, and what the pullback needs.
    fn forward(&self, x: &Field<T>) -> Result<(Field<T>, Self::Saved)>;

    /// The cotangent of the input from that of the output.
    fn pullback(&self, saved: &Self::Saved, dy: &Field<T>) -> Result<Field<T>>;

    /// Whether each channel of the output depends on the same channel of the input alone.
    fn keeps_channels_apart(&self) -> bool {
        false
    }

    /// Which layer it is, for engines that have it too.
    #[cfg(feature = "cuda")]
    fn kind(&self) -> LayerKind<'_, T>;
}

/// Every layer there is.
#[cfg(feature = "cuda")]
pub enum LayerKind<'a, T: Real> {
    /// Average pooling over windows of this side.
    AveragePool(usize),
    /// Layer normalisation.
    LayerNorm(&'a LayerNorm<T>),
    /// An activation.
    Gelu(Gelu),
    /// Attention of tokens among themselves.
    SelfAttention(&'a SelfAttention<T>),
    /// The ResNets' attention pool.
    AttentionPool(&'a AttentionPool<T>),
    /// Patches to tokens.
    Tokens(&'a Tokens<T>),
    /// The class token alone.
    ClassToken,
}

/// What some layer saved.
pub type AnySaved = Box<dyn Any + Send + Sync>;

/// A [`Layer`] with the type of what it saves erased, so that a program can hold any.
pub trait AnyLayer<T: Real>: Send + Sync {
    /// As [`Layer::forward`].
    fn forward_any(&self, x: &Field<T>) -> Result<(Field<T>, AnySaved)>;

    /// As [`Layer::pullback`], with what `forward_any` of the same layer returned.
    fn pullback_any(&self, saved: &(dyn Any + Send + Sync), dy: &Field<T>) -> Result<Field<T>>;

    /// As [`Layer::keeps_channels_apart`].
    fn keeps_channels_apart_any(&self) -> bool;

    /// As [`Layer::kind`].
    #[cfg(feature = "cuda")]
    fn kind_any(&self) -> LayerKind<'_, T>;
}

impl<T: Real, L: Layer<T>> AnyLayer<T> for L {
    fn forward_any(&self, x: &Field<T>) -> Result<(Field<T>, AnySaved)> {
        let (y, saved) = self.forward(x)?;
        Ok((y, Box::new(saved)))
    }

    fn pullback_any(&self, saved: &(dyn Any + Send + Sync), dy: &Field<T>) -> Result<Field<T>> {
        let saved = saved
            .downcast_ref()
            .ok_or_else(|| Error::new(Kind::Internal, "a layer got what another layer saved"))?;
        self.pullback(saved, dy)
    }

    fn keeps_channels_apart_any(&self) -> bool {
        self.keeps_channels_apart()
    }

    #[cfg(feature = "cuda")]
    fn kind_any(&self) -> LayerKind<'_, T> {
        self.kind()
    }
}

/// Average pooling over windows of this side.
pub struct AveragePool(pub usize);

impl<T: Real> Layer<T> for AveragePool {
    /// The input's extent.
    type Saved = Extent;

    fn forward(&self, x: &Field<T>) -> Result<(Field<T>, Self::Saved)> {
        Ok((pool::forward(x, self.0), x.extent))
    }

    fn pullback(&self, from: &Self::Saved, dy: &Field<T>) -> Result<Field<T>> {
        Ok(pool::pullback(dy, self.0, *from))
    }

    fn keeps_channels_apart(&self) -> bool {
        true
    }

    #[cfg(feature = "cuda")]
    fn kind(&self) -> LayerKind<'_, T> {
        LayerKind::AveragePool(self.0)
    }
}

impl<T: Real> Layer<T> for LayerNorm<T> {
    type Saved = layer_norm::Saved<T>;

    fn forward(&self, x: &Field<T>) -> Result<(Field<T>, Self::Saved)> {
        Ok(LayerNorm::forward(self, x))
    }

    fn pullback(&self, saved: &Self::Saved, dy: &Field<T>) -> Result<Field<T>> {
        Ok(LayerNorm::pullback(self, saved, dy))
    }

    #[cfg(feature = "cuda")]
    fn kind(&self) -> LayerKind<'_, T> {
        LayerKind::LayerNorm(self)
    }
}

impl<T: Real> Layer<T> for Gelu {
    /// The pre-activation.
    type Saved = Field<T>;

    fn forward(&self, x: &Field<T>) -> Result<(Field<T>, Self::Saved)> {
        Ok((Gelu::forward(*self, x), x.clone()))
    }

    fn pullback(&self, x: &Self::Saved, dy: &Field<T>) -> Result<Field<T>> {
        Ok(Gelu::pullback(*self, x, dy))
    }

    fn keeps_channels_apart(&self) -> bool {
        true
    }

    #[cfg(feature = "cuda")]
    fn kind(&self) -> LayerKind<'_, T> {
        LayerKind::Gelu(*self)
    }
}
