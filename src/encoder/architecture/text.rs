//! A text tower, from the shapes of its tensors and what a configuration says of it.

use super::{Declared, HEAD_WIDTH, Shapes};
use crate::encoder::weights::Weights;
use crate::error::{Result, bail};
use crate::ops::gelu::Gelu;
use crate::ops::layer_norm::EPSILON;

/// Which token's output stands for the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The first of the largest token, which in CLIP's vocabulary ends the text.
    Largest,
    /// The first token of this number; the first of all where there is none.
    Number(i64),
    /// The first token.
    First,
    /// The last one, padding included.
    Last,
}

/// How the pooled output is led into the shared space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projection {
    /// Not at all: it is the embedding.
    None,
    /// `text_projection`, `(width, embedding)`.
    Matrix,
    /// `text_projection.weight`, `(embedding, width)`, with or without `text_projection.bias`.
    Linear {
        /// Whether there is a bias.
        bias: bool,
    },
}

/// What the shapes of its tensors do not tell of a text tower, as far as a configuration file says it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeclaredText {
    /// Attention heads.
    pub heads: Option<usize>,
    /// Residual blocks.
    pub depth: Option<usize>,
    /// The activation of the MLPs, where it is not the image encoder's.
    pub gelu: Option<Gelu>,
    /// The constant of the layer normalisations.
    pub epsilon: Option<f64>,
    /// Which token's output stands for the text.
    pub pooling: Option<Pooling>,
    /// Whether a token also sees those after it.
    pub sees_all: bool,
    /// Whether there is a projection.
    pub projected: Option<bool>,
    /// The tokenizer, where it is not CLIP's own.
    pub tokenizer: Option<String>,
    /// Why percept cannot compute the tower.
    pub refusal: Option<String>,
}

/// A text tower.
#[derive(Debug, Clone, Copy, PartialEq)]
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
    /// The activation of the MLPs.
    pub gelu: Gelu,
    /// The constant of the layer normalisations.
    pub epsilon: f64,
    /// Whether a token sees only itself and those before it.
    pub causal: bool,
    /// Which token's output stands for the text.
    pub pooling: Pooling,
    /// How it is led into the shared space.
    pub projection: Projection,
}

impl TextShape {
    /// Reads the shape from the tensors; `gelu` is the activation where a configuration tells no other.
    ///
    /// # Errors
    /// When they are not those of CLIP's own text tower: says what is missing or does not fit.
    pub fn of(weights: &Weights, origin: &str, declared: Declared, gelu: Gelu) -> Result<Self> {
        let shapes = Shapes {
            weights,
            origin,
            declared,
        };
        shapes.text(gelu)
    }
}

impl Shapes<'_> {
    fn text(&self, gelu: Gelu) -> Result<TextShape> {
        let declared = &self.declared.text;
        let [vocabulary, width] = self.dims("token_embedding.weight")?;
        let [context, _] = self.dims("positional_embedding")?;
        let heads = match declared.heads {
            Some(heads) if heads > 0 && width.is_multiple_of(heads) => heads,
            Some(heads) => bail!(
                Weights,
                "{}: the text transformer is {width} wide, which {heads} heads cannot share",
                self.origin
            ),
            None => self.heads(width, HEAD_WIDTH, "the text transformer")?,
        };
        let depth = self.depth("transformer.resblocks.", declared.depth)?;
        let hidden = match depth {
            0 => 0,
            _ => self.dims::<2>("transformer.resblocks.0.mlp.c_fc.weight")?[0],
        };
        Ok(TextShape {
            context,
            vocabulary,
            width,
            depth,
            heads,
            hidden,
            gelu: declared.gelu.unwrap_or(gelu),
            epsilon: declared.epsilon.unwrap_or(EPSILON),
            causal: !declared.sees_all,
            pooling: declared.pooling.unwrap_or(Pooling::Largest),
            projection: self.projection()?,
        })
    }

    fn projection(&self) -> Result<Projection> {
        let has = |name| self.weights.shape(name).is_some();
        let found = match (has("text_projection"), has("text_projection.weight")) {
            (true, _) => Projection::Matrix,
            (false, true) => Projection::Linear {
                bias: has("text_projection.bias"),
            },
            (false, false) => Projection::None,
        };
        if found == Projection::None && self.declared.text.projected == Some(true) {
            bail!(
                Weights,
                "{} has no tensor text_projection, which its configuration asks for: the file is incomplete",
                self.origin
            );
        }
        if found != Projection::None && self.declared.text.projected == Some(false) {
            bail!(
                Weights,
                "{} has a text_projection, and its configuration asks for proj_type \"none\": correct one of the two",
                self.origin
            );
        }
        Ok(found)
    }
}
