//! What will run: every default filled in, every value checked. The only home of defaults, and
//! what is saved beside every picture.

use serde::{Deserialize, Serialize};

use crate::ascent::{Job, Settings};
use crate::error::{Result, bail};
use crate::model::Model;
use crate::model::spec::Activation;
use crate::objective::{Bound, Objective, parse_units};
use crate::param::Basis;
use crate::seed::Key;
use crate::transform::Transform;
use crate::transform::preset::{self, Preset, preset};

/// The canvas sizes that make sense: from a few cells of a ResNet's grid to what memory allows.
const SIZES: std::ops::RangeInclusive<usize> = 16..=4096;

/// The most steps of an ascent.
const MOST_STEPS: usize = 1_000_000;

/// The most variants of one unit.
const MOST_VARIANTS: u32 = 10_000;

/// The largest side of a PNG.
const LARGEST_PICTURE: usize = 16_384;

/// The preset that is used when none is named.
const DEFAULT_PRESET: &str = "lucid";

/// For how many steps lucid redirects ReLUs.
const REDIRECT_STEPS: usize = 16;

/// Which weights a recipe needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// What was typed: a known name, a hub id or a path.
    pub name: String,
    /// Of the weight file.
    pub sha256: String,
    /// Of the transformers' MLPs.
    pub activation: Activation,
}

/// One picture, complete: the same recipe makes the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The weights.
    pub model: ModelEntry,
    /// The spelling of the objective, penalties included, every tap written out.
    pub objective: String,
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
    /// What it runs on.
    pub device: String,
    /// The encoder's element type.
    pub dtype: String,
}

/// The side that a picture is enlarged to at least.
const SMALLEST_PICTURE: usize = 256;

/// The factor that brings a canvas to 256 pixels or more.
fn default_scale(canvas: usize) -> u32 {
    SMALLEST_PICTURE.div_ceil(canvas.max(1)) as u32
}

/// What a user may ask for; everything left out gets its default.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Units, ranges, lists or objectives, as typed.
    pub units: Vec<String>,
    /// Makes each unit smaller instead of larger.
    pub negative: bool,
    /// Pictures of each unit.
    pub variants: Option<u32>,
    /// A preset's name.
    pub preset: Option<String>,
    /// Overrules the preset's.
    pub steps: Option<usize>,
    /// Overrules the preset's.
    pub learning_rate: Option<f64>,
    /// Side of the canvas; the model's input size by default.
    pub size: Option<usize>,
    /// The root of all randomness, 0 by default.
    pub seed: Option<u64>,
    /// Fourier with decay 1 by default.
    pub basis: Option<Basis>,
    /// 16 for taps after a ReLU by default, otherwise 0.
    pub redirect_steps: Option<usize>,
    /// Steps after which a copy is kept.
    pub checkpoints: Vec<usize>,
    /// How many times the PNG is enlarged; to at least 256 pixels by default.
    pub scale: Option<u32>,
}

impl Request {
    /// The recipes of all pictures that are asked for, unit by unit, its variants together.
    ///
    /// # Errors
    /// When a value is out of range, or a unit, tap or preset does not exist: says what can be
    /// given instead.
    pub fn resolve(&self, model: &Model) -> Result<Vec<Recipe>> {
        let preset = self.preset()?;
        let size = self.size.unwrap_or(model.encoder.resolution());
        let steps = self.steps.unwrap_or(preset.steps);
        let rate = self.learning_rate.unwrap_or(preset.learning_rate);
        let scale = self.scale.unwrap_or_else(|| default_scale(size));
        let variants = self.variants.unwrap_or(1);
        check_numbers(size, steps, rate, scale, variants)?;
        self.check_checkpoints(steps)?;
        let mut recipes = Vec::new();
        for text in &self.units {
            for unit in parse_units(text)? {
                let objective = self.objective(unit, &preset, model)?;
                let bound = Bound::new(&objective, &model.encoder)?;
                let redirected = bound.reads_after_relu(&model.encoder);
                for variant in 0..variants {
                    recipes.push(Recipe {
                        model: entry(model),
                        objective: objective.to_string(),
                        seed: self.seed.unwrap_or(0),
                        variant,
                        size,
                        steps,
                        learning_rate: rate,
                        preset: preset.name.to_owned(),
                        transforms: preset.transforms.clone(),
                        basis: self.basis.unwrap_or(Basis::Fourier { decay: 1.0 }),
                        redirect_steps: self.redirect_steps.unwrap_or(if redirected {
                            REDIRECT_STEPS
                        } else {
                            0
                        }),
                        checkpoints: self.checkpoints.clone(),
                        scale,
                        device: "cpu".to_owned(),
                        dtype: "f32".to_owned(),
                    });
                }
            }
        }
        Ok(recipes)
    }

