//! CLIP's vision transformer: patches, a class token, residual blocks, and where the weights have it a projection
//! of the class token.

use candle_core::{DType, Device, Tensor};

use super::affine::Affine;
use super::architecture::{Architecture, VitShape};
use super::attention::Tokens;
use super::engine::Cpu;
use super::layer::Layer;
use super::program::{IMAGE, Program};
use super::tap::Layout;
use super::transformer::{Blocks, layer_norm};
use super::weights::Weights;
use crate::backend::cpu::Real;
use crate::error::Result;
use crate::ops::conv::Conv;
use crate::ops::linear::{Linear, elements};

/// Builds the tower's program.
pub fn build<T: Real>(
    shape: VitShape,
    architecture: &Architecture,
    weights: &mut Weights,
) -> Result<Program<Cpu<T>>> {
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
    for index in 0..depth {
        let name = format!("visual.transformer.resblocks.{index}");
        let values = blocks.append(&mut program, weights, &name, x)?;
        program.tap(
            format!("blocks.{index}.attn"),
            values.attention,
            width,
            layout,
        );
        program.tap(format!("blocks.{index}.mlp"), values.hidden, hidden, layout);
        program.tap(format!("blocks.{index}"), values.output, width, layout);
        x = values.output;
    }
    let Some(embedding) = architecture.embedding.components() else {
        let after = ["visual.ln_post.", "visual.attn_pool", "visual.proj"];
        weights.discard(|name| after.iter().any(|beginning| name.starts_with(beginning)));
        return Ok(program);
    };
    let x = program.layer(x, Layer::ClassToken);
    let x = program.layer(x, layer_norm(weights, "visual.ln_post", width, epsilon)?);
    let projection = weights.take("visual.proj", &[width, embedding])?;
    let projection = Linear::new(&projection.t()?, None)?;
    let y = program.affine(x, Affine::Linear(projection));
    program.tap("embedding", y, embedding, Layout::Vector);
    Ok(program)
}
