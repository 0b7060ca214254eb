//! From recipes to files: a batch climbs together, is measured, and is written as it is done.

mod finished;
mod fit;
mod machine;
mod made;

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::ascent::groups::grouped;
use crate::ascent::quality::Judge;
use crate::ascent::{Job, Rendered, Watch, of_each};
use crate::backend::threads::map_images;
use crate::device::{Device, Dtype};
use crate::error::Result;
use crate::model::Model;
use crate::objective::Sources;
use crate::recipe::Recipe;
pub use finished::Finished;
pub use fit::Fit;
use machine::Machine;
pub use made::{Made, files};

/// Renders recipes of one model.
pub struct Renderer<'a> {
    sources: &'a Sources<'a>,
    judge: Judge<'a>,
    machine: Machine<'a>,
}

/// What the pictures of one batch share.
#[derive(Debug, Clone, Copy)]
struct Climb {
    /// Each picture's share of the time until they were here, and looked at where a GPU made them.
    seconds: f64,
    batch: usize,
}

/// A picture at the end of its ascent.
pub struct Climbed<'a> {
    renderer: &'a Renderer<'a>,
    asked: Recipe,
    job: Job,
    rendered: Rendered,
    climb: Climb,
}

impl<'a> Climbed<'a> {
    /// Whether it did all steps that its recipe asks for.
    pub fn is_whole(&self) -> bool {
        self.rendered.steps_done == self.asked.ascent.steps
    }

    /// Measures it, if it is whole and `watch` does not stop that.
    ///
    /// # Errors
    /// When it was stopped before its first step, or a number is not finite.
    pub fn measure(self, watch: &dyn Watch) -> Result<Made<'a>> {
        Made::new(self, watch)
    }
}

impl<'a> Renderer<'a> {
    /// A renderer for one model on one kind of device.
    ///
    /// # Errors
    /// When a device cannot be opened, or has not the memory for the model.
    pub fn new(sources: &'a Sources<'a>, device: &Device, dtype: Dtype) -> Result<Self> {
        let model = sources.model();
        Ok(Self {
            sources,
            judge: Judge::new(model),
            machine: Machine::open(model, device, dtype)?,
        })
    }

    /// The model.
    pub fn model(&self) -> &'a Model {
        self.sources.model()
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
    /// the jobs. A picture that `watch` stops is written as far as it has come, where `unfinished` says for
    /// its recipe, which then has the steps that it did, and for the place of the whole one; it takes the
    /// place of no other.
    pub fn render(
        &self,
        batch: &[(Recipe, PathBuf)],
        unfinished: &(dyn Fn(&Recipe, &Path) -> PathBuf + Sync),
        watch: &dyn Watch,
    ) -> Vec<Result<Finished>> {
        let recipes: Vec<&Recipe> = batch.iter().map(|(recipe, _)| recipe).collect();
        let climbed = self.climb(&recipes, watch);
        map_images(climbed, |index, climbed| {
            let path = &batch[index].1;
            let made = climbed?.measure(watch)?;
            match (made.measured(), made.is_whole()) {
                (Some(_), _) => made.write(path),
                (None, true) => made.write_beside(path),
                (None, false) => {
                    let place = unfinished(made.recipe(), path);
                    made.write_beside(&place)
                }
            }
        })
    }

