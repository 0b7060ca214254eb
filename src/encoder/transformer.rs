//! The residual blocks of CLIP's transformers, image and text, as steps of a program.

use candle_core::DType;

use super::attention::{Projections, SelfAttention};
use super::program::{Program, Value};
use super::weights::Weights;
use crate::error::Result;
use crate::ops::attention::Attention;
use crate::ops::gelu::Gelu;
use crate::ops::layer_norm::LayerNorm;
use crate::ops::linear::Linear;

/// Takes `{name}.weight (outputs, inputs)` and `{name}.bias`.
pub fn linear(
    weights: &mut Weights,
    name: &str,
    inputs: usize,
    outputs: usize,
    dtype: DType,
) -> Result<Linear> {
    let weight = weights.take(&format!("{name}.weight"), &[outputs, inputs])?;
    let bias = weights.take(&format!("{name}.bias"), &[outputs])?;
    Ok(Linear {
        weight: weight.to_dtype(dtype)?,
        bias: Some(bias.to_dtype(dtype)?),
    })
}

/// Takes `{name}.weight` and `{name}.bias`, `(width)` each.
pub fn layer_norm(
    weights: &mut Weights,
    name: &str,
    width: usize,
    dtype: DType,
) -> Result<LayerNorm> {
    Ok(LayerNorm {
        gain: weights
            .take(&format!("{name}.weight"), &[width])?
            .to_dtype(dtype)?,
        bias: weights
            .take(&format!("{name}.bias"), &[width])?
            .to_dtype(dtype)?,
    })
}

/// What all blocks of a transformer share.
#[derive(Debug, Clone, Copy)]
pub struct Blocks {
    /// Components of the residual stream.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden units of the MLP.
    pub hidden: usize,
    /// Whether a token sees only itself and those before it.
    pub causal: bool,
    /// The MLP's activation.
    pub gelu: Gelu,
    /// The element type.
    pub dtype: DType,
}

/// The values of one block that a tap can name.
pub struct BlockValues {
    /// The attention's output, before it joins the residual stream.
    pub attention: Value,
    /// The MLP's hidden units after the activation.
    pub hidden: Value,
    /// The residual stream after the block.
    pub output: Value,
}

impl Blocks {
    /// Appends the block whose tensors are called `{name}.ln_1`, `{name}.attn` and so on.
    pub fn append(
        &self,
        program: &mut Program,
        weights: &mut Weights,
        name: &str,
        x: Value,
    ) -> Result<BlockValues> {
        let Self { width, dtype, .. } = *self;
        let y = program.layer(
            x,
            layer_norm(weights, &format!("{name}.ln_1"), width, dtype)?,
        );
        let attention = program.layer(y, self.attention(weights, &format!("{name}.attn"))?);
        let x = program.sum(x, attention);
        let y = program.layer(
            x,
            layer_norm(weights, &format!("{name}.ln_2"), width, dtype)?,
        );
        let expand = linear(
            weights,
            &format!("{name}.mlp.c_fc"),
            width,
            self.hidden,
            dtype,
        )?;
        let y = program.layer(y, expand);
        let hidden = program.layer(y, self.gelu);
        let contract = linear(
            weights,
            &format!("{name}.mlp.c_proj"),
            self.hidden,
            width,
            dtype,
        )?;
        let y = program.layer(hidden, contract);
        Ok(BlockValues {
            attention,
            hidden,
            output: program.sum(x, y),
        })
    }

    fn attention(&self, weights: &mut Weights, name: &str) -> Result<SelfAttention> {
        let Self { width, dtype, .. } = *self;
        let weight = weights
            .take(&format!("{name}.in_proj_weight"), &[3 * width, width])?
            .to_dtype(dtype)?;
        let bias = weights
            .take(&format!("{name}.in_proj_bias"), &[3 * width])?
            .to_dtype(dtype)?;
        let part = |index: usize| -> Result<Linear> {
            Ok(Linear {
                weight: weight.narrow(0, index * width, width)?.contiguous()?,
                bias: Some(bias.narrow(0, index * width, width)?.contiguous()?),
            })
        };
        Ok(SelfAttention {
            projections: Projections {
                query: part(0)?,
                key: part(1)?,
                value: part(2)?,
                output: linear(weights, &format!("{name}.out_proj"), width, width, dtype)?,
            },
            attention: Attention {
                heads: self.heads,
                causal: self.causal,
            },
        })
    }
}
