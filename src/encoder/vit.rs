//! CLIP's vision transformer: patches, a class token, residual blocks, and where the weights have it a projection
//! of the class token.

use candle_core::{DType, Device, Tensor};

use super::affine::Affine;
use super::architecture::{Architecture, VitShape};
use super::attention::Tokens;
use super::engine::Cpu;
use super::layer::Layer;
use super::program::{IMAGE, Program};
use super::tap::{Layout, Relu, Tap, TapId};
use super::transformer::{Blocks, layer_norm};
use super::weights::Weights;
use crate::backend::cpu::Real;
use crate::error::{Result, bail};
use crate::ops::conv::Conv;
use crate::ops::linear::{Linear, elements};

/// Builds the tower's program; beside it the tap that a bare unit number means: the hidden units of the last but
/// one block's MLP.
///
/// # Errors
/// When a tensor is missing or misshapen, or there is no block.
pub fn build<T: Real>(
    shape: VitShape,
    architecture: &Architecture,
    weights: &mut Weights,
) -> Result<(Program<Cpu<T>>, TapId)> {
    let VitShape {
        depth,
        width,
        patch,
        heads,
        hidden,
        epsilon,
    } = shape;
    let grid = architecture.resolution / patch;
    let layout = Layout::Tokens { grid };
    let mut program = Program::default();
    let kernels = weights.take("visual.conv1.weight", &[width, 3, patch, patch])?;
    let no_bias = Tensor::zeros(width, DType::F32, &Device::Cpu)?;
    let patches = Conv::new(&kernels, &no_bias, patch, 0)?;
    let x = program.affine(IMAGE, Affine::Conv(patches));
    let positions = weights.take("visual.positional_embedding", &[grid * grid + 1, width])?;
    let tokens = Tokens {
        class: elements(&weights.take("visual.class_embedding", &[width])?)?,
        positions: elements(&positions)?,
    };
    let x = program.layer(x, Layer::Tokens(tokens));
    let mut x = program.layer(x, layer_norm(weights, "visual.ln_pre", width, epsilon)?);
    let blocks = Blocks {
        width,
        heads,
        hidden,
        causal: false,
        gelu: architecture.gelu,
        epsilon,
    };
    let tap = |name: &str, channels, layout| Tap {
        name: name.to_owned(),
        channels,
        layout,
        relu: Relu::None,
    };
    let mut mlps = Vec::with_capacity(depth);
    for index in 0..depth {
        let name = format!("visual.transformer.resblocks.{index}");
        let values = blocks.append(&mut program, weights, &name, x)?;
        let name = format!("blocks.{index}");
        program.tap(
            values.attention,
            tap(&format!("{name}.attn"), width, layout),
        );
        mlps.push(program.tap(values.hidden, tap(&format!("{name}.mlp"), hidden, layout)));
        program.tap(values.output, tap(&name, width, layout));
        x = values.output;
    }
    let Some(&default_tap) = mlps.get(depth.saturating_sub(2)) else {
        bail!(
            Weights,
            "a vision transformer without blocks has no units: load one with a block or more"
        );
    };
    let Some(embedding) = architecture.embedding.components() else {
        let after = ["visual.ln_post.", "visual.attn_pool", "visual.proj"];
        weights.discard(|name| after.iter().any(|beginning| name.starts_with(beginning)));
        return Ok((program, default_tap));
    };
    let x = program.layer(x, Layer::ClassToken);
    let x = program.layer(x, layer_norm(weights, "visual.ln_post", width, epsilon)?);
    let projection = weights.take("visual.proj", &[width, embedding])?;
    let projection = Linear::new(&projection.t()?, None)?;
    let y = program.affine(x, Affine::Linear(projection));
    program.tap(y, tap("embedding", embedding, Layout::Vector));
    Ok((program, default_tap))
}
