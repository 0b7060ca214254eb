//! The architecture, read from the shapes of the tensors as OpenAI's `build_model` reads it.

use crate::error::{Result, bail};
use crate::ops::gelu::Gelu;

use super::weights::Weights;

/// Components of one attention head in every CLIP of OpenAI's and in most others.
const HEAD_WIDTH: usize = 64;

/// Image transformers of open_clip whose heads have another width: (width, head width), from its
/// model configurations ViT-H, ViT-g and ViT-bigG.
const OTHER_HEADS: [(usize, usize); 3] = [(1280, 80), (1408, 88), (1664, 104)];

/// What the shapes of tensors do not tell, or tell only if none is missing; as far as a
/// configuration file says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Declared {
    /// Components of one head of the image encoder.
    pub vision_head_width: Option<usize>,
    /// Residual blocks of the image encoder, where it is a transformer.
    pub vision_depth: Option<usize>,
    /// Heads of the text encoder.
    pub text_heads: Option<usize>,
    /// Residual blocks of the text encoder.
    pub text_depth: Option<usize>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// The vision tower's family and shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vision {
    /// OpenAI's ModifiedResNet (RN50 to RN50x64).
    ResNet(ResNetShape),
    /// A vision transformer (ViT-B/32 to ViT-L/14@336px, and open_clip's in the same layout).
    Vit(VitShape),
}

/// A text tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextShape {
    /// Tokens of a text, padding included.
    pub context: usize,
    /// Entries of the vocabulary.
    pub vocabulary: usize,
    /// Components of the residual stream.
    pub width: usize,
    /// Residual blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden units of a block's MLP.
    pub hidden: usize,
}

/// The shape of a CLIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Architecture {
    /// The vision tower.
    pub vision: Vision,
    /// Side of the images it was trained on, in pixels.
    pub resolution: usize,
    /// Components of the shared embedding.
    pub embedding: usize,
    /// The text tower, where the checkpoint has one.
    pub text: Option<TextShape>,
    /// The activation of the transformers' MLPs.
    pub gelu: Gelu,
}

impl Architecture {
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
        let text = shapes.text()?;
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
            text,
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

    fn resnet(&self) -> Result<(Vision, usize, usize)> {
        let [width, _, _, _] = self.dims("visual.layer1.0.conv1.weight")?;
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
        Ok((vision, side * RESNET_STRIDE, embedding))
    }

    fn vit(&self) -> Result<(Vision, usize, usize)> {
        let [width, _, patch, _] = self.dims("visual.conv1.weight")?;
        let positional = "visual.positional_embedding";
        let [positions, _] = self.dims(positional)?;
        let side = self.side(positions, positional)?;
        let [_, embedding] = self.dims("visual.proj")?;
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
        });
        Ok((vision, side * patch, embedding))
    }

    fn text(&self) -> Result<Option<TextShape>> {
        if self.weights.shape("token_embedding.weight").is_none() {
            return Ok(None);
        }
        let [vocabulary, width] = self.dims("token_embedding.weight")?;
        let [context, _] = self.dims("positional_embedding")?;
        let heads = match self.declared.text_heads {
            Some(heads) if heads > 0 && width.is_multiple_of(heads) => heads,
            Some(heads) => bail!(
                Weights,
                "{}: the text transformer is {width} wide, which {heads} heads cannot share",
                self.origin
            ),
            None => self.heads(width, HEAD_WIDTH, "the text transformer")?,
        };
        let depth = self.depth("transformer.resblocks.", self.declared.text_depth)?;
        let hidden = match depth {
            0 => 0,
            _ => self.dims::<2>("transformer.resblocks.0.mlp.c_fc.weight")?[0],
        };
        Ok(Some(TextShape {
            context,
            vocabulary,
            width,
            depth,
            heads,
            hidden,
        }))
    }
}
