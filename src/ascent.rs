//! The ascent: a batch of images, each climbing its own objective under its own random
//! transforms.

pub mod adam;
mod check;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod digits;
pub mod groups;
pub mod quality;
mod spectrum;
mod view;

use std::time::{Duration, Instant};

use candle_core::{DType, Tensor};
use serde::Serialize;

use crate::backend::cpu::Elements as Slice;
use crate::backend::threads::map_images;
use crate::encoder::layer::Rules;
use crate::error::Result;
use crate::model::Model;
use crate::objective::{Bound, Objective};
use crate::param::{Basis, Parameterisation};
use crate::seed::{Key, Purpose};
use crate::transform::{Transform, sample};
use adam::Adam;
use check::{Measured, Reached, overflowed};
use quality::Seen;
pub use view::View;

/// What all images of a batch share.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What the free numbers are.
    pub basis: Basis,
    /// Side of the canvas in pixels.
    pub size: usize,
    /// Steps of the ascent.
    pub steps: usize,
    /// Adam's step length.
    pub learning_rate: f64,
    /// The transforms of each step.
    pub transforms: Vec<Transform>,
    /// For how many steps ReLUs are redirected.
    pub redirect_steps: usize,
    /// Steps after which a copy of the image is kept.
    pub checkpoints: Vec<usize>,
}

/// One image to be made.
#[derive(Debug, Clone)]
pub struct Job {
    /// What it climbs.
    pub objective: Objective,
    /// Where its randomness comes from.
    pub key: Key,
}

/// Follows an ascent and may end it.
pub trait Watch: Sync {
    /// Called now and then with the number of steps that all images have done, in the end with all steps.
    fn stepped(&self, _steps_done: usize) {}

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
    /// RGB in (0, 1), `(1, 3, size, size)`.
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

struct Climber<'a> {
    model: &'a Model,
    settings: &'a Settings,
    parameterisation: &'a Parameterisation,
    key: Key,
    spelling: String,
    objective: Bound,
    view: View,
    parameters: Tensor,
    adam: Adam,
    checkpoints: Vec<(usize, Tensor)>,
    trace: Trace,
    reached: Reached,
    steps_done: usize,
}

/// Runs the ascents of all jobs in step; one that fails does not stop the others. Where `watch` stops them,
/// some may have done more steps than others.
pub fn ascend(
    model: &Model,
    settings: &Settings,
    jobs: &[Job],
    watch: &dyn Watch,
) -> Vec<Result<Rendered>> {
    let parameterisation = Parameterisation::new(settings.basis, settings.size);
    let start = Instant::now();
    let mut climbers: Vec<Result<Climber>> = jobs
        .iter()
        .map(|job| Climber::new(model, settings, &parameterisation, job))
        .collect();
    let (mut steps_done, mut round) = (0, 1);
    while steps_done < settings.steps && climbers.iter().any(Result::is_ok) {
        let begun = Instant::now();
        let steps = steps_done..settings.steps.min(steps_done + round);
        let climb = |_, slot: &mut Result<Climber>| {
            if let Ok(climber) = slot
                && let Err(error) = climber.climb(steps.end, start, watch)
            {
                *slot = Err(error);
            }
        };
        let mut slots: Vec<_> = climbers.iter_mut().collect();
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
    climbers
        .into_iter()
        .map(|climber| climber?.finish())
        .collect()
}

impl<'a> Climber<'a> {
    fn new(
        model: &'a Model,
        settings: &'a Settings,
        parameterisation: &'a Parameterisation,
        job: &Job,
    ) -> Result<Self> {
        let objective = Bound::new(&job.objective, &model.encoder)?;
        let mut stream = job.key.stream(Purpose::Initial, 0);
        let parameters = parameterisation.initial(&mut stream, model.encoder.dtype())?;
        Ok(Self {
            model,
            settings,
            parameterisation,
            key: job.key.clone(),
            spelling: job.objective.to_string(),
            view: View::new(model, settings.size, objective.taps()),
            objective,
            adam: Adam::new(&parameters, settings.learning_rate)?,
            parameters,
            checkpoints: Vec::new(),
            trace: Trace::default(),
            reached: Reached::default(),
            steps_done: 0,
        })
    }

    /// Does the steps that are left until `end`, or until it is stopped.
    fn climb(&mut self, end: usize, start: Instant, watch: &dyn Watch) -> Result<()> {
        while self.steps_done < end && !watch.should_stop() {
            self.step(start)?;
        }
        Ok(())
    }

    fn step(&mut self, start: Instant) -> Result<()> {
        let step = self.steps_done;
        let image = self.parameterisation.image(&self.parameters)?;
        let mut stream = self.key.stream(Purpose::Transform, step as u64);
        let sampling = sample(
            &self.settings.transforms,
            self.settings.size,
            self.view.side(),
            &mut stream,
        );
        let warp = self.view.warp(sampling);
        let input = warp.forward(&image)?;
        let pass = self.model.encoder.forward(&input, self.objective.taps())?;
        let evaluation = self
            .objective
            .evaluate(&self.model.encoder, &pass, Some(&image))?;
        let rules = Rules {
            redirect_relu: step < self.settings.redirect_steps,
        };
        let mut gradient = image.zeros_like()?;
        if !evaluation.at_taps.is_empty() {
            let dx = pass.pullback(&evaluation.at_taps, rules)?;
            gradient = warp.pullback(&dx, self.settings.size, self.settings.size)?;
        }
        let norm_of_units = norm(&gradient)?;
        if let Some(penalty) = evaluation.at_image {
            gradient = (gradient + penalty)?;
        }
        let gradient_norm = norm(&gradient)?;
        let measured = Measured {
            value: evaluation.value,
            norm_of_units,
            norm: gradient_norm,
        };
        let (objective, encoder) = (&self.objective, &self.model.encoder);
        let checked = measured.check(step, &self.spelling, objective, encoder, self.settings);
        if let Err(error) = checked {
            return Err(match encoder.overflow(&input)? {
                Some(tap) => overflowed(&error, tap),
                None => error,
            });
        }
        self.reached.see(step, measured, objective, self.settings);
        self.trace.objective.push(evaluation.value as f32);
        self.trace.gradient_norm.push(gradient_norm as f32);
        let gradient = self.parameterisation.pullback(&image, &gradient)?;
        self.parameters = self.adam.ascend(&self.parameters, &gradient)?;
        if self.settings.checkpoints.contains(&(step + 1)) {
            let image = self.parameterisation.image(&self.parameters)?;
            self.checkpoints.push((step + 1, image));
        }
        self.trace.seconds.push(start.elapsed().as_secs_f32());
        self.steps_done += 1;
        Ok(())
    }

    fn finish(self) -> Result<Rendered> {
        Ok(Rendered {
            image: self.parameterisation.image(&self.parameters)?,
            checkpoints: self.checkpoints,
            trace: self.trace,
            steps_done: self.steps_done,
            seen: None,
            reached: self.reached.answer(),
        })
    }
}

/// The Euclidean norm, summed in `f64`; not finite when an element is not.
fn norm(x: &Tensor) -> Result<f64> {
    let x = x.to_dtype(DType::F64)?.contiguous()?;
    let squares = Slice::<f64>::of(&x)?.iter().map(|x| x * x).sum::<f64>();
    Ok(squares.sqrt())
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
