//! The ascent: a batch of images, each climbing its own objective under its own random
//! transforms.

pub mod adam;
mod batch;
mod check;
mod climber;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod digits;
pub mod engine;
pub mod groups;
mod look;
mod plan;
pub mod quality;
mod spectrum;
mod viewport;

use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::backend::cpu::Real;
use crate::backend::threads::map_images;
use crate::encoder::Visit;
use crate::encoder::engine::Cpu;
use crate::encoder::program::Program;
use crate::error::{Error, Kind, Result};
use crate::model::Model;
use crate::objective::{Bound, Objective, Sources};
use crate::param::{Basis, Parameterisation};
use crate::seed::Key;
use crate::size::Size;
use crate::transform::Transform;
use batch::Batch;
use quality::Seen;

/// What all images of a batch share, as recipes have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The size of the canvas.
    pub size: Size,
    /// Steps of the ascent.
    pub steps: usize,
    /// Adam's step length.
    pub learning_rate: f64,
    /// The preset that the transforms came from, by name; nothing is looked up by it.
    pub preset: String,
    /// The transforms of each step.
    pub transforms: Vec<Transform>,
    /// What the free numbers are.
    pub basis: Basis,
    /// For how many steps ReLUs are redirected.
    pub redirect_steps: usize,
    /// Steps after which a copy of the image is kept.
    pub checkpoints: Vec<usize>,
}

/// A group of images that are made together, most often of one: what is made again, and what fails, as a whole.
#[derive(Debug, Clone)]
pub struct Job {
    /// What each of them climbs; terms that compare pictures compare these.
    pub objective: Arc<Bound>,
    /// How that is spelled.
    pub spelling: String,
    /// Where the randomness of each comes from.
    pub keys: Vec<Key>,
}

impl Job {
    /// An image by itself that climbs an objective of a model.
    ///
    /// # Errors
    /// When the objective does not fit the model.
    pub fn new(objective: &Objective, sources: &Sources, key: Key) -> Result<Self> {
        Self::group(objective, sources, vec![key])
    }

    /// As [`Job::new`], of an image a key.
    ///
    /// # Errors
    /// As [`Job::new`].
    pub fn group(objective: &Objective, sources: &Sources, keys: Vec<Key>) -> Result<Self> {
        Ok(Self {
            objective: Arc::new(Bound::new(objective, sources)?),
            spelling: objective.to_string(),
            keys,
        })
    }
}

/// Follows an ascent and may end it.
pub trait Watch: Sync {
    /// Called now and then with the number of steps that all images have done, in the end with all steps.
    fn stepped(&self, _steps_done: usize) {}

    /// Is told of what went wrong without ending the ascent.
    fn warn(&self, _message: &str) {}

    /// Whether to stop before the next step of any image; what is done is kept. Once it is so, it stays so.
    fn should_stop(&self) -> bool {
        false
    }
}

/// Watches nothing.
impl Watch for () {}

/// What each step measured, before its update.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Trace {
    /// The objective under that step's transforms.
    pub objective: Vec<f32>,
    /// The norm of the objective's gradient on the RGB image.
    pub gradient_norm: Vec<f32>,
    /// Seconds since the ascent began, at the end of the step.
    #[serde(skip)]
    pub seconds: Vec<f32>,
}

/// A finished (or stopped) image.
pub struct Rendered {
    /// RGB in (0, 1), `(1, 3, h, w)`.
    pub image: Tensor,
    /// Copies after chosen steps.
    pub checkpoints: Vec<(usize, Tensor)>,
    /// What each step measured.
    pub trace: Trace,
    /// Steps done, fewer than asked for when the ascent was stopped.
    pub steps_done: usize,
    /// What was seen of the image where it was made; `None` where it was not looked at.
    pub seen: Option<Seen>,
    /// Whether a gradient of the units came through at any step whose ReLUs were not redirected; `None`
    /// where there was no such step, or no unit.
    pub reached: Option<bool>,
}

