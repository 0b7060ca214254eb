//! A CLIP: where its weights lie, what they are made of, its two towers.

pub mod conventions;
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
use crate::error::{Result, bail};
use conventions::{Conventions, Known};
use mini::Answers;
use preprocess::{Fit, Normalisation, Preprocessing};
use spec::Activation;
use statistics::Statistics;
use text::{NoText, Text};
use weights::downloads::{Downloads, Silent};
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
    /// What decides its numbers beside the weights.
    pub conventions: Conventions,
    /// The image encoder.
    pub encoder: Encoder,
    /// The text encoder, or why there is none.
    pub text: std::result::Result<Text, NoText>,
    /// The prefix of the image encoder's tensors, where the weights hold several.
    pub prefix: Option<String>,
    /// What a user should know of how the weights were read.
    pub remark: Option<String>,
}

/// How to load a model.
#[derive(Debug, Clone)]
pub struct Options<'w> {
    /// The beginning of the names of the image encoder's tensors, where the weights hold several.
    pub prefix: Option<String>,
    /// Overrules the activation that the checkpoint or its origin implies.
    pub activation: Option<Activation>,
    /// The encoder's element type.
    pub dtype: DType,
    /// Is told of what is fetched from the hub.
    pub downloads: &'w dyn Downloads,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            prefix: None,
            activation: None,
            dtype: DType::F32,
            downloads: &Silent,
        }
    }
}

impl Model {
    /// Loads `mini`, a known name, a hub id or a path.
    ///
    /// # Errors
    /// When there is no such model, or its weights are not those of a CLIP: a missing,
    /// misshapen or foreign tensor is named.
    pub fn load(name: &str, options: Options<'_>) -> Result<Self> {
        let source = spec::Source::parse(name)?;
        let checkpoint = weights::load(&source, options.prefix.as_deref(), options.downloads)?;
        Self::build(name, checkpoint, options)
    }

    fn build(name: &str, checkpoint: Checkpoint, options: Options<'_>) -> Result<Self> {
        let Checkpoint {
            tensors,
            digest,
            origin,
            format,
            config,
            otherwise,
            prefix,
            remark,
        } = checkpoint;
        let told = options.activation;
        let told = told.map(|activation| Known::new(activation, conventions::Source::Told));
        let activation = told.or(config.activation);
        let activation = activation.unwrap_or(Known::new(Activation::QuickGelu, otherwise));
        let mut declared = config.declared;
        if told.is_some() {
            declared.text.gelu = None;
        }
        let mut weights = Weights::new(tensors, &origin);
        let architecture =
            Architecture::of(&weights, &origin, declared.clone(), activation.value.gelu())?;
        let encoder = Encoder::new(&architecture, &mut weights, options.dtype)?;
        let text = Text::take(
            &mut weights,
            &origin,
            format,
            declared.clone(),
            &architecture,
        );
        weights.finish()?;
        let declared_by = |is_told: bool| match config.declared_by {
            Some(source) if is_told => source,
            _ => otherwise,
        };
        let head_width = declared_by(declared.vision_head_width.is_some());
        let epsilon = declared_by(declared.vision_epsilon.is_some());
        let usual = Preprocessing::Fit(Fit::CLIP);
        Ok(Self {
            name: name.to_owned(),
            origin,
            format,
            digest,
            conventions: Conventions {
                activation,
                head_width: Known::new(architecture.head_width(), head_width),
                layer_norm_epsilon: Known::new(architecture.epsilon(), epsilon),
                normalisation: config
                    .normalisation
                    .unwrap_or(Known::new(Normalisation::CLIP, otherwise)),
                preprocessing: config.preprocessing.unwrap_or(Known::new(usual, otherwise)),
            },
            architecture,
            encoder,
            text,
            prefix,
            remark,
        })
    }

    /// Whether any part of the model uses the activation.
    pub fn has_transformer(&self) -> bool {
        self.sees_by_transformer() || self.text.is_ok()
    }

    /// The text encoder.
    ///
    /// # Errors
    /// When the model embeds no texts: says why.
    pub fn texts(&self) -> Result<&Text> {
        match &self.text {
            Ok(text) => Ok(text),
            Err(reason) => bail!(
                Request,
                "{} embeds no texts: {reason}; what needs none works with it",
                self.origin
            ),
        }
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
