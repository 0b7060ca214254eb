//! OpenAI's ModifiedResNet: a stem of three convolutions, four stages of bottlenecks that
//! downsample by average pooling, and an attention pool.

use candle_core::DType;

use super::architecture::{Architecture, RESNET_STRIDE, ResNetShape};
use super::attention::{AttentionPool, Projections};
use super::layer::{AveragePool, Relu};
use super::program::{IMAGE, Program, Value};
use super::tap::Layout;
use super::transformer::linear;
use super::weights::Weights;
use crate::error::Result;
use crate::ops::attention::Attention;
use crate::ops::conv::Conv;

/// Batch normalisation's constant under the root (PyTorch's default).
const EPSILON: f64 = 1e-5;

/// Outputs of a bottleneck per channel of its middle.
const EXPANSION: usize = 4;

/// Builds the tower's program, with batch normalisation folded into the convolutions:
/// `W' = W g / sqrt(v + eps)`, `b' = beta - mean g / sqrt(v + eps)`.
pub fn build(
    shape: ResNetShape,
    architecture: &Architecture,
    weights: &mut Weights,
    dtype: DType,
) -> Result<Program> {
    let mut tower = Tower {
        program: Program::default(),
        weights,
        dtype,
    };
    let mut x = tower.stem(shape.width)?;
    let mut channels = shape.width;
    for (stage, blocks) in (1..).zip(shape.blocks) {
        let middle = shape.width << (stage - 1);
        let layout = Layout::Map { stride: 2 << stage };
        for block in 0..blocks {
            let window = if stage > 1 && block == 0 { 2 } else { 1 };
            x = tower.bottleneck(stage, block, x, channels, middle, window)?;
            channels = middle * EXPANSION;
        }
        tower
            .program
            .tap(format!("layer{stage}"), x, channels, layout);
    }
    tower.attention_pool(x, channels, shape.heads, architecture)?;
    Ok(tower.program)
}

struct Tower<'a> {
    program: Program,
    weights: &'a mut Weights,
    dtype: DType,
}

/// A convolution's names and sizes.
struct ConvSpec<'a> {
    conv: &'a str,
    norm: &'a str,
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
}

impl Tower<'_> {
    fn conv(&mut self, x: Value, spec: ConvSpec) -> Result<Value> {
        let ConvSpec {
            conv,
            norm,
            inputs,
            outputs,
            kernel,
            stride,
        } = spec;
        let weight = self.weights.take(
            &format!("visual.{conv}.weight"),
            &[outputs, inputs, kernel, kernel],
        )?;
        let mut parameter = |name: &str| {
            self.weights
                .take(&format!("visual.{norm}.{name}"), &[outputs])
        };
        let (gain, beta) = (parameter("weight")?, parameter("bias")?);
        let (mean, variance) = (parameter("running_mean")?, parameter("running_var")?);
        let factor = (gain / (variance + EPSILON)?.sqrt()?)?;
        let weight = weight.broadcast_mul(&factor.reshape((outputs, 1, 1, 1))?)?;
        let bias = (beta - (mean * factor)?)?;
        let conv = Conv {
            weight: weight.to_dtype(self.dtype)?,
            bias: bias.to_dtype(self.dtype)?,
            stride,
            padding: kernel / 2,
        };
        Ok(self.program.layer(x, conv))
    }

    fn stem(&mut self, width: usize) -> Result<Value> {
        let mut x = IMAGE;
        let sizes = [
            (3, width / 2, 2),
            (width / 2, width / 2, 1),
            (width / 2, width, 1),
        ];
        for (index, (inputs, outputs, stride)) in (1..).zip(sizes) {
            x = self.conv(
                x,
                ConvSpec {
                    conv: &format!("conv{index}"),
                    norm: &format!("bn{index}"),
                    inputs,
                    outputs,
                    kernel: 3,
                    stride,
                },
            )?;
            x = self.program.layer(x, Relu);
        }
        x = self.program.layer(x, AveragePool(2));
        self.program
            .tap("stem", x, width, Layout::Map { stride: 4 });
        Ok(x)
    }

    /// `window` 2 halves the resolution.
    fn bottleneck(
        &mut self,
        stage: usize,
        block: usize,
        x: Value,
        inputs: usize,
        middle: usize,
        window: usize,
    ) -> Result<Value> {
        let name = format!("layer{stage}.{block}");
        let outputs = middle * EXPANSION;
        let layout = Layout::Map { stride: 2 << stage };
        let mut y = x;
        for (index, inputs, kernel) in [(1, inputs, 1), (2, middle, 3)] {
            y = self.conv(
                y,
                ConvSpec {
                    conv: &format!("{name}.conv{index}"),
                    norm: &format!("{name}.bn{index}"),
                    inputs,
                    outputs: middle,
                    kernel,
                    stride: 1,
                },
            )?;
            y = self.program.layer(y, Relu);
            let layout = Layout::Map {
                stride: (2 << stage) / window,
            };
            self.program
                .tap(format!("{name}.conv{index}"), y, middle, layout);
        }
        let pooled = |program: &mut Program, x| {
            if window > 1 {
                program.layer(x, AveragePool(window))
            } else {
                x
            }
        };
        y = pooled(&mut self.program, y);
        y = self.conv(
            y,
            ConvSpec {
                conv: &format!("{name}.conv3"),
                norm: &format!("{name}.bn3"),
                inputs: middle,
                outputs,
                kernel: 1,
                stride: 1,
            },
        )?;
        let identity = if window > 1 || inputs != outputs {
            let x = pooled(&mut self.program, x);
            self.conv(
                x,
                ConvSpec {
                    conv: &format!("{name}.downsample.0"),
                    norm: &format!("{name}.downsample.1"),
                    inputs,
                    outputs,
                    kernel: 1,
                    stride: 1,
                },
            )?
        } else {
            x
        };
        let sum = self.program.sum(y, identity);
        self.program
            .tap(format!("{name}.sum"), sum, outputs, layout);
        let y = self.program.layer(sum, Relu);
        self.program.tap(name, y, outputs, layout);
        Ok(y)
    }

    fn attention_pool(
        &mut self,
        x: Value,
        channels: usize,
        heads: usize,
        architecture: &Architecture,
    ) -> Result<()> {
        let side = architecture.resolution / RESNET_STRIDE;
        let positions = self.weights.take(
            "visual.attnpool.positional_embedding",
            &[side * side + 1, channels],
        )?;
        let mut projection = |name: &str, outputs: usize| {
            linear(
                self.weights,
                &format!("visual.attnpool.{name}"),
                channels,
                outputs,
                self.dtype,
            )
        };
        let projections = Projections {
            query: projection("q_proj", channels)?,
            key: projection("k_proj", channels)?,
            value: projection("v_proj", channels)?,
            output: projection("c_proj", architecture.embedding)?,
        };
        let pool = AttentionPool {
            positions: positions.to_dtype(self.dtype)?,
            projections,
            attention: Attention {
                heads,
                causal: false,
            },
        };
        let y = self.program.layer(x, pool);
        self.program
            .tap("embedding", y, architecture.embedding, Layout::Vector);
        Ok(())
    }
}
