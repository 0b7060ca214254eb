//! What was asked for, and how it becomes recipes.

use super::{ModelEntry, Recipe, SCHEMA, files, range, texts};
use crate::ascent::Settings;
use crate::device::{self, Device, Dtype};
use crate::error::{Result, bail, did_you_mean, shorten};
use crate::model::Model;
use crate::model::hint::instead;
use crate::objective::{Bound, Objective, Sources, parse_units};
use crate::param::Basis;
use crate::size::Size;
use crate::transform::preset::{self, Preset, preset};

/// The preset that is used when none is named.
pub const DEFAULT_PRESET: &str = "lucid";

/// For how many steps lucid redirects ReLUs.
const REDIRECT_STEPS: usize = 16;

/// The most pictures of one command.
const MOST_PICTURES: usize = 100_000;

/// What the longer side of a picture is enlarged to at least.
const SMALLEST_PICTURE: usize = 256;

/// The factor that brings a canvas' longer side to 256 pixels or more.
pub(super) fn default_scale(canvas: Size) -> u32 {
    SMALLEST_PICTURE.div_ceil(canvas.longest().max(1)) as u32
}

/// For how many steps ReLUs are redirected where nothing else is asked for.
pub(super) fn default_redirect(bound: &Bound, model: &Model) -> usize {
    match bound.reads_after_relu(&model.encoder) {
        true => REDIRECT_STEPS,
        false => 0,
    }
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
    /// The size of the canvas; the model's input size by default.
    pub size: Option<Size>,
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
    /// What it runs on.
    pub device: Device,
    /// How activations are stored.
    pub dtype: Dtype,
}

impl Request {
    /// The recipes of all pictures that are asked for, unit by unit, its variants together.
    ///
    /// # Errors
    /// When a value is out of range, or a unit, tap or preset does not exist: says what can be
    /// given instead.
    pub fn resolve(&self, sources: &Sources) -> Result<Vec<Recipe>> {
        let model = sources.model();
        device::check(self.device.kind(), self.dtype)?;
        let preset = self.preset()?;
        let ascent = self.ascent(&preset, model);
        let scale = self.scale.unwrap_or_else(|| default_scale(ascent.size));
        let variants = self.variants.unwrap_or(1);
        range::check_checkpoints(&ascent.checkpoints, ascent.steps)?;
        range::check(&ascent, scale)?;
        range::check_variants(variants)?;
        let mut recipes: Vec<Recipe> = Vec::new();
        for text in &self.units {
            let asked = parse_units(text);
            let asked = asked.map_err(|error| instead(model, text).unwrap_or(error))?;
            let mut redirect = 0;
            for last in asked.lasts() {
                let bound = Bound::new(&self.objective(last, &preset, model)?, sources)?;
                bound.check_positions(&model.encoder, ascent.size)?;
                redirect = default_redirect(&bound, model);
            }
            for unit in asked.objectives() {
                let objective = self.objective(unit, &preset, model)?;
                let files = files(&objective, sources)?;
                let texts = texts(&objective, model)?;
                let together = objective.compares_pictures().then_some(variants);
                together.map_or(Ok(()), range::check_together)?;
                if recipes.len() + variants as usize > MOST_PICTURES {
                    bail!(
                        Request,
                        "more than {MOST_PICTURES} pictures are asked for: give fewer units or variants at a time"
                    );
                }
                for variant in 0..variants {
                    recipes.push(Recipe {
                        schema: SCHEMA,
                        model: ModelEntry::of(model),
                        objective: objective.clone(),
                        files: files.clone(),
                        texts: texts.clone(),
                        seed: self.seed.unwrap_or(0),
                        variant,
                        together,
                        ascent: Settings {
                            redirect_steps: self.redirect_steps.unwrap_or(redirect),
                            ..ascent.clone()
                        },
                        scale,
                        device: self.device.kind(),
                        dtype: self.dtype,
                    });
                }
            }
        }
        Ok(recipes)
    }

    /// How all of it climbs, but for the ReLUs that a unit's tap may want redirected.
    fn ascent(&self, preset: &Preset, model: &Model) -> Settings {
        Settings {
            size: self
                .size
                .unwrap_or(Size::square(model.encoder.resolution())),
            steps: self.steps.unwrap_or(preset.steps),
            learning_rate: self.learning_rate.unwrap_or(preset.learning_rate),
            preset: preset.name.to_owned(),
            transforms: preset.transforms.clone(),
            basis: self.basis.unwrap_or(Basis::Fourier { decay: 1.0 }),
            redirect_steps: self.redirect_steps.unwrap_or(0),
            checkpoints: self.checkpoints.clone(),
        }
    }

    fn preset(&self) -> Result<Preset> {
        let name = self.preset.as_deref().unwrap_or(DEFAULT_PRESET);
        match preset(name) {
            Some(preset) => Ok(preset),
            None => bail!(
                Request,
                "there is no preset {}: give --preset {}{}",
                shorten(name),
                preset::NAMES.join(", "),
                did_you_mean(name, preset::NAMES)
            ),
        }
    }

    fn objective(&self, unit: Objective, preset: &Preset, model: &Model) -> Result<Objective> {
        let default = &model.encoder.tap(model.encoder.default_tap()).name;
        let unit = unit.with_default_tap(default);
        let unit = if self.negative {
            unit.suppressing()
        } else {
            unit
        };
        Ok(match preset.penalty {
            Some(penalty) => unit + penalty.parse()?,
            None => unit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_canvas_is_enlarged_to_256_pixels_or_more() {
        assert_eq!(
            [16, 64, 100, 224, 256, 4096].map(|side| default_scale(Size::square(side))),
            [16, 4, 3, 2, 1, 1]
        );
        let wide = Size {
            height: 16,
            width: 128,
        };
        assert_eq!(default_scale(wide), 2);
    }
}
