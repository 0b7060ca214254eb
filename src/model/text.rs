//! The text side: byte-pair tokens and the text tower, forward only.

mod clean;
mod names;
pub mod tokens;
mod tower;

use std::fmt;
use std::result;

use candle_core::{Device, Tensor};

use super::weights::Format;
use crate::encoder::architecture::{Architecture, Declared, TextShape};
use crate::encoder::weights::Weights;
use crate::error::{Result, bail};
use crate::input::sha256;
use tokens::Tokens;
use tower::Tower;

/// Why a model embeds no texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoText(String);

impl NoText {
    /// `reason` begins with a small letter and ends without a full stop.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for NoText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A CLIP text encoder whose weights never change.
pub struct Text {
    tower: Tower,
    /// The tokenizer, or why percept has none.
    tokens: result::Result<Tokens, NoText>,
}

impl Text {
    /// Takes all that belongs to a text encoder out of `weights`, and the encoder with it, if percept computes
    /// its kind. It is made for `architecture`, from weights of this format.
    ///
    /// # Errors
    /// The reason why there is none: it is missing, incomplete or of another kind.
    pub fn take(
        weights: &mut Weights,
        origin: &str,
        format: Format,
        declared: Declared,
        architecture: &Architecture,
    ) -> result::Result<Self, NoText> {
        // The scale of the logits, of whatever shape, is no part of an embedding.
        weights.discard(|name| matches!(name, "logit_scale" | "logit_bias"));
        let tokenizer = declared.text.tokenizer.clone();
        let refusal = declared.text.refusal.clone();
        let tower = match refusal.or_else(|| names::foreign(weights)) {
            Some(reason) => Err(reason),
            None => TextShape::of(weights, origin, declared, architecture.gelu)
                .and_then(|shape| {
                    let Some(embedding) = architecture.embedding.components() else {
                        bail!(
                            Weights,
                            "its image encoder has no embedding to be compared with"
                        );
                    };
                    Tower::new(shape, embedding, weights)
                })
                .map_err(|error| error.report()),
        };
        let left = weights.discard(names::is_text);
        let tower = match (tower, left) {
            (Ok(_), Some(name)) => Err(format!(
                "its text encoder has the tensor {name}, which is no part of CLIP's own"
            )),
            (tower, _) => tower,
        };
        let tower = tower.map_err(NoText)?;
        let tokens = match tokenizer {
            Some(name) => Err(format!(
                "its text encoder reads the tokens of another tokenizer ({name}), which percept does not support"
            )),
            None => Tokens::new(format, tower.shape().vocabulary),
        };
        Ok(Self {
            tower,
            tokens: tokens.map_err(NoText),
        })
    }

    /// The tokens of each text, `(n, context)`: start, text, end, zeros.
    ///
    /// # Errors
    /// When the vocabulary is not one that percept knows, or a text is too long.
    pub fn tokenise(&self, texts: &[String]) -> Result<Tensor> {
        let tokens = match &self.tokens {
            Ok(tokens) => tokens,
            Err(reason) => bail!(Request, "this model's texts cannot be read: {reason}"),
        };
        let context = self.tower.shape().context;
        let mut rows = Vec::with_capacity(texts.len() * context);
        for text in texts {
            let row = tokens.encode(text, context)?;
            let padding = context - row.len();
            rows.extend(row);
            rows.resize(rows.len() + padding, 0);
        }
        Ok(Tensor::from_vec(
            rows,
            (texts.len(), context),
            &Device::Cpu,
        )?)
    }

    /// A SHA-256 of all that decides a text's embedding besides the weights: its tokens and the encoder's settings.
    ///
    /// # Errors
    /// As [`Text::tokenise`].
    pub fn digest(&self, text: &str) -> Result<String> {
        let tokens = self.tokenise(&[text.to_owned()])?;
        let tokens: Vec<i64> = tokens.flatten_all()?.to_vec1()?;
        let shape = self.tower.shape();
        let (heads, gelu, causal) = (shape.heads, shape.gelu, shape.causal);
        let (epsilon, pooling) = (shape.epsilon, shape.pooling);
        let settings = format!("{tokens:?} {heads} {gelu:?} {epsilon:?} {causal} {pooling:?}");
        Ok(sha256(settings.as_bytes()))
    }

    /// The embeddings `(n, embedding)`, not normalised, of token rows `(n, context)`.
    ///
    /// # Errors
    /// When a row is longer than the context, or a token is not in the vocabulary.
    pub fn embed(&self, ids: &Tensor) -> Result<Tensor> {
        self.tower.embed(ids)
    }
}
