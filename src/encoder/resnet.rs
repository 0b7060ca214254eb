//! OpenAI's ModifiedResNet: a stem of three convolutions, four stages of bottlenecks that
//! downsample by average pooling, and an attention pool.

use candle_core::Tensor;

use super::affine::Affine;
use super::architecture::{Architecture, RESNET_STRIDE, ResNetShape};
use super::attention::AttentionPool;
use super::engine::Cpu;
use super::layer::Layer;
use super::program::{IMAGE, Program, Value};
use super::tap::{Layout, Relu, Tap, TapId};
use super::weights::Weights;
use crate::backend::cpu::Real;
use crate::error::{Result, bail};
use crate::ops::attention::Attention;
use crate::ops::conv::Conv;
use crate::ops::linear::{Linear, elements};

/// Batch normalisation's constant under the root (PyTorch's default).
const EPSILON: f64 = 1e-5;

/// Outputs of a bottleneck per channel of its middle.
const EXPANSION: usize = 4;

/// Builds the tower's program, with batch normalisation folded into the convolutions:
/// `W' = W g / sqrt(v + eps)`, `b' = beta - mean g / sqrt(v + eps)`. Beside it the tap that a
/// bare unit number means: the last block's residual sum.
///
/// # Errors
/// When a tensor is missing or misshapen, or there is no block.
pub fn build<T: Real>(
    shape: ResNetShape,
    architecture: &Architecture,
    weights: &mut Weights,
) -> Result<(Program<Cpu<T>>, TapId)> {
    let mut tower = Tower {
        program: Program::default(),
        weights,
    };
    let mut x = tower.stem(shape.width)?;
    let mut channels = shape.width;
    let mut last_sum = None;
    for (stage, blocks) in (1..).zip(shape.blocks) {
        let middle = shape.width << (stage - 1);
        for block in 0..blocks {
            let window = if stage > 1 && block == 0 { 2 } else { 1 };
            let made = tower.bottleneck(stage, block, x, channels, middle, window)?;
            (x, last_sum) = (made.output, Some(made.sum));
            channels = middle * EXPANSION;
        }
        let stage = Tap {
            name: format!("layer{stage}"),
            channels,
            layout: Layout::Map { stride: 2 << stage },
            relu: Relu::Behind,
        };
        tower.program.tap(x, stage);
    }
    let Some(default_tap) = last_sum else {
        bail!(
            Weights,
            "a ResNet without blocks has no units: load one with a block or more"
        );
    };
    if let Some(embedding) = architecture.embedding.components() {
        let side = architecture.resolution / RESNET_STRIDE;
        tower.attention_pool(x, channels, shape.heads, side, embedding)?;
    }
    Ok((tower.program, default_tap))
}

struct Tower<'a, T: Real> {
    program: Program<Cpu<T>>,
    weights: &'a mut Weights,
}

/// What a block makes.
struct Bottleneck {
    /// The residual sum, before the ReLU.
    sum: TapId,
    /// What the next block reads.
    output: Value,
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

impl<T: Real> Tower<'_, T> {
    fn conv(&mut self, spec: ConvSpec) -> Result<Affine<T>> {
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
        let conv = Conv::new(&weight, &bias, stride, kernel / 2)?;
        Ok(Affine::Conv(conv))
    }

