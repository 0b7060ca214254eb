//! From recipes to files: a batch climbs together, is measured, and is written as it is done.

mod machine;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::Tensor;
use serde::Serialize;

use crate::ascent::quality::{Judge, Quality};
use crate::ascent::{Job, Rendered, Settings, Watch};
use crate::backend::threads::map_images;
use crate::device::{Device, Dtype};
use crate::error::{Error, Kind, Result};
use crate::input::sha256;
use crate::model::Model;
use crate::model::mini::Answers;
use crate::output::file::Pending;
use crate::output::sidecar::{PictureEntry, SCHEMA, Sidecar, Timing, UnitEntry, WeightsEntry};
use crate::output::{file, picture};
use crate::recipe::Recipe;
use machine::Machine;

/// Renders recipes of one model.
pub struct Renderer<'a> {
    model: &'a Model,
    judge: Judge<'a>,
    machine: Machine<'a>,
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
    /// Seconds that its batch climbed.
    pub seconds: f64,
}

/// What the pictures of one batch share.
#[derive(Debug, Clone, Copy)]
struct Climb {
    seconds: f64,
    batch: usize,
}

impl<'a> Renderer<'a> {
    /// A renderer for one model on one kind of device.
    ///
    /// # Errors
    /// When a device cannot be opened, or has not the memory for the model.
    pub fn new(model: &'a Model, device: &Device, dtype: Dtype) -> Result<Self> {
        Ok(Self {
            model,
            judge: Judge::new(model),
            machine: Machine::open(model, device, dtype)?,
        })
    }

    /// Renders a batch and writes each picture with its sidecar; results come in the order of
    /// the jobs. Recipes that differ in more than objective, seed and variant climb apart.
    pub fn render(&self, batch: &[(Recipe, PathBuf)], watch: &dyn Watch) -> Vec<Result<Finished>> {
        let mut groups: Vec<(Settings, Vec<usize>)> = Vec::new();
        for (index, (recipe, _)) in batch.iter().enumerate() {
            let settings = recipe.settings();
            match groups.iter_mut().find(|(known, _)| *known == settings) {
                Some((_, members)) => members.push(index),
                None => groups.push((settings, vec![index])),
            }
        }
        let mut results: Vec<(usize, Result<Finished>)> = Vec::with_capacity(batch.len());
        for (settings, members) in groups {
            let alike: Vec<&(Recipe, PathBuf)> =
                members.iter().map(|&index| &batch[index]).collect();
            results.extend(
                members
                    .into_iter()
                    .zip(self.render_alike(&settings, &alike, watch)),
            );
        }
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }

    fn render_alike(
        &self,
        settings: &Settings,
        batch: &[&(Recipe, PathBuf)],
        watch: &dyn Watch,
    ) -> Vec<Result<Finished>> {
        let jobs: Vec<Job> = batch.iter().map(|(recipe, _)| recipe.job()).collect();
        let start = Instant::now();
        let rendered = self.machine.ascend(settings, &jobs, watch);
        let climb = Climb {
            seconds: start.elapsed().as_secs_f64(),
            batch: batch.len(),
        };
        map_images(rendered, |index, rendered| {
            self.write(&rendered?, batch[index], climb)
        })
    }

    fn write(
        &self,
        rendered: &Rendered,
        (asked, path): &(Recipe, PathBuf),
        climb: Climb,
    ) -> Result<Finished> {
        if rendered.steps_done == 0 {
            return Err(Error::new(
                Kind::Interrupted,
                format!("{} was stopped before its first step", asked.objective),
            ));
        }
        let recipe = Recipe {
            steps: rendered.steps_done,
            ..asked.clone()
        };
        let quality = self.judge.measure(&recipe.objective, &rendered.image)?;
        // Nothing takes its place before everything is on disk.
        let mut staged = Vec::new();
        let mut checkpoints = Vec::new();
        for (step, image) in &rendered.checkpoints {
            let recipe = Recipe {
                steps: *step,
                ..recipe.clone()
            };
            checkpoints.push(stage_picture(
                &recipe,
                image,
                &path.with_extension(format!("step{step}.png")),
                &mut staged,
            )?);
        }
        let entry = stage_picture(&recipe, &rendered.image, path, &mut staged)?;
        let sidecar = path.with_extension("json");
        let unit = recipe.objective.first_unit();
        let answers = unit.and_then(|(_, tap, channel)| self.model.answers(tap, channel));
        let document = Sidecar {
            schema: SCHEMA,
            percept: env!("CARGO_PKG_VERSION"),
            recipe: &recipe,
            unit: unit.map(|(_, tap, channel)| UnitEntry {
                tap,
                channel,
                answers: answers.clone(),
            }),
            picture: entry,
            checkpoints,
            weights: WeightsEntry {
                origin: self.model.origin.clone(),
                format: self.model.format.to_string(),
            },
            steps_asked: (rendered.steps_done < asked.steps).then_some(asked.steps),
            quality: &quality,
            trace: &rendered.trace,
            timing: Timing {
                seconds: climb.seconds,
                batch: climb.batch,
                threads: rayon::current_num_threads(),
                at_step: rendered.trace.seconds.clone(),
            },
        };
        let text = serde_json::to_string_pretty(&document).map_err(|source| {
            Error::new(Kind::Internal, "cannot write a sidecar").caused_by(source)
        })?;
        staged.push(file::stage(&sidecar, text.as_bytes())?);
        for file in staged {
            file.finish()?;
        }
        Ok(Finished {
            picture: path.to_owned(),
            sidecar,
            objective: recipe.objective.to_string(),
            steps: recipe.steps,
            quality,
            answers,
            seconds: climb.seconds,
        })
    }
}

fn stage_picture(
    recipe: &Recipe,
    image: &Tensor,
    path: &Path,
    staged: &mut Vec<Pending>,
) -> Result<PictureEntry> {
    let bytes = picture::encode(image, recipe.scale, &recipe.to_json()?)?;
    staged.push(file::stage(path, &bytes)?);
    Ok(PictureEntry {
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
    })
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