    fn preset(&self) -> Result<Preset> {
        let name = self.preset.as_deref().unwrap_or(DEFAULT_PRESET);
        match preset(name) {
            Some(preset) => Ok(preset),
            None => bail!(
                Request,
                "there is no preset {name}; there are {}",
                preset::NAMES.join(", ")
            ),
        }
    }

    fn objective(&self, unit: Objective, preset: &Preset, model: &Model) -> Result<Objective> {
        let default = &model.encoder.tap(model.encoder.default_tap()).name;
        let unit = unit.with_default_tap(default);
        let unit = if self.negative { -unit } else { unit };
        Ok(match preset.penalty {
            Some(penalty) => unit + penalty.parse()?,
            None => unit,
        })
    }

    fn check_checkpoints(&self, steps: usize) -> Result<()> {
        if let Some(step) = self
            .checkpoints
            .iter()
            .find(|&&step| step == 0 || step > steps)
        {
            bail!(
                Request,
                "there is no step {step} to keep: give steps from 1 to {steps}"
            );
        }
        Ok(())
    }
}

fn entry(model: &Model) -> ModelEntry {
    ModelEntry {
        name: model.name.clone(),
        sha256: model.digest.clone(),
        activation: model.activation,
    }
}

fn check_numbers(size: usize, steps: usize, rate: f64, scale: u32, variants: u32) -> Result<()> {
    if !SIZES.contains(&size) {
        bail!(
            Request,
            "a canvas of {size} pixels is out of range: give --size from {} to {}",
            SIZES.start(),
            SIZES.end()
        );
    }
    if !(1..=MOST_STEPS).contains(&steps) {
        bail!(
            Request,
            "{steps} steps is out of range: give --steps from 1 to {MOST_STEPS}"
        );
    }
    if !(rate.is_finite() && rate > 0.0) {
        bail!(
            Request,
            "a step length of {rate} cannot climb: give --lr a positive number such as 0.05"
        );
    }
    if scale == 0 || size.saturating_mul(scale as usize) > LARGEST_PICTURE {
        bail!(
            Request,
            "enlarging {size} pixels {scale} times is out of range: give --scale from 1 to {}",
            LARGEST_PICTURE / size
        );
    }
    if !(1..=MOST_VARIANTS).contains(&variants) {
        bail!(
            Request,
            "{variants} variants is out of range: give --variants from 1 to {MOST_VARIANTS}"
        );
    }
    Ok(())
}

impl Recipe {
    /// Checks a recipe that was read from a file as one that was typed.
    ///
    /// # Errors
    /// When a value is out of range or the objective does not fit the model.
    pub fn check(&self, model: &Model) -> Result<()> {
        check_numbers(self.size, self.steps, self.learning_rate, self.scale, 1)?;
        if let Basis::Fourier { decay } = self.basis {
            check_decay(decay)?;
        }
        for transform in &self.transforms {
            check_transform(transform)?;
        }
        if self.device != "cpu" || self.dtype != "f32" {
            bail!(
                Request,
                "the recipe asks for {} in {}; this percept runs on cpu in f32",
                self.device,
                self.dtype
            );
        }
        if self.model.sha256 != model.digest {
            bail!(
                Input,
                "the recipe was made with other weights: it asks for sha256 {}, {} has {}",
                self.model.sha256,
                model.origin,
                model.digest
            );
        }
        Bound::new(&self.objective.parse()?, &model.encoder)?;
        Ok(())
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

    /// The image to be made.
    ///
    /// # Errors
    /// When the objective cannot be read.
    pub fn job(&self) -> Result<Job> {
        Ok(Job {
            objective: self.objective.parse()?,
            key: Key::new(self.seed, self.objective.clone(), self.variant),
        })
    }

    /// The recipe as it is written into a PNG.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// # Errors
/// When the decay is no number, or so large that the spectrum overflows.
pub fn check_decay(decay: f64) -> Result<()> {
    if !(0.0..=4.0).contains(&decay) {
        bail!(
            Request,
            "a decay of {decay} is out of range: give --decay from 0 to 4 (lucid's is 1)"
        );
    }
    Ok(())
}

fn check_transform(transform: &Transform) -> Result<()> {
    let largest = *SIZES.end() as u32;
    let fits = match transform {
        Transform::Pad { pixels, .. } | Transform::Jitter { pixels } => *pixels <= largest,
        Transform::Scale { factors } => {
            factors.iter().all(|factor| (0.01..=100.0).contains(factor))
        }
        Transform::Rotate { degrees } => degrees.iter().all(|angle| angle.is_finite()),
        Transform::Crop => true,
    };
    if !fits {
        bail!(
            Input,
            "the recipe's transform {transform:?} is out of range"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_canvas_is_enlarged_to_256_pixels_or_more() {
        assert_eq!(
            [16, 64, 100, 224, 256, 4096].map(default_scale),
            [16, 4, 3, 2, 1, 1]
        );
    }
}
