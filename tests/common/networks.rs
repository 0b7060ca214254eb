//! Networks of the shapes of known models, with random numbers: nothing is downloaded.

#![allow(
    dead_code,
    reason = "tests and benchmarks compile this file, and each uses a part of it"
)]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use percept::encoder::Encoder;
use percept::encoder::architecture::{Architecture, Declared};
use percept::encoder::weights::Weights;
use percept::model::Model;
use percept::model::conventions::{Conventions, Known, Source};
use percept::model::preprocess::{Fit, Normalisation, Preprocessing};
use percept::model::spec::Activation;
use percept::model::text::NoText;
use percept::model::weights::Format;
use percept::ops::gelu::Gelu;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The shape of an image encoder.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    ResNet {
        width: usize,
        blocks: [usize; 4],
    },
    Vit {
        width: usize,
        blocks: usize,
        patch: usize,
    },
}

/// A name, a shape, and the side of the images in pixels.
pub type Network = (&'static str, Shape, usize);

pub const RN50: Network = (
    "RN50",
    Shape::ResNet {
        width: 64,
        blocks: [3, 4, 6, 3],
    },
    224,
);
pub const RN50X4: Network = (
    "RN50x4",
    Shape::ResNet {
        width: 80,
        blocks: [4, 6, 10, 6],
    },
    288,
);
pub const VIT_B_32: Network = (
    "ViT-B/32",
    Shape::Vit {
        width: 768,
        blocks: 12,
        patch: 32,
    },
    224,
);

/// The smallest of each kind in which every convolution takes the way that it takes in the large ones.
pub const SMALL_RESNET: Network = (
    "a small ResNet",
    Shape::ResNet {
        width: 32,
        blocks: [1, 2, 1, 1],
    },
    64,
);
pub const SMALL_VIT: Network = (
    "a small ViT",
    Shape::Vit {
        width: 128,
        blocks: 3,
        patch: 16,
    },
    64,
);

/// Draws tensors; the same ones for the same network.
struct Draw {
    stream: ChaCha8Rng,
    tensors: BTreeMap<String, Tensor>,
}

impl Draw {
    /// Uniform numbers around `mean`.
    fn tensor(&mut self, name: &str, shape: &[usize], mean: f32, deviation: f32) {
        let half = deviation * 3f32.sqrt();
        let count = shape.iter().product();
        let numbers: Vec<f32> = (0..count)
            .map(|_| mean + self.stream.random_range(-half..=half))
            .collect();
        let tensor = Tensor::from_vec(numbers, shape, &Device::Cpu).expect("a tensor");
        self.tensors.insert(format!("visual.{name}"), tensor);
    }

    /// With deviations that keep the size of what goes through; `before` a ReLU or not.
    fn matrix(&mut self, name: &str, shape: &[usize], before_relu: bool) {
        let inputs: usize = shape[1..].iter().product();
        let variance = if before_relu { 2.0 } else { 1.0 } / inputs as f32;
        self.tensor(name, shape, 0.0, variance.sqrt());
    }

    fn linear(&mut self, name: &str, inputs: usize, outputs: usize) {
        self.matrix(&format!("{name}.weight"), &[outputs, inputs], false);
        self.tensor(&format!("{name}.bias"), &[outputs], 0.0, 0.02);
    }

    fn layer_norm(&mut self, name: &str, width: usize) {
        self.tensor(&format!("{name}.weight"), &[width], 1.0, 0.1);
        self.tensor(&format!("{name}.bias"), &[width], 0.0, 0.1);
    }

    fn conv(&mut self, (conv, norm): (&str, &str), shape: [usize; 4], gain: f32) {
        self.matrix(&format!("{conv}.weight"), &shape, gain == 1.0);
        let outputs = shape[0];
        self.tensor(&format!("{norm}.weight"), &[outputs], gain, 0.1 * gain);
        self.tensor(&format!("{norm}.bias"), &[outputs], 0.0, 0.1);
        self.tensor(&format!("{norm}.running_mean"), &[outputs], 0.0, 0.1);
        self.tensor(&format!("{norm}.running_var"), &[outputs], 1.0, 0.05);
    }

    fn resnet(&mut self, width: usize, blocks: [usize; 4], side: usize) {
        for (index, inputs, outputs) in [
            (1, 3, width / 2),
            (2, width / 2, width / 2),
            (3, width / 2, width),
        ] {
            let names = [format!("conv{index}"), format!("bn{index}")];
            self.conv((&names[0], &names[1]), [outputs, inputs, 3, 3], 1.0);
        }
        let mut inputs = width;
        for (stage, blocks) in blocks.into_iter().enumerate() {
            let middle = width << stage;
            for block in 0..blocks {
                let name = format!("layer{}.{block}", stage + 1);
                let mut conv = |conv: &str, norm: &str, shape, gain| {
                    self.conv(
                        (&format!("{name}.{conv}"), &format!("{name}.{norm}")),
                        shape,
                        gain,
                    );
                };
                conv("conv1", "bn1", [middle, inputs, 1, 1], 1.0);
                conv("conv2", "bn2", [middle, middle, 3, 3], 1.0);
                conv("conv3", "bn3", [4 * middle, middle, 1, 1], 0.5);
                if block == 0 {
                    conv(
                        "downsample.0",
                        "downsample.1",
                        [4 * middle, inputs, 1, 1],
                        0.9,
                    );
                }
                inputs = 4 * middle;
            }
        }
        let cells = (side / 32).pow(2);
        self.tensor(
            "attnpool.positional_embedding",
            &[cells + 1, inputs],
            0.0,
            0.02,
        );
        for projection in ["q_proj", "k_proj", "v_proj"] {
            self.linear(&format!("attnpool.{projection}"), inputs, inputs);
        }
        self.linear("attnpool.c_proj", inputs, 16 * width);
    }

    fn vit(&mut self, width: usize, blocks: usize, patch: usize, side: usize) {
        let cells = (side / patch).pow(2);
        self.matrix("conv1.weight", &[width, 3, patch, patch], false);
        self.tensor("class_embedding", &[width], 0.0, 0.1);
        self.tensor("positional_embedding", &[cells + 1, width], 0.0, 0.1);
        self.layer_norm("ln_pre", width);
        for block in 0..blocks {
            let name = format!("transformer.resblocks.{block}");
            self.layer_norm(&format!("{name}.ln_1"), width);
            self.matrix(
                &format!("{name}.attn.in_proj_weight"),
                &[3 * width, width],
                false,
            );
            self.tensor(
                &format!("{name}.attn.in_proj_bias"),
                &[3 * width],
                0.0,
                0.02,
            );
            self.linear(&format!("{name}.attn.out_proj"), width, width);
            self.layer_norm(&format!("{name}.ln_2"), width);
            self.linear(&format!("{name}.mlp.c_fc"), width, 4 * width);
            self.linear(&format!("{name}.mlp.c_proj"), 4 * width, width);
        }
        self.layer_norm("ln_post", width);
        self.matrix("proj", &[width, 2 * width / 3], false);
    }
}

/// The numbers of a network of this shape.
fn draw((_, shape, side): Network) -> BTreeMap<String, Tensor> {
    let mut draw = Draw {
        stream: ChaCha8Rng::seed_from_u64(7),
        tensors: BTreeMap::new(),
    };
    match shape {
        Shape::ResNet { width, blocks } => draw.resnet(width, blocks, side),
        Shape::Vit {
            width,
            blocks,
            patch,
        } => draw.vit(width, blocks, patch, side),
    }
    draw.tensors
}

/// Writes such a model as a safetensors file.
pub fn save(network: Network, path: &Path) {
    let tensors: HashMap<String, Tensor> = draw(network).into_iter().collect();
    candle_core::safetensors::save(&tensors, path).expect("a file");
}

/// A model of this shape, without a text encoder.
pub fn random(network: Network) -> Model {
    let name = network.0;
    let mut weights = Weights::new(draw(network), name);
    let declared = Declared::default();
    let architecture =
        Architecture::of(&weights, name, declared, Gelu::Quick).expect("a shape of CLIP's");
    let encoder = Encoder::new(&architecture, &mut weights, DType::F32).expect("an encoder");
    weights.finish().expect("no other tensors");
    Model {
        name: name.to_owned(),
        origin: "random numbers".to_owned(),
        format: Format::Safetensors,
        digest: String::new(),
        conventions: Conventions {
            activation: Known::new(Activation::QuickGelu, Source::Told),
            head_width: Known::new(architecture.head_width(), Source::Told),
            layer_norm_epsilon: Known::new(architecture.epsilon(), Source::Told),
            normalisation: Known::new(Normalisation::CLIP, Source::Told),
            preprocessing: Known::new(Preprocessing::Fit(Fit::CLIP), Source::Told),
        },
        architecture,
        encoder,
        text: Err(NoText::new("it holds no text encoder")),
        prefix: None,
        remark: None,
    }
}
