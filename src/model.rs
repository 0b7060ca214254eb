//! A CLIP: where its weights lie, what they are made of, its two towers.

pub mod find;
pub mod hint;
pub mod mini;
pub mod preprocess;
pub mod spec;
pub mod statistics;
pub mod text;
pub mod weights;

use candle_core::DType;

use crate::encoder::Encoder;
use crate::encoder::architecture::{Architecture, Vision};
use crate::encoder::tap::TapId;
use crate::encoder::weights::Weights;
use crate::error::Result;
use crate::ops::gelu::Gelu;
use mini::Answers;
use preprocess::Normalisation;
use spec::{Activation, Source};
use statistics::Statistics;
use text::Text;
use weights::{Checkpoint, Format};

/// A loaded model.
pub struct Model {
    /// What the user asked for: a known name, a hub id or a path.
    pub name: String,
    /// Where the weights were found.
    pub origin: String,
    /// The format they were in.
    pub format: Format,
    /// The SHA-256 of the weights, in hexadecimal.
    pub digest: String,
    /// The shapes.
    pub architecture: Architecture,
    /// The activation of the transformers' MLPs; no part of a ResNet's image encoder.
    pub activation: Activation,
    /// Whether the weights' origin, a file beside them or the user told the activation.
    pub activation_is_known: bool,
    /// The normalisation of the pixels.
    pub normalisation: Normalisation,
    /// The image encoder.
    pub encoder: Encoder,
    /// The text encoder, where the checkpoint has one.
    pub text: Option<Text>,
}

/// How to load a model.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Overrules the activation that the checkpoint or its origin implies.
    pub activation: Option<Activation>,
    /// The encoder's element type.
    pub dtype: DType,
    /// Whether a download shows its progress.
    pub show_progress: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            activation: None,
            dtype: DType::F32,
            show_progress: false,
        }
    }
}

impl Model {
    /// Loads `mini`, a known name, a hub id or a path.
    ///
    /// # Errors
    /// When there is no such model, or its weights are not those of a CLIP: a missing,
    /// misshapen or foreign tensor is named.
    pub fn load(name: &str, options: Options) -> Result<Self> {
        let checkpoint = weights::load(&Source::parse(name)?, options.show_progress)?;
        Self::build(name, checkpoint, options)
    }

    fn build(name: &str, checkpoint: Checkpoint, options: Options) -> Result<Self> {
        let told = options.activation.or(checkpoint.activation);
        let activation = told.unwrap_or(Activation::QuickGelu);
        let gelu = match activation {
            Activation::QuickGelu => Gelu::Quick,
            Activation::Gelu => Gelu::Exact,
        };
        let mut weights = Weights::new(checkpoint.tensors, &checkpoint.origin);
        let architecture =
            Architecture::of(&weights, &checkpoint.origin, checkpoint.declared, gelu)?;
        let encoder = Encoder::new(&architecture, &mut weights, options.dtype)?;
        let text = match architecture.text {
            Some(shape) => Some(Text::new(shape, &architecture, &mut weights)?),
            None => None,
        };
        weights.finish()?;
        Ok(Self {
            name: name.to_owned(),
            origin: checkpoint.origin,
            format: checkpoint.format,
            digest: checkpoint.digest,
            architecture,
            activation,
            activation_is_known: told.is_some(),
            normalisation: checkpoint.normalisation.map_or(
                Normalisation::CLIP,
                |(mean, deviation)| Normalisation { mean, deviation },
            ),
            encoder,
            text,
        })
    }

    /// Whether any part of the model uses the activation.
    pub fn has_transformer(&self) -> bool {
        self.sees_by_transformer() || self.text.is_some()
    }

    /// Whether the image encoder is a transformer, which uses the activation.
    pub fn sees_by_transformer(&self) -> bool {
        matches!(self.architecture.vision, Vision::Vit(_))
    }

    /// The shipped statistics of a tap's units; only the embedded model has them.
    pub fn statistics(&self, tap: TapId) -> Option<Statistics> {
        match self.format {
            Format::Embedded => Statistics::of_mini(&self.encoder.tap(tap).name),
            _ => None,
        }
    }

    /// What each unit of a tap is known to answer to, nothing for units that never open; only the embedded
    /// model's last block was measured.
    pub fn answered(&self, tap: &str) -> Option<&'static [Option<Answers>]> {
        match self.format {
            Format::Embedded => mini::answered(tap),
            _ => None,
        }
    }

    /// What a unit is known to answer to.
    pub fn answers(&self, tap: &str, channel: usize) -> Option<Answers> {
        self.answered(tap)?.get(channel)?.clone()
    }
}