/// About how long the images of a batch climb until they wait for each other, to be counted and perhaps
/// stopped: a step of a small model is over before idle threads are awake.
const ROUND: Duration = Duration::from_millis(50);

/// The steps that fit into a time, at least one.
fn steps_in(time: Duration, step: Duration) -> usize {
    let steps = time.as_nanos() / step.as_nanos().max(1);
    (steps as usize).max(1)
}

/// Runs the ascents of all jobs in step, and answers with their images in their order; a job that fails, of which
/// each image has the error, does not stop the others. Where `watch` stops them, some may have done more steps than
/// others.
pub fn ascend(
    model: &Model,
    settings: &Settings,
    jobs: &[Job],
    watch: &dyn Watch,
) -> Vec<Result<Rendered>> {
    model.encoder.visit(Rounds {
        model,
        settings,
        jobs,
        watch,
    })
}

/// The CPU's way: images alone on threads, which wait for each other after every round of steps.
struct Rounds<'a> {
    model: &'a Model,
    settings: &'a Settings,
    jobs: &'a [Job],
    watch: &'a dyn Watch,
}

impl Visit for Rounds<'_> {
    type Output = Vec<Result<Rendered>>;

    fn visit<T: Real>(self, program: &Program<Cpu<T>>) -> Self::Output {
        let Self {
            model,
            settings,
            jobs,
            watch,
        } = self;
        let parameterisation = Arc::new(Parameterisation::new(settings.basis, settings.size));
        let start = Instant::now();
        let batch = |job| {
            let on = (&(), program);
            Batch::<Cpu<T>>::new(model, on, settings, &parameterisation, &[job], ())
        };
        let mut batches: Vec<Result<Batch<Cpu<T>>>> = jobs.iter().map(batch).collect();
        let is_climbing =
            |batch: &Result<Batch<Cpu<T>>>| batch.as_ref().is_ok_and(Batch::is_climbing);
        let (mut steps_done, mut round) = (0, 1);
        while steps_done < settings.steps && batches.iter().any(is_climbing) {
            let begun = Instant::now();
            let steps = steps_done..settings.steps.min(steps_done + round);
            let climb = |_, slot: &mut Result<Batch<Cpu<T>>>| {
                let Ok(batch) = slot else { return };
                if let Err(error) = batch.climb(steps.end, start, watch) {
                    *slot = Err(error);
                } else if let Some(error) = batch.take_failure() {
                    // Its memory is for the others.
                    *slot = Err(error);
                }
            };
            let mut slots: Vec<_> = batches.iter_mut().collect();
            if steps_done == 0 {
                // By itself, so that all threads pack the weights that it is the first to need.
                map_images(slots.drain(..1).collect(), climb);
            }
            map_images(slots, climb);
            if watch.should_stop() {
                break;
            }
            round = steps_in(ROUND, begun.elapsed() / steps.len() as u32);
            steps_done = steps.end;
            watch.stepped(steps_done);
        }
        let finish = |(batch, job): (Result<Batch<Cpu<T>>>, &Job)| match batch {
            Ok(batch) => batch.finish(start),
            Err(error) => of_each(error, job.keys.len()),
        };
        batches.into_iter().zip(jobs).flat_map(finish).collect()
    }
}

/// An error of a whole group, for one of its images.
fn common(error: &Error) -> Error {
    Error::new(error.kind(), error.report())
}

/// An error of a whole group, for each of its images.
pub(crate) fn of_each<T>(error: Error, images: usize) -> Vec<Result<T>> {
    let others: Vec<Error> = (1..images).map(|_| common(&error)).collect();
    [error].into_iter().chain(others).map(Err).collect()
}

/// A defect: what was to be there is not.
fn missing() -> Error {
    Error::new(Kind::Internal, "a batch lost a picture or an activation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_as_many_steps_as_fit_and_at_least_one() {
        let steps = |micros| steps_in(ROUND, Duration::from_micros(micros));
        assert_eq!([1_000, 20_000, 50_001].map(steps), [50, 2, 1]);
        assert!(steps(0) > 1_000);
    }
}
