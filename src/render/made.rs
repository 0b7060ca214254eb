//! What a finished picture is, and the files that it becomes.

use std::fmt;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use serde::Serialize;

use super::{Climb, Climbed};
use crate::ascent::quality::{Measured, Quality};
use crate::ascent::{Rendered, Trace};
use crate::error::{Error, Kind, Result};
use crate::input::sha256;
use crate::model::Model;
use crate::model::mini::Answers;
use crate::output::file::Pending;
use crate::output::sidecar::{PictureEntry, SCHEMA, Sidecar, Timing, UnitEntry, WeightsEntry};
use crate::output::{file, picture};
use crate::recipe::Recipe;

/// A picture that is measured and not written yet.
pub struct Made<'a> {
    model: &'a Model,
    recipe: Recipe,
    steps_asked: usize,
    rendered: Rendered,
    measured: Measured,
    answers: Option<Answers>,
    climb: Climb,
}

/// A picture that is on disk.
#[derive(Debug, Clone, Serialize)]
pub struct Finished {
    /// The PNG.
    pub picture: PathBuf,
    /// Its sidecar.
    pub sidecar: PathBuf,
    /// What was climbed.
    pub objective: String,
    /// Steps done.
    pub steps: usize,
    /// The quality numbers.
    pub quality: Quality,
    /// What the first unit is known to answer to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
    /// Seconds that its batch climbed; on a GPU also of looking at its pictures.
    pub seconds: f64,
}

impl<'a> Made<'a> {
    /// Measures what has climbed.
    ///
    /// # Errors
    /// When it was stopped before its first step, or a number is not finite.
    pub(super) fn new(climbed: Climbed<'a>) -> Result<Self> {
        let Climbed {
            renderer,
            asked,
            rendered,
            climb,
        } = climbed;
        if rendered.steps_done == 0 {
            return Err(Error::new(
                Kind::Interrupted,
                format!("{} was stopped before its first step", asked.objective),
            ));
        }
        let measured = renderer.judge.measure(&asked.objective, &rendered)?;
        let unit = asked.objective.first_unit();
        Ok(Self {
            model: renderer.model,
            answers: unit.and_then(|(_, tap, channel)| renderer.model.answers(tap, channel)),
            steps_asked: asked.steps,
            recipe: Recipe {
                steps: rendered.steps_done,
                ..asked
            },
            rendered,
            measured,
            climb,
        })
    }

    /// What was measured.
    pub fn measured(&self) -> &Measured {
        &self.measured
    }

    /// Seconds that its batch climbed; on a GPU also of looking at its pictures.
    pub fn seconds(&self) -> f64 {
        self.climb.seconds
    }

    /// Pictures in that batch.
    pub fn batch(&self) -> usize {
        self.climb.batch
    }

    /// The PNG, and what a sidecar says of it when it is called `name`.
    ///
    /// # Errors
    /// When a value is not finite.
    pub fn picture(&self, name: &Path) -> Result<(Vec<u8>, PictureEntry)> {
        encode(&self.recipe, &self.rendered.image, name)
    }

    /// A sidecar that holds nothing of this run: the same recipe gives the same bytes on any
    /// machine, in any batch.
    ///
    /// # Errors
    /// When a path in the recipe is not Unicode.
    pub fn lasting_sidecar(&self, picture: PictureEntry) -> Result<Vec<u8>> {
        self.sidecar(picture, Vec::new(), None)
    }

    fn sidecar(
        &self,
        picture: PictureEntry,
        checkpoints: Vec<PictureEntry>,
        run: Option<(WeightsEntry, Timing)>,
    ) -> Result<Vec<u8>> {
        let (weights, timing) = run.unzip();
        let unit = self.recipe.objective.first_unit();
        let document = Sidecar {
            schema: SCHEMA,
            percept: env!("CARGO_PKG_VERSION"),
            recipe: &self.recipe,
            unit: unit.map(|(_, tap, channel)| UnitEntry {
                tap,
                channel,
                answers: self.answers.clone(),
            }),
            picture,
            checkpoints,
            weights,
            steps_asked: (self.recipe.steps < self.steps_asked).then_some(self.steps_asked),
            quality: &self.measured.quality,
            trace: &self.rendered.trace,
            timing,
        };
        serde_json::to_vec_pretty(&document).map_err(|source| {
            Error::new(Kind::Internal, "cannot write a sidecar").caused_by(source)
        })
    }

