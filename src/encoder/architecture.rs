//! The architecture, read from the shapes of the tensors as OpenAI's `build_model` reads it.

mod text;

use crate::error::{Result, bail};
use crate::ops::gelu::Gelu;
use crate::ops::layer_norm::EPSILON;
pub use text::{DeclaredText, Pooling, Projection, TextShape};

use super::embedding::Embedding;
use super::weights::Weights;

/// Components of one attention head in every CLIP of OpenAI's and in most others.
const HEAD_WIDTH: usize = 64;

/// Image transformers of open_clip whose heads have another width: (width, head width), from its
/// model configurations ViT-H, ViT-g and ViT-bigG.
const OTHER_HEADS: [(usize, usize); 3] = [(1280, 80), (1408, 88), (1664, 104)];

/// What the shapes of tensors do not tell, or tell only if none is missing; as far as a
/// configuration file says it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Declared {
    /// Components of one head of the image encoder.
    pub vision_head_width: Option<usize>,
    /// Components of the image encoder's residual stream; channels of a ResNet's first bottlenecks.
    pub vision_width: Option<usize>,
    /// Residual blocks of the image encoder, where it is a transformer.
    pub vision_depth: Option<usize>,
    /// Of the image encoder's layer normalisations.
    pub vision_epsilon: Option<f64>,
    /// What concerns the text encoder alone.
    pub text: DeclaredText,
}

/// Pixels of the input per cell of a ResNet's last stage.
pub const RESNET_STRIDE: usize = 32;

/// A ModifiedResNet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResNetShape {
    /// Bottleneck blocks of each stage.
    pub blocks: [usize; 4],
    /// Channels of the first stage's bottlenecks; the last stage has 32 times as many outputs.
    pub width: usize,
    /// Heads of the attention pool.
    pub heads: usize,
}

/// A vision transformer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VitShape {
    /// Residual blocks.
    pub depth: usize,
    /// Components of the residual stream.
    pub width: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden units of a block's MLP.
    pub hidden: usize,
    /// What is added to the variance in every layer normalisation.
    pub epsilon: f64,
}

/// The vision tower's family and shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Vision {
    /// OpenAI's ModifiedResNet (RN50 to RN50x64).
    ResNet(ResNetShape),
    /// A vision transformer (ViT-B/32 to ViT-L/14@336px, and open_clip's in the same layout).
    Vit(VitShape),
}

/// The shape of a CLIP.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Architecture {
    /// The vision tower.
    pub vision: Vision,
    /// Side of the images it was trained on, in pixels.
    pub resolution: usize,
    /// The shared embedding.
    pub embedding: Embedding,
    /// The activation of the vision transformer's MLPs.
    pub gelu: Gelu,
}

impl Architecture {
    /// Components of one attention head of the image encoder.
    pub fn head_width(&self) -> usize {
        match self.vision {
            Vision::ResNet(shape) => 32 * shape.width / shape.heads,
            Vision::Vit(shape) => shape.width / shape.heads,
        }
    }

    /// What is added to the variance in the image encoder's normalisations.
    pub fn epsilon(&self) -> f64 {
        match self.vision {
            Vision::ResNet(_) => EPSILON,
            Vision::Vit(shape) => shape.epsilon,
        }
    }

    /// Reads the architecture from the tensors.
    ///
    /// # Errors
    /// When they are not those of a CLIP: names the tensor that is missing or does not fit.
    pub fn of(weights: &Weights, origin: &str, declared: Declared, gelu: Gelu) -> Result<Self> {
        let shapes = Shapes {
            weights,
            origin,
            declared,
        };
        let (vision, resolution, embedding) = if weights
            .shape("visual.layer1.0.conv1.weight")
            .is_some()
        {
            shapes.resnet()?
        } else if weights.shape("visual.conv1.weight").is_some() {
            shapes.vit()?
        } else {
            bail!(
                Weights,
                "{origin} holds no CLIP image encoder: it has neither visual.layer1.0.conv1.weight nor visual.conv1.weight"
            );
        };
        Ok(Self {
            vision,
            resolution,
            embedding,
            gelu,
        })
    }
}

struct Shapes<'a> {
    weights: &'a Weights,
    origin: &'a str,
    declared: Declared,
}