    /// Runs the ascents of a batch in step; results come in the order of the recipes. Recipes that
    /// differ in more than objective, seed and variant climb apart. Of recipes whose pictures are made together the
    /// whole group is made, each asked for once.
    pub fn climb(&self, batch: &[&Recipe], watch: &dyn Watch) -> Vec<Result<Climbed<'_>>> {
        let mut by_settings = Vec::with_capacity(batch.len());
        let mut results: Vec<(usize, Result<Climbed>)> = Vec::with_capacity(batch.len());
        let together = batch.iter().enumerate().map(|(index, recipe)| {
            let alone = recipe.together.is_none().then_some(index);
            ((alone, recipe.of_group()), index)
        });
        for ((_, recipe), members) in grouped(together) {
            match recipe.job(self.sources) {
                Ok(job) => by_settings.push((recipe.ascent, (members, job))),
                Err(error) => {
                    let failed = members.iter().zip(of_each(error, members.len()));
                    results.extend(failed.map(|(&index, failed)| (index, failed)));
                }
            }
        }
        for (settings, jobs) in grouped(by_settings) {
            let (members, jobs): (Vec<Vec<usize>>, Vec<Job>) = jobs.into_iter().unzip();
            let start = Instant::now();
            let mut rendered = self.machine.ascend(&settings, &jobs, watch).into_iter();
            let images = rendered.len();
            let climb = Climb {
                seconds: start.elapsed().as_secs_f64() / images as f64,
                batch: images,
            };
            for (members, job) in members.into_iter().zip(jobs) {
                for (variant, rendered) in rendered.by_ref().take(job.keys.len()).enumerate() {
                    let is_own = |&&index: &&usize| match batch[index].together {
                        Some(_) => batch[index].variant as usize == variant,
                        None => true,
                    };
                    // Of a group only some may be asked for.
                    let Some(&index) = members.iter().find(is_own) else {
                        continue;
                    };
                    let climbed = rendered.map(|rendered| Climbed {
                        renderer: self,
                        asked: batch[index].clone(),
                        job: job.clone(),
                        rendered,
                        climb,
                    });
                    results.push((index, climbed));
                }
            }
        }
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::model::Options;
    use crate::recipe::Request;
    use crate::size::Size;

    /// Stops a run when it has been asked so often whether to.
    struct Stop {
        after: usize,
        asked: AtomicUsize,
    }

    impl Watch for Stop {
        fn should_stop(&self) -> bool {
            self.asked.fetch_add(1, Ordering::SeqCst) >= self.after
        }
    }

    #[test]
    fn what_was_not_measured_has_no_numbers_and_takes_no_place_that_is_taken() {
        let model = Model::load("mini", Options::default()).unwrap();
        let sources = Sources::new(&model);
        let renderer = Renderer::new(&sources, &Device::Cpu, Dtype::F32).unwrap();
        let request = Request {
            units: vec!["117".into()],
            steps: Some(3),
            size: Some(Size::square(16)),
            scale: Some(1),
            ..Request::default()
        };
        let recipe = request.resolve(&sources).unwrap().remove(0);
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let render = |after: usize| {
            let stop = Stop {
                after,
                asked: AtomicUsize::new(0),
            };
            let elsewhere =
                |recipe: &Recipe, _: &Path| path(&format!("{}.png", recipe.ascent.steps));
            let jobs = [(recipe.clone(), path("whole.png"))];
            renderer.render(&jobs, &elsewhere, &stop).remove(0)
        };
        let is_there = |name: &str| path(name).exists();
        assert!(render(0).is_err(), "no picture of no steps");
        assert_eq!(render(1).unwrap().picture, path("1.png"));
        assert!(!is_there("whole.png"));
        // All steps are done, some of the looks are not.
        let asked = (4..30).find(|&after| render(after).unwrap().steps_asked.is_none());
        let unmeasured = render(asked.unwrap()).unwrap();
        assert_eq!(unmeasured.quality, None);
        assert_eq!(unmeasured.picture, path("whole.png"));
        let measured = render(usize::MAX).unwrap();
        assert!(measured.quality.is_some());
        let numbers = std::fs::read(path("whole.json")).unwrap();
        assert_eq!(render(asked.unwrap()).unwrap().picture, path("whole.png"));
        assert_eq!(std::fs::read(path("whole.json")).unwrap(), numbers);
        std::fs::write(path("whole.png"), "another picture").unwrap();
        let beside = render(asked.unwrap()).unwrap();
        assert_eq!(beside.picture, path("whole-2.png"));
        assert!(is_there("whole-2.json"));
        let kept = std::fs::read(path("whole.png")).unwrap();
        assert_eq!(kept, b"another picture");
    }
}
