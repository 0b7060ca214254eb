//! From recipes to files: a batch climbs together, is measured, and is written as it is done.

mod fit;
mod machine;
mod made;

use std::path::PathBuf;
use std::time::Instant;

use crate::ascent::groups::grouped;
use crate::ascent::quality::Judge;
use crate::ascent::{Job, Rendered, Watch};
use crate::backend::threads::map_images;
use crate::device::{Device, Dtype};
use crate::error::Result;
use crate::model::Model;
use crate::recipe::Recipe;
pub use fit::Fit;
use machine::Machine;
pub use made::{Finished, Made};

/// Renders recipes of one model.
pub struct Renderer<'a> {
    model: &'a Model,
    judge: Judge<'a>,
    machine: Machine<'a>,
}

/// What the pictures of one batch share.
#[derive(Debug, Clone, Copy)]
struct Climb {
    /// Until the pictures were here, and looked at where a GPU made them.
    seconds: f64,
    batch: usize,
}

/// A picture at the end of its ascent.
pub struct Climbed<'a> {
    renderer: &'a Renderer<'a>,
    asked: Recipe,
    rendered: Rendered,
    climb: Climb,
}

impl<'a> Climbed<'a> {
    /// Whether it did all steps that its recipe asks for.
    pub fn is_whole(&self) -> bool {
        self.rendered.steps_done == self.asked.steps
    }

    /// Measures it.
    ///
    /// # Errors
    /// When it was stopped before its first step, or a number is not finite.
    pub fn measure(self) -> Result<Made<'a>> {
        Made::new(self)
    }
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

    /// The model.
    pub fn model(&self) -> &'a Model {
        self.model
    }

    /// Whether GPUs record their steps as CUDA graphs; pictures do not depend on it.
    #[must_use]
    pub fn recording(self, records: bool) -> Self {
        Self {
            machine: self.machine.recording(records),
            ..self
        }
    }

    /// Renders a batch and writes each picture with its sidecar; results come in the order of
    /// the jobs.
    pub fn render(&self, batch: &[(Recipe, PathBuf)], watch: &dyn Watch) -> Vec<Result<Finished>> {
        let recipes: Vec<&Recipe> = batch.iter().map(|(recipe, _)| recipe).collect();
        let climbed = self.climb(&recipes, watch);
        map_images(climbed, |index, climbed| {
            climbed?.measure()?.write(&batch[index].1)
        })
    }

    /// Runs the ascents of a batch in step; results come in the order of the recipes. Recipes that
    /// differ in more than objective, seed and variant climb apart.
    pub fn climb(&self, batch: &[&Recipe], watch: &dyn Watch) -> Vec<Result<Climbed<'_>>> {
        let by_settings = batch.iter().enumerate();
        let by_settings = by_settings.map(|(index, recipe)| (recipe.settings(), index));
        let mut results: Vec<(usize, Result<Climbed>)> = Vec::with_capacity(batch.len());
        for (settings, members) in grouped(by_settings) {
            let jobs: Vec<Job> = members.iter().map(|&index| batch[index].job()).collect();
            let start = Instant::now();
            let rendered = self.machine.ascend(&settings, &jobs, watch);
            let climb = Climb {
                seconds: start.elapsed().as_secs_f64(),
                batch: jobs.len(),
            };
            let climbed = |(index, rendered): (usize, Result<Rendered>)| {
                let climbed = rendered.map(|rendered| Climbed {
                    renderer: self,
                    asked: batch[index].clone(),
                    rendered,
                    climb,
                });
                (index, climbed)
            };
            results.extend(members.into_iter().zip(rendered).map(climbed));
        }
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }
}
