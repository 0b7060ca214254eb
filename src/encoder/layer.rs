//! What a frozen layer is, and the layers of CLIP's towers.

use std::any::Any;

use candle_core::Tensor;

use crate::error::{Error, Kind, Result};
use crate::ops::conv::Conv;
use crate::ops::gelu::Gelu;
use crate::ops::layer_norm::{self, LayerNorm};
use crate::ops::linear::Linear;
use crate::ops::{pool, relu};

/// Rules that change pullbacks without changing what is computed forward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// Redirect the ReLUs of images whose gradient is blocked altogether.
    pub redirect_relu: bool,
}

/// A differentiable function without parameters to train.
///
/// `pullback(saved, dy)` is the transposed Jacobian at the point that `saved` was returned for,
/// applied to `dy`, except where [`Rules`] say otherwise. Both treat the images of a batch
/// independently.
pub trait Layer: Send + Sync {
    /// What the pullback needs of the forward pass.
    type Saved: Send + Sync + 'static;

    /// The output, and what the pullback needs.
    fn forward(&self, x: &Tensor) -> Result<(Tensor, Self::Saved)>;

    /// The cotangent of the input from that of the output.
    fn pullback(&self, saved: &Self::Saved, dy: &Tensor, rules: Rules) -> Result<Tensor>;
}

/// A [`Layer`] with the type of what it saves erased, so that a program can hold any.
pub trait AnyLayer: Send + Sync {
    /// As [`Layer::forward`].
    fn forward_any(&self, x: &Tensor) -> Result<(Tensor, Box<dyn Any + Send + Sync>)>;

    /// As [`Layer::pullback`], with what `forward_any` of the same layer returned.
    fn pullback_any(
        &self,
        saved: &(dyn Any + Send + Sync),
        dy: &Tensor,
        rules: Rules,
    ) -> Result<Tensor>;
}

impl<L: Layer> AnyLayer for L {
    fn forward_any(&self, x: &Tensor) -> Result<(Tensor, Box<dyn Any + Send + Sync>)> {
        let (y, saved) = self.forward(x)?;
        Ok((y, Box::new(saved)))
    }

    fn pullback_any(
        &self,
        saved: &(dyn Any + Send + Sync),
        dy: &Tensor,
        rules: Rules,
    ) -> Result<Tensor> {
        let saved = saved
            .downcast_ref()
            .ok_or_else(|| Error::new(Kind::Internal, "a layer got what another layer saved"))?;
        self.pullback(saved, dy, rules)
    }
}

impl Layer for Conv {
    /// Height and width of the input.
    type Saved = (usize, usize);

    fn forward(&self, x: &Tensor) -> Result<(Tensor, Self::Saved)> {
        let (_, _, height, width) = x.dims4()?;
        Ok((Conv::forward(self, x)?, (height, width)))
    }

    fn pullback(&self, &(height, width): &Self::Saved, dy: &Tensor, _: Rules) -> Result<Tensor> {
        Conv::pullback(self, dy, height, width)
    }
}

/// ReLU.
pub struct Relu;

impl Layer for Relu {
    type Saved = relu::Mask;

    fn forward(&self, x: &Tensor) -> Result<(Tensor, Self::Saved)> {
        relu::forward(x)
    }

    fn pullback(&self, mask: &Self::Saved, dy: &Tensor, rules: Rules) -> Result<Tensor> {
        relu::pullback(mask, dy, rules.redirect_relu)
    }
}

/// Average pooling over windows of this side.
pub struct AveragePool(pub usize);

impl Layer for AveragePool {
    /// Height and width of the input.
    type Saved = (usize, usize);

    fn forward(&self, x: &Tensor) -> Result<(Tensor, Self::Saved)> {
        let (_, _, height, width) = x.dims4()?;
        Ok((pool::forward(x, self.0)?, (height, width)))
    }

    fn pullback(&self, &(height, width): &Self::Saved, dy: &Tensor, _: Rules) -> Result<Tensor> {
        pool::pullback(dy, self.0, height, width)
    }
}

impl Layer for Linear {
    type Saved = ();

    fn forward(&self, x: &Tensor) -> Result<(Tensor, ())> {
        Ok((Linear::forward(self, x)?, ()))
    }

    fn pullback(&self, (): &(), dy: &Tensor, _: Rules) -> Result<Tensor> {
        Linear::pullback(self, dy)
    }
}

impl Layer for LayerNorm {
    type Saved = layer_norm::Saved;

    fn forward(&self, x: &Tensor) -> Result<(Tensor, Self::Saved)> {
        LayerNorm::forward(self, x)
    }

    fn pullback(&self, saved: &Self::Saved, dy: &Tensor, _: Rules) -> Result<Tensor> {
        LayerNorm::pullback(self, saved, dy)
    }
}

impl Layer for Gelu {
    /// The pre-activation.
    type Saved = Tensor;

    fn forward(&self, x: &Tensor) -> Result<(Tensor, Self::Saved)> {
        Ok((Gelu::forward(*self, x)?, x.contiguous()?))
    }

    fn pullback(&self, x: &Self::Saved, dy: &Tensor, _: Rules) -> Result<Tensor> {
        Gelu::pullback(*self, x, dy)
    }
}