    /// Writes the picture, its checkpoints and its sidecar beside it.
    ///
    /// # Errors
    /// When the system refuses; nothing new is then in its place.
    pub fn write(self, path: &Path) -> Result<Finished> {
        // Nothing takes its place before everything is on disk.
        let mut staged = Vec::new();
        let mut checkpoints = Vec::new();
        for (step, image) in &self.rendered.checkpoints {
            let recipe = Recipe {
                steps: *step,
                ..self.recipe.clone()
            };
            let path = path.with_extension(format!("step{step}.png"));
            checkpoints.push(stage(&path, encode(&recipe, image, &path)?, &mut staged)?);
        }
        let entry = stage(path, self.picture(path)?, &mut staged)?;
        let sidecar = path.with_extension("json");
        let run = (weights(self.model), self.climb.timing(&self.rendered.trace));
        let document = self.sidecar(entry, checkpoints, Some(run))?;
        staged.push(file::stage(&sidecar, &document)?);
        file::finish(staged.into_iter().map(Ok))?;
        Ok(Finished {
            picture: path.to_owned(),
            sidecar,
            objective: self.recipe.objective.to_string(),
            steps: self.recipe.steps,
            quality: self.measured.quality,
            answers: self.answers,
            seconds: self.climb.seconds,
        })
    }
}

impl Climb {
    fn timing(self, trace: &Trace) -> Timing {
        Timing {
            seconds: self.seconds,
            batch: self.batch,
            threads: rayon::current_num_threads(),
            at_step: trace.seconds.clone(),
        }
    }
}

fn weights(model: &Model) -> WeightsEntry {
    WeightsEntry {
        origin: model.origin.clone(),
        format: model.format.to_string(),
    }
}

fn stage(
    path: &Path,
    (bytes, entry): (Vec<u8>, PictureEntry),
    staged: &mut Vec<Pending>,
) -> Result<PictureEntry> {
    staged.push(file::stage(path, &bytes)?);
    Ok(entry)
}

fn encode(recipe: &Recipe, image: &Tensor, path: &Path) -> Result<(Vec<u8>, PictureEntry)> {
    let bytes = picture::encode(image, recipe.scale, &recipe.to_json()?)?;
    let entry = PictureEntry {
        file: path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        sha256: sha256(&bytes),
        step: recipe.steps,
        canvas: recipe.size,
        scale: recipe.scale,
        filter: if recipe.scale > 1 {
            picture::FILTER
        } else {
            "none"
        }
        .to_owned(),
    };
    Ok((bytes, entry))
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Quality {
            clean,
            robust_mean,
            robust_sd,
            ..
        } = self.quality;
        write!(f, "{}  {}", self.picture.display(), self.objective)?;
        write!(
            f,
            "  clean {clean:.2}  robust {robust_mean:.2} ± {robust_sd:.2}"
        )?;
        if let Some(selectivity) = &self.quality.selectivity {
            write!(
                f,
                "  rank {}/{} (z {:.1})",
                selectivity.rank, selectivity.of, selectivity.z
            )?;
        }
        if let Some(slope) = self.quality.spectrum_slope {
            write!(f, "  slope {slope:.2}")?;
        }
        if let Some(Answers {
            drawings, words, ..
        }) = &self.answers
            && let (Some(drawn), Some(written)) = (drawings.first(), words.first())
        {
            write!(f, "  answers to {drawn} (drawn), {written} (written)")?;
        }
        write!(f, "  {:.1} s", self.seconds)
    }
}
