//! What will run: every default filled in, every value checked. The only home of defaults, and
//! what is saved beside every picture.

mod options;
mod range;
mod request;

pub use request::{DEFAULT_PRESET, Request};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

use crate::ascent::{Job, Settings};
use crate::device::{self, Device, DeviceKind, Dtype};
use crate::error::{Error, Kind, Result, bail, shorten};
use crate::model::Model;
use crate::model::conventions::Recorded;
use crate::model::spec::Activation;
use crate::model::weights::Format;
use crate::objective::{Bound, Objective, Sources};
use crate::seed::Key;
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

/// The version of the recipe's layout, and of what its randomness is addressed by.
pub const SCHEMA: u32 = 2;

/// Of recipes that do not say: their randomness is addressed by the objective as it is spelled.
const FIRST_SCHEMA: u32 = 1;

/// One picture, complete: the same recipe makes the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The layout's version; recipes of the first do not have it, and keep to it.
    #[serde(
        default = "first_schema",
        deserialize_with = "known_schema",
        skip_serializing_if = "is_first"
    )]
    pub schema: u32,
    /// The weights.
    pub model: ModelEntry,
    /// What is climbed, penalties included, every tap written out.
    pub objective: Objective,
    /// The SHA-256 of each file that the objective names; the first layout called them vectors.
    #[serde(default, alias = "vectors", skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<PathBuf, String>,
    /// Of each text that the objective names what decides its embedding besides the weights, as a SHA-256.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub texts: BTreeMap<String, String>,
    /// The root of all randomness.
    pub seed: u64,
    /// Which of the unit's pictures under this seed.
    pub variant: u32,
    /// How many variants are made together, from 0 on, where the objective compares them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<u32>,
    /// How it climbs.
    #[serde(flatten)]
    pub ascent: Settings,
    /// How many times the PNG is enlarged.
    pub scale: u32,
    /// What it runs on.
    pub device: DeviceKind,
    /// How the encoder's activations are stored; on a CPU always `f32`.
    pub dtype: Dtype,
}

fn first_schema() -> u32 {
    FIRST_SCHEMA
}

/// Tells a later percept's recipe before a field of it is found strange.
fn known_schema<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<u32, D::Error> {
    let schema = u32::deserialize(deserializer)?;
    if !(FIRST_SCHEMA..=SCHEMA).contains(&schema) {
        return Err(serde::de::Error::custom(format_args!(
            "the recipe has the layout {schema}, and this percept reads {FIRST_SCHEMA} and {SCHEMA}: use the version that wrote it"
        )));
    }
    Ok(schema)
}

fn is_first(schema: &u32) -> bool {
    *schema == FIRST_SCHEMA
}

impl Recipe {
    /// Checks a recipe that was read from a file as one that was typed.
    ///
    /// # Errors
    /// When a value is out of range or the objective does not fit the model.
    pub fn check(&self, sources: &Sources) -> Result<()> {
        let model = sources.model();
        self.check_schema()?;
        self.check_together()?;
        range::check(&self.ascent, self.scale)?;
        device::check(self.device, self.dtype)?;
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
        let found = files(&self.objective, sources).map_err(|error| {
            error
                .context("the recipe's files are looked for from the folder that percept is run in")
        })?;
        for (file, sha256) in &found {
            if self.files.get(file) != Some(sha256) {
                bail!(
                    Input,
                    "{} is not the file that the recipe was made with: put that one back",
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
        Bound::new(&self.objective, sources)?.check_positions(&model.encoder, self.ascent.size)
    }

    /// # Errors
    /// When this percept would draw other random numbers than the one that made it.
    fn check_schema(&self) -> Result<()> {
        match self.objective.files().next() {
            Some(file) if self.schema == FIRST_SCHEMA => bail!(
                Input,
                "the recipe is of an earlier percept, whose random numbers depended on where {} lay: use that version, or render {} anew",
                file.display(),
                self.objective
            ),
            _ => Ok(()),
        }
    }

    /// The same, ended after so many steps.
    #[must_use]
    pub fn of_steps(mut self, steps: usize) -> Self {
        self.ascent.steps = steps;
        self
    }

    /// What it runs on: the first GPU where that is a GPU.
    pub fn device(&self) -> Device {
        self.device.first()
    }

    /// The penalty that the preset added to what was typed, as it is spelled after it.
    pub fn added(&self) -> Option<&'static str> {
        preset(&self.ascent.preset)?.penalty
    }

    /// The image to be made, with those that are made together with it.
    ///
    /// # Errors
    /// When the objective does not fit the model.
    pub fn job(&self, sources: &Sources) -> Result<Job> {
        let address = self.address();
        let key = |variant| Key::new(self.seed, &address, variant);
        let keys = match self.together {
            Some(count) => (0..count).map(key).collect(),
            None => vec![key(self.variant)],
        };
        Job::group(&self.objective, sources, keys)
    }

    /// What its randomness is addressed by.
    fn address(&self) -> String {
        let digest = |file: &Path| self.files.get(file).cloned().unwrap_or_default();
        match self.schema {
            FIRST_SCHEMA => self.objective.to_string(),
            _ => self.objective.address(digest),
        }
    }

    /// What all pictures that are made together have alike: the recipe of the first; its own where it is made alone.
    #[must_use]
    pub fn of_group(&self) -> Self {
        let first = Self {
            variant: 0,
            ..self.clone()
        };
        match self.together {
            Some(_) => first,
            None => self.clone(),
        }
    }

    /// Pictures that are made together with it, itself among them.
    pub fn pictures(&self) -> usize {
        self.together.map_or(1, |count| count as usize)
    }

    /// # Errors
    /// When pictures are to be compared that are not made together, or too many or few are.
    fn check_together(&self) -> Result<()> {
        match (self.objective.compares_pictures(), self.together) {
            (false, None) => Ok(()),
            (true, Some(count)) if self.variant < count => range::check_together(count),
            _ => bail!(
                Input,
                "the recipe's objective, variant and together do not fit each other: put back what was changed"
            ),
        }
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

/// The SHA-256 of each file that an objective names.
fn files(objective: &Objective, sources: &Sources) -> Result<BTreeMap<PathBuf, String>> {
    objective
        .files()
        .map(|file| Ok((file.to_owned(), sources.file(file)?.digest().to_owned())))
        .collect()
}

/// Of each text that an objective names what decides its embedding besides the weights.
fn texts(objective: &Objective, model: &Model) -> Result<BTreeMap<String, String>> {
    objective
        .texts()
        .map(|text| Ok((text.to_owned(), model.texts()?.digest(text)?)))
        .collect()
}