impl Shapes<'_> {
    fn dims<const N: usize>(&self, name: &str) -> Result<[usize; N]> {
        let Some(shape) = self.weights.shape(name) else {
            bail!(
                Weights,
                "{} has no tensor {name}: the file is incomplete",
                self.origin
            );
        };
        match <[usize; N]>::try_from(shape) {
            Ok(dims) if !dims.contains(&0) => Ok(dims),
            _ => bail!(
                Weights,
                "{}: {name} has the shape {shape:?}, not {N} dimensions of at least one",
                self.origin
            ),
        }
    }

    /// How many numbered blocks there are under `prefix`, from 0 to the highest.
    fn blocks(&self, prefix: &str) -> usize {
        let number = |name: &str| {
            name.strip_prefix(prefix)?
                .split('.')
                .next()?
                .parse::<usize>()
                .ok()
        };
        let highest = self.weights.names().filter_map(number).max();
        highest.map_or(0, |highest| highest.saturating_add(1))
    }

    fn side(&self, positions: usize, name: &str) -> Result<usize> {
        let side = positions.saturating_sub(1).isqrt();
        if side == 0 || side * side + 1 != positions {
            bail!(
                Weights,
                "{}: {name} has {positions} positions, not one more than a square",
                self.origin
            );
        }
        Ok(side)
    }

    /// The heads of an attention of this width, from the declared or the usual head width.
    fn heads(&self, width: usize, head_width: usize, what: &str) -> Result<usize> {
        if width == 0 || head_width == 0 || !width.is_multiple_of(head_width) {
            bail!(
                Weights,
                "{}: {what} is {width} wide, not a multiple of the head width {head_width}",
                self.origin
            );
        }
        Ok(width / head_width)
    }

    /// Blocks under `prefix`, which must be as many as declared.
    fn depth(&self, prefix: &str, declared: Option<usize>) -> Result<usize> {
        let found = self.blocks(prefix);
        if let Some(declared) = declared
            && declared != found
        {
            bail!(
                Weights,
                "{} has {found} blocks in {prefix}*, where its configuration asks for {declared}: the file is incomplete",
                self.origin
            );
        }
        Ok(found)
    }

    /// # Errors
    /// When a configuration file is another model's.
    fn check_width(&self, width: usize) -> Result<()> {
        match self.declared.vision_width {
            Some(declared) if declared != width => bail!(
                Weights,
                "{}: the image encoder is {width} wide, where its configuration asks for {declared}: the file beside it belongs to another model",
                self.origin
            ),
            _ => Ok(()),
        }
    }

    fn resnet(&self) -> Result<(Vision, usize, Embedding)> {
        let [width, _, _, _] = self.dims("visual.layer1.0.conv1.weight")?;
        self.check_width(width)?;
        let blocks = [1, 2, 3, 4].map(|stage| self.blocks(&format!("visual.layer{stage}.")));
        if let Some(stage) = blocks.iter().position(|&blocks| blocks == 0) {
            bail!(
                Weights,
                "{} has no block in visual.layer{}",
                self.origin,
                stage + 1
            );
        }
        let positional = "visual.attnpool.positional_embedding";
        let [positions, _] = self.dims(positional)?;
        let side = self.side(positions, positional)?;
        let [embedding, _] = self.dims("visual.attnpool.c_proj.weight")?;
        let head_width = self.declared.vision_head_width.unwrap_or(HEAD_WIDTH);
        let heads = self.heads(32 * width, head_width, "the last stage")?;
        let vision = Vision::ResNet(ResNetShape {
            blocks,
            width,
            heads,
        });
        Ok((
            vision,
            side * RESNET_STRIDE,
            Embedding::Components(embedding),
        ))
    }

    fn vit(&self) -> Result<(Vision, usize, Embedding)> {
        let [width, _, patch, _] = self.dims("visual.conv1.weight")?;
        self.check_width(width)?;
        let positional = "visual.positional_embedding";
        let [positions, _] = self.dims(positional)?;
        let side = self.side(positions, positional)?;
        let embedding = Embedding::of_vit(self.weights, || self.dims("visual.proj"))?;
        let depth = self.depth("visual.transformer.resblocks.", self.declared.vision_depth)?;
        if depth == 0 {
            bail!(
                Weights,
                "{} has no block in visual.transformer",
                self.origin
            );
        }
        let usual = OTHER_HEADS.iter().find(|(other, _)| *other == width);
        let usual = usual.map_or(HEAD_WIDTH, |(_, head_width)| *head_width);
        let head_width = self.declared.vision_head_width.unwrap_or(usual);
        let heads = self.heads(width, head_width, "the vision transformer")?;
        let [hidden, _] = self.dims("visual.transformer.resblocks.0.mlp.c_fc.weight")?;
        let vision = Vision::Vit(VitShape {
            depth,
            width,
            patch,
            heads,
            hidden,
            epsilon: self.declared.vision_epsilon.unwrap_or(EPSILON),
        });
        Ok((vision, side * patch, embedding))
    }
}
