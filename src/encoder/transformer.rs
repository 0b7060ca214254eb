//! The residual blocks of CLIP's transformers, image and text, as steps of a program.

use super::affine::Affine;
use super::attention::SelfAttention;
use super::engine::Cpu;
use super::layer::Layer;
use super::program::{Program, Value};
use super::weights::Weights;
use crate::backend::cpu::Real;
use crate::error::Result;
use crate::ops::attention::Attention;
use crate::ops::gelu::Gelu;
use crate::ops::layer_norm::LayerNorm;
use crate::ops::linear::Linear;

/// Takes `{name}.weight (outputs, inputs)` and `{name}.bias`.
pub fn linear<T: Real>(
    weights: &mut Weights,
    name: &str,
    inputs: usize,
    outputs: usize,
) -> Result<Linear<T>> {
    let weight = weights.take(&format!("{name}.weight"), &[outputs, inputs])?;
    let bias = weights.take(&format!("{name}.bias"), &[outputs])?;
    Linear::new(&weight, Some(&bias))
}

/// Takes `{name}.weight` and `{name}.bias`, `(width)` each; `epsilon` is added to the variance.
pub fn layer_norm<T: Real>(
    weights: &mut Weights,
    name: &str,
    width: usize,
    epsilon: f64,
) -> Result<Layer<T>> {
    let gain = weights.take(&format!("{name}.weight"), &[width])?;
    let bias = weights.take(&format!("{name}.bias"), &[width])?;
    let norm = LayerNorm::new(&gain, &bias, epsilon)?;
    Ok(Layer::LayerNorm(norm))
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
    /// What is added to the variance in every layer normalisation.
    pub epsilon: f64,
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
    pub fn append<T: Real>(
        &self,
        program: &mut Program<Cpu<T>>,
        weights: &mut Weights,
        name: &str,
        x: Value,
    ) -> Result<BlockValues> {
        let (width, hidden, epsilon) = (self.width, self.hidden, self.epsilon);
        let y = program.layer(
            x,
            layer_norm(weights, &format!("{name}.ln_1"), width, epsilon)?,
        );
        let attn = format!("{name}.attn");
        let weight = weights.take(&format!("{attn}.in_proj_weight"), &[3 * width, width])?;
        let bias = weights.take(&format!("{attn}.in_proj_bias"), &[3 * width])?;
        let heads = SelfAttention {
            projection: Linear::new(&weight, Some(&bias))?,
            attention: Attention {
                heads: self.heads,
                causal: self.causal,
            },
        };
        let y = program.layer(y, Layer::SelfAttention(heads));
        let output = linear(weights, &format!("{attn}.out_proj"), width, width)?;
        let attention = program.affine(y, Affine::Linear(output));
        let x = program.sum(x, attention);
        let y = program.layer(
            x,
            layer_norm(weights, &format!("{name}.ln_2"), width, epsilon)?,
        );
        let expand = linear(weights, &format!("{name}.mlp.c_fc"), width, hidden)?;
        let y = program.affine(y, Affine::Linear(expand));
        let hidden_units = program.layer(y, Layer::Gelu(self.gelu));
        let contract = linear(weights, &format!("{name}.mlp.c_proj"), hidden, width)?;
        Ok(BlockValues {
            attention,
            hidden: hidden_units,
            output: program.affine_plus(hidden_units, Affine::Linear(contract), x),
        })
    }
}
