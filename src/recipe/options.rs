//! A recipe as the options of `percept render` that make the same picture.

use super::request::{DEFAULT_PRESET, default_redirect, default_scale};
use super::{ModelEntry, Recipe};
use crate::ascent::Settings;
use crate::device::{DeviceKind, Dtype};
use crate::error::Result;
use crate::model::Model;
use crate::model::spec::KNOWN;
use crate::model::weights::Format;
use crate::objective::{Bound, Sources};
use crate::param::Basis;
use crate::size::Size;
use crate::transform::preset::preset;

impl Recipe {
    /// The options that differ from `percept render`'s defaults for this model, but for `--negative` and
    /// `--variants`. `None` where no options make this recipe, such as one with transforms of its own.
    ///
    /// # Errors
    /// When the objective does not fit the model.
    pub fn options(&self, model: &Model) -> Result<Option<Vec<String>>> {
        let Some(preset) =
            preset(&self.ascent.preset).filter(|p| p.transforms == self.ascent.transforms)
        else {
            return Ok(None);
        };
        let bound = Bound::new(&self.objective, &Sources::new(model))?;
        let mut options = model_options(&self.model, model);
        let mut give = |is_default: bool, option: &str, value: String| {
            if !is_default {
                options.extend([option.to_owned(), value]);
            }
        };
        let Settings {
            size,
            steps,
            learning_rate,
            basis,
            redirect_steps: redirect,
            ..
        } = &self.ascent;
        let is_default = preset.name == DEFAULT_PRESET;
        give(is_default, "--preset", preset.name.to_owned());
        give(*steps == preset.steps, "--steps", steps.to_string());
        let is_default = *learning_rate == preset.learning_rate;
        give(is_default, "--lr", learning_rate.to_string());
        let is_default = *size == Size::square(model.encoder.resolution());
        give(is_default, "--size", size.to_string());
        give(self.seed == 0, "--seed", self.seed.to_string());
        if let Basis::Fourier { decay } = basis {
            give(*decay == 1.0, "--decay", decay.to_string());
        }
        let is_default = *redirect == default_redirect(&bound, model);
        give(is_default, "--redirect", redirect.to_string());
        let is_default = self.scale == default_scale(*size);
        give(is_default, "--scale", self.scale.to_string());
        give(
            self.device == DeviceKind::Cpu,
            "--device",
            self.device.to_string(),
        );
        give(self.dtype == Dtype::F32, "--dtype", self.dtype.to_string());
        if *basis == Basis::Pixel {
            options.push("--pixel".to_owned());
        }
        Ok(Some(options))
    }
}

/// Which model; an activation that the name does not tell is told.
fn model_options(entry: &ModelEntry, model: &Model) -> Vec<String> {
    if model.format == Format::Embedded {
        return Vec::new();
    }
    let mut options = vec!["--model".to_owned(), entry.name.clone()];
    if let Some(prefix) = &entry.prefix {
        options.extend(["--prefix".to_owned(), prefix.clone()]);
    }
    let is_known = KNOWN.iter().any(|known| known.name == entry.name);
    if model.sees_by_transformer() && !is_known {
        options.extend(["--activation".to_owned(), entry.activation.to_string()]);
    }
    options
}
