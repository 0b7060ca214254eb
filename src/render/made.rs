//! What a measured picture is, and the files that it becomes.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Tensor;

use super::finished::Finished;
use super::{Climb, Climbed};
use crate::ascent::quality::Measured;
use crate::ascent::{Rendered, Trace, Watch};
use crate::error::{Error, Kind, Result};
use crate::input::sha256;
use crate::model::Model;
use crate::model::conventions::Conventions;
use crate::model::mini::Answers;
use crate::output::file::Pending;
use crate::output::sidecar::{PictureEntry, SCHEMA, Sidecar, Timing, UnitEntry, WeightsEntry};
use crate::output::{file, picture};
use crate::recipe::Recipe;

/// A picture that is measured, unless it was stopped, and not written yet.
pub struct Made<'a> {
    model: &'a Model,
    recipe: Recipe,
    steps_asked: usize,
    rendered: Rendered,
    measured: Option<Measured>,
    answers: Option<Answers>,
    climb: Climb,
}

impl<'a> Made<'a> {
    /// Measures what has climbed, if it is whole and `watch` does not stop that.
    ///
    /// # Errors
    /// When it was stopped before its first step, or a number is not finite.
    pub(super) fn new(climbed: Climbed<'a>, watch: &dyn Watch) -> Result<Self> {
        let is_whole = climbed.is_whole();
        let Climbed {
            renderer,
            asked,
            job,
            rendered,
            climb,
        } = climbed;
        if rendered.steps_done == 0 {
            return Err(Error::new(
                Kind::Interrupted,
                format!("{} was stopped before its first step", asked.objective),
            ));
        }
        let measure = || renderer.judge.measure(&job, &rendered, watch);
        let measured = match is_whole.then(measure) {
            Some(Err(error)) if error.kind() == Kind::Interrupted => None,
            measured => measured.transpose()?,
        };
        let unit = asked.objective.first_unit();
        Ok(Self {
            model: renderer.model(),
            answers: unit.and_then(|unit| renderer.model().answers(unit.tap, unit.channel)),
            steps_asked: asked.ascent.steps,
            recipe: asked.of_steps(rendered.steps_done),
            rendered,
            measured,
            climb,
        })
    }

    /// Whether the first unit is made small: what it answers to is then not what the picture shows.
    fn is_silenced(&self) -> bool {
        let unit = self.recipe.objective.first_unit();
        unit.is_some_and(|unit| unit.is_silenced())
    }

    /// What it is made by, with the steps that it did.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Whether it did all steps that were asked for.
    pub fn is_whole(&self) -> bool {
        self.recipe.ascent.steps == self.steps_asked
    }

    /// Steps that were asked for, where it was stopped before.
    fn steps_missed(&self) -> Option<usize> {
        (!self.is_whole()).then_some(self.steps_asked)
    }

    /// What was measured; nothing where it was stopped before.
    pub fn measured(&self) -> Option<&Measured> {
        self.measured.as_ref()
    }

    /// Its share of the seconds that its batch climbed; on a GPU also of looking at the batch's pictures.
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
        run: Option<(WeightsEntry<Conventions>, Timing)>,
    ) -> Result<Vec<u8>> {
        let (weights, timing) = run.unzip();
        let unit = self.recipe.objective.first_unit();
        let document = Sidecar {
            schema: SCHEMA,
            percept: env!("CARGO_PKG_VERSION"),
            recipe: &self.recipe,
            unit: unit.map(|unit| UnitEntry {
                tap: unit.tap,
                channel: unit.channel,
                answers: self.answers.clone().filter(|_| !self.is_silenced()),
            }),
            picture,
            checkpoints,
            weights,
            steps_asked: self.steps_missed(),
            quality: self.measured.as_ref().map(|measured| &measured.quality),
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
    /// When the system refuses, or a file that percept did not write lies in a place; nothing new is then there.
    pub fn write(self, path: &Path) -> Result<Finished> {
        // Nothing takes its place before everything is on disk.
        let mut staged = Vec::new();
        let mut checkpoints = Vec::new();
        for (step, image) in &self.rendered.checkpoints {
            let recipe = self.recipe.clone().of_steps(*step);
            let path = checkpoint(path, *step);
            checkpoints.push(stage(&path, encode(&recipe, image, &path)?, &mut staged)?);
        }
        let entry = stage(path, self.picture(path)?, &mut staged)?;
        let sidecar = path.with_extension("json");
        let run = (weights(self.model), self.climb.timing(&self.rendered.trace));
        let document = self.sidecar(entry, checkpoints, Some(run))?;
        staged.push(file::stage(&sidecar, &document)?);
        file::finish(staged.into_iter().map(Ok))?;
        Ok(self.finished(path))
    }

    /// As [`Made::write`], at the first of `NAME.png`, `NAME-2.png`, ... where nothing lies yet; at the first
    /// where this very picture lies already nothing is written.
    ///
    /// # Errors
    /// As [`Made::write`].
    pub fn write_beside(self, path: &Path) -> Result<Finished> {
        let (bytes, _) = self.picture(path)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let is_there = |path: &Path| path.symlink_metadata().is_ok();
        let mut place = path.to_owned();
        let mut number = 2;
        while is_there(&place) || is_there(&place.with_extension("json")) {
            let is_same = fs::read(&place).is_ok_and(|found| found == bytes);
            if is_same && place.with_extension("json").is_file() {
                return Ok(self.finished(&place));
            }
            place = path.with_file_name(format!("{stem}-{number}.png"));
            number += 1;
        }
        self.write(&place)
    }

    fn finished(self, path: &Path) -> Finished {
        let added = self.recipe.added();
        let steps_asked = self.steps_missed();
        let (answers, silenced) = match self.is_silenced() {
            true => (None, self.answers),
            false => (self.answers, None),
        };
        Finished {
            picture: path.to_owned(),
            sidecar: path.with_extension("json"),
            objective: self.recipe.objective.to_string(),
            steps: self.recipe.ascent.steps,
            steps_asked,
            quality: self.measured.map(|measured| measured.quality),
            answers,
            seconds: self.climb.seconds,
            added: added.map(|penalty| (self.recipe.ascent.preset, penalty)),
            silenced,
        }
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

/// Every file that comes of a recipe whose picture is `path`.
pub fn files(recipe: &Recipe, path: &Path) -> Vec<PathBuf> {
    let checkpoints = recipe.ascent.checkpoints.iter();
    let checkpoints = checkpoints.map(|&step| checkpoint(path, step));
    let others = [path.with_extension("json"), path.to_owned()];
    checkpoints.chain(others).collect()
}

fn checkpoint(path: &Path, step: usize) -> PathBuf {
    path.with_extension(format!("step{step}.png"))
}

fn weights(model: &Model) -> WeightsEntry<'_, Conventions> {
    WeightsEntry {
        origin: model.origin.clone(),
        format: model.format.to_string(),
        conventions: &model.conventions,
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
        step: recipe.ascent.steps,
        canvas: recipe.ascent.size,
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