    fn stem(&mut self, width: usize) -> Result<Value> {
        let mut x = IMAGE;
        let sizes = [
            (3, width / 2, 2),
            (width / 2, width / 2, 1),
            (width / 2, width, 1),
        ];
        for (index, (inputs, outputs, stride)) in (1..).zip(sizes) {
            let conv = self.conv(ConvSpec {
                conv: &format!("conv{index}"),
                norm: &format!("bn{index}"),
                inputs,
                outputs,
                kernel: 3,
                stride,
            })?;
            x = self.program.affine(x, conv);
            x = self.program.relu(x);
        }
        x = self.program.layer(x, Layer::AveragePool(2));
        let stem = Tap {
            name: "stem".to_owned(),
            channels: width,
            layout: Layout::Map { stride: 4 },
            relu: Relu::Behind,
        };
        self.program.tap(x, stem);
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
    ) -> Result<Bottleneck> {
        let name = format!("layer{stage}.{block}");
        let outputs = middle * EXPANSION;
        let mut y = x;
        for (index, inputs, kernel) in [(1, inputs, 1), (2, middle, 3)] {
            let conv = self.conv(ConvSpec {
                conv: &format!("{name}.conv{index}"),
                norm: &format!("{name}.bn{index}"),
                inputs,
                outputs: middle,
                kernel,
                stride: 1,
            })?;
            y = self.program.affine(y, conv);
            y = self.program.relu(y);
            let rectified = Tap {
                name: format!("{name}.conv{index}"),
                channels: middle,
                layout: Layout::Map {
                    stride: (2 << stage) / window,
                },
                relu: Relu::Behind,
            };
            self.program.tap(y, rectified);
        }
        let pooled = |program: &mut Program<Cpu<T>>, x| {
            if window > 1 {
                program.layer(x, Layer::AveragePool(window))
            } else {
                x
            }
        };
        let mut widen = |conv: &str, norm: &str, inputs: usize| {
            self.conv(ConvSpec {
                conv: &format!("{name}.{conv}"),
                norm: &format!("{name}.{norm}"),
                inputs,
                outputs,
                kernel: 1,
                stride: 1,
            })
        };
        let last = widen("conv3", "bn3", middle)?;
        let shortcut = (window > 1 || inputs != outputs)
            .then(|| widen("downsample.0", "downsample.1", inputs))
            .transpose()?;
        // Right after its ReLU, which can take it along.
        y = pooled(&mut self.program, y);
        let identity = match shortcut {
            Some(shortcut) => {
                let x = pooled(&mut self.program, x);
                self.program.affine(x, shortcut)
            }
            None => x,
        };
        let sum = self.program.affine_plus(y, last, identity);
        let tap = |name, relu| Tap {
            name,
            channels: outputs,
            layout: Layout::Map { stride: 2 << stage },
            relu,
        };
        let output = self.program.relu(sum);
        let of_sum = tap(format!("{name}.sum"), Relu::Ahead);
        let sum = self.program.tap(sum, of_sum);
        self.program.tap(output, tap(name, Relu::Behind));
        Ok(Bottleneck { sum, output })
    }

    fn attention_pool(
        &mut self,
        x: Value,
        channels: usize,
        heads: usize,
        side: usize,
        embedding: usize,
    ) -> Result<()> {
        let positions = self.weights.take(
            "visual.attnpool.positional_embedding",
            &[side * side + 1, channels],
        )?;
        let mut projection = |name: &str, outputs: usize| -> Result<(Tensor, Tensor)> {
            let name = format!("visual.attnpool.{name}");
            let weight = self
                .weights
                .take(&format!("{name}.weight"), &[outputs, channels])?;
            Ok((
                weight,
                self.weights.take(&format!("{name}.bias"), &[outputs])?,
            ))
        };
        let (query, query_bias) = projection("q_proj", channels)?;
        let (key, key_bias) = projection("k_proj", channels)?;
        let (value, value_bias) = projection("v_proj", channels)?;
        let (output, output_bias) = projection("c_proj", embedding)?;
        let stacked = |a: Tensor, b: Tensor| Tensor::cat(&[a, b], 0);
        let key_value = stacked(key, value)?;
        let pool = AttentionPool {
            positions: elements(&positions)?,
            query: Linear::<T>::new(&query, Some(&query_bias))?,
            key_value: Linear::new(&key_value, Some(&stacked(key_bias, value_bias)?))?,
            output: Linear::new(&output, Some(&output_bias))?,
            attention: Attention {
                heads,
                causal: false,
            },
        };
        let y = self.program.layer(x, Layer::AttentionPool(Box::new(pool)));
        let pooled = Tap {
            name: "embedding".to_owned(),
            channels: embedding,
            layout: Layout::Vector,
            relu: Relu::None,
        };
        self.program.tap(y, pooled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use candle_core::{DType, Device};

    use super::*;
    use crate::encoder::architecture::Vision;
    use crate::encoder::embedding::Embedding;
    use crate::ops::gelu::Gelu;

    #[test]
    fn a_tower_without_blocks_has_no_tap_for_a_bare_unit_number() {
        let mut tensors = BTreeMap::new();
        let mut add = |name: String, shape: &[usize]| {
            let ones = Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
            tensors.insert(format!("visual.{name}"), ones);
        };
        for (index, inputs, outputs) in [(1, 3, 1), (2, 1, 1), (3, 1, 2)] {
            add(format!("conv{index}.weight"), &[outputs, inputs, 3, 3]);
            for name in ["weight", "bias", "running_mean", "running_var"] {
                add(format!("bn{index}.{name}"), &[outputs]);
            }
        }
        let shape = ResNetShape {
            blocks: [0; 4],
            width: 2,
            heads: 1,
        };
        let architecture = Architecture {
            vision: Vision::ResNet(shape),
            resolution: 32,
            embedding: Embedding::NoProjection,
            gelu: Gelu::Quick,
        };
        let mut weights = Weights::new(tensors, "a stem");
        let failed = build::<f32>(shape, &architecture, &mut weights).map(drop);
        let said = failed.unwrap_err().to_string();
        assert!(said.starts_with("a ResNet without blocks"), "{said}");
    }
}
