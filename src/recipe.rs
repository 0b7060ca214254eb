//! What will run: every default filled in, every value checked. The only home of defaults, and
//! what is saved beside every picture.

mod options;
mod range;
mod request;

pub use range::{check_decay, parse_size};
pub use request::{DEFAULT_PRESET, Request};

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ascent::{Job, Settings};
use crate::device::{self, Device, Dtype};
use crate::error::{Error, Kind, Result, bail, shorten};
use crate::input;
use crate::model::Model;
use crate::model::conventions::Recorded;
use crate::model::spec::Activation;
use crate::model::weights::Format;
use crate::objective::{Bound, Objective};
use crate::param::Basis;
use crate::seed::Key;
use crate::transform::Transform;
use crate::transform::preset::preset;

/// Which weights a recipe needs, and how they are to be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// What was typed: a known name, a hub id or a path.
    pub name: String,
    /// Of the weight file.
    pub sha256: String,
    /// Of the transformers' MLPs.
    pub activation: Activation,
    /// Which of several image encoders in the weight file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// What else decides the numbers; absent for the embedded model, which has one way, and in recipes of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conventions: Option<Recorded>,
}

impl ModelEntry {
    /// The weights of a model that is loaded.
    pub fn of(model: &Model) -> Self {
        Self {
            name: model.name.clone(),
            sha256: model.digest.clone(),
            activation: model.conventions.activation.value,
            conventions: match model.format {
                Format::Embedded => None,
                _ => Some(model.conventions.recorded()),
            },
            prefix: model.prefix.clone(),
        }
    }

    /// Checks that a model with these weights computes with them what it did. Earlier versions, which recorded
    /// nothing of it, had one epsilon.
    ///
    /// # Errors
    /// When it does not: says what differs.
    pub fn check_conventions(&self, model: &Model) -> Result<()> {
        let now = model.conventions.recorded();
        let then = self.conventions.unwrap_or(now.of_earlier_versions());
        let Some((what, then, now)) = then.difference(&now) else {
            return Ok(());
        };
        bail!(
            Input,
            "the weights are used in another way: the {what} was {then}, and is now {now}; put the configuration files back that lay beside {}",
            model.origin
        )
    }
}

/// One picture, complete: the same recipe makes the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The weights.
    pub model: ModelEntry,
    /// What is climbed, penalties included, every tap written out.
    pub objective: Objective,
    /// The SHA-256 of each vector file that the objective names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vectors: BTreeMap<PathBuf, String>,
    /// Of each text that the objective names what decides its embedding besides the weights, as a SHA-256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub texts: BTreeMap<String, String>,
    /// The root of all randomness.
    pub seed: u64,
    /// Which of the unit's pictures under this seed.
    pub variant: u32,
    /// Side of the canvas in pixels.
    pub size: usize,
    /// Steps of the ascent.
    pub steps: usize,
    /// Adam's step length.
    pub learning_rate: f64,
    /// The preset that the transforms came from.
    pub preset: String,
    /// The transforms of each step.
    pub transforms: Vec<Transform>,
    /// The parameterisation.
    pub basis: Basis,
    /// For how many steps ReLUs are redirected.
    pub redirect_steps: usize,
    /// Steps after which a copy is kept.
    pub checkpoints: Vec<usize>,
    /// How many times the PNG is enlarged.
    pub scale: u32,
    /// What it runs on, `cpu` or `cuda`.
    pub device: String,
    /// How the encoder's activations are stored: `f32`, or on a GPU `f16` or `bf16`.
    pub dtype: String,
}

impl Recipe {
    /// Checks a recipe that was read from a file as one that was typed.
    ///
    /// # Errors
    /// When a value is out of range or the objective does not fit the model.
    pub fn check(&self, model: &Model) -> Result<()> {
        range::check_numbers(self.size, self.steps, self.learning_rate, self.scale, 1)?;
        if let Basis::Fourier { decay } = self.basis {
            check_decay(decay)?;
        }
        for transform in &self.transforms {
            range::check_transform(transform)?;
        }
        let (device, dtype) = self.device()?;
        device::check(&device, dtype)?;
        if self.model.sha256 != model.digest {
            bail!(
                Input,
                "the recipe was made with other weights: it asks for sha256 {}, {} has {}",
                self.model.sha256,
                model.origin,
                model.digest
            );
        }
        self.model.check_conventions(model)?;
        let found = vectors(&self.objective).map_err(|error| {
            error
                .context("the recipe's vector is looked for from the folder that percept is run in")
        })?;
        for (file, sha256) in &found {
            if self.vectors.get(file) != Some(sha256) {
                bail!(
                    Input,
                    "the vector {} is not the one that the recipe was made with",
                    file.display()
                );
            }
        }
        for (text, digest) in texts(&self.objective, model)? {
            if self.texts.get(&text) != Some(&digest) {
                bail!(
                    Input,
                    "the text \"{}\" is not read as it was when the recipe was made: put the configuration files back that lay beside {}, or use the percept of then",
                    shorten(&text),
                    model.origin
                );
            }
        }
        Bound::new(&self.objective, model)?.check_positions(&model.encoder, self.size)
    }

    /// What it runs on, the first GPU where that is a GPU, and how activations are stored.
    ///
    /// # Errors
    /// When the recipe names something else.
    pub fn device(&self) -> Result<(Device, Dtype)> {
        let unknown = |error: Error| {
            error.context(format!(
                "the recipe asks for {} in {}",
                self.device, self.dtype
            ))
        };
        Ok((
            self.device.parse().map_err(unknown)?,
            self.dtype.parse().map_err(unknown)?,
        ))
    }

    /// What the ascent needs to know.
    pub fn settings(&self) -> Settings {
        Settings {
            basis: self.basis,
            size: self.size,
            steps: self.steps,
            learning_rate: self.learning_rate,
            transforms: self.transforms.clone(),
            redirect_steps: self.redirect_steps,
            checkpoints: self.checkpoints.clone(),
        }
    }

    /// The penalty that the preset added to what was typed, as it is spelled after it.
    pub fn added(&self) -> Option<&'static str> {
        preset(&self.preset)?.penalty
    }

    /// The image to be made.
    ///
    /// # Errors
    /// When the objective does not fit the model.
    pub fn job(&self, model: &Model) -> Result<Job> {
        let key = Key::new(self.seed, self.objective.to_string(), self.variant);
        Job::new(&self.objective, model, key)
    }

    /// The recipe as it is written into a PNG.
    ///
    /// # Errors
    /// When a path in it is not Unicode.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|source| Error::new(Kind::Input, "cannot write the recipe").caused_by(source))
    }
}

/// The SHA-256 of each vector file that an objective names.
fn vectors(objective: &Objective) -> Result<BTreeMap<PathBuf, String>> {
    objective
        .files()
        .map(|file| Ok((file.to_owned(), input::digest(file)?)))
        .collect()
}

/// Of each text that an objective names what decides its embedding besides the weights.
fn texts(objective: &Objective, model: &Model) -> Result<BTreeMap<String, String>> {
    objective
        .texts()
        .map(|text| Ok((text.to_owned(), model.texts()?.digest(text)?)))
        .collect()
}
