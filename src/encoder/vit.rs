//! CLIP's vision transformer: patches, a class token, residual blocks, a projection of the class
//! token.

use candle_core::{DType, Device, Tensor};

use super::architecture::{Architecture, VitShape};
use super::attention::{ClassToken, Tokens};
use super::program::{IMAGE, Program};
use super::tap::Layout;
use super::transformer::{Blocks, layer_norm};
use super::weights::Weights;
use crate::error::Result;
use crate::ops::conv::Conv;
use crate::ops::linear::Linear;

/// Builds the tower's program.
pub fn build(
    shape: VitShape,
    architecture: &Architecture,
    weights: &mut Weights,
    dtype: DType,
) -> Result<Program> {
    let VitShape {
        depth,
        width,
        patch,
        heads,
        hidden,
    } = shape;
    let grid = architecture.resolution / patch;
    let layout = Layout::Tokens { grid };
    let mut program = Program::default();
    let patches = Conv {
        weight: weights
            .take("visual.conv1.weight", &[width, 3, patch, patch])?
            .to_dtype(dtype)?,
        bias: Tensor::zeros(width, dtype, &Device::Cpu)?,
        stride: patch,
        padding: 0,
    };
    let x = program.layer(IMAGE, patches);
    let tokens = Tokens {
        class: weights
            .take("visual.class_embedding", &[width])?
            .to_dtype(dtype)?,
        positions: weights
            .take("visual.positional_embedding", &[grid * grid + 1, width])?
            .to_dtype(dtype)?,
    };
    let x = program.layer(x, tokens);
    let mut x = program.layer(x, layer_norm(weights, "visual.ln_pre", width, dtype)?);
    let blocks = Blocks {
        width,
        heads,
        hidden,
        causal: false,
        gelu: architecture.gelu,
        dtype,
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
    let x = program.layer(x, ClassToken);
    let x = program.layer(x, layer_norm(weights, "visual.ln_post", width, dtype)?);
    let projection = weights.take("visual.proj", &[width, architecture.embedding])?;
    let y = program.layer(
        x,
        Linear {
            weight: projection.t()?.contiguous()?.to_dtype(dtype)?,
            bias: None,
        },
    );
    program.tap("embedding", y, architecture.embedding, Layout::Vector);
    Ok(program)
}
