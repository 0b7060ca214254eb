//! One image of a batch, as the host sees it.

use candle_core::Tensor;

use super::check::{Measured, Reached};
use super::{Job, Rendered, Settings, Trace};
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::seed::Key;

/// An image that climbs.
pub struct Climber<'a> {
    pub job: &'a Job,
    pub key: &'a Key,
    pub checkpoints: Vec<(usize, Tensor)>,
    /// Why it climbs no more.
    pub failed: Option<Error>,
    trace: Trace,
    reached: Reached,
    /// Gradients that the device's type could not hold.
    pub lost: usize,
}

impl<'a> Climber<'a> {
    pub fn new(job: &'a Job, key: &'a Key) -> Self {
        Self {
            job,
            key,
            checkpoints: Vec::new(),
            failed: None,
            trace: Trace::default(),
            reached: Reached::default(),
            lost: 0,
        }
    }

    /// Takes note of a step, whose gradient may be lost.
    ///
    /// # Errors
    /// When it cannot go on with its numbers.
    pub fn see(
        &mut self,
        step: usize,
        measured: Measured,
        is_lost: bool,
        encoder: &Encoder,
        settings: &Settings,
        seconds: f32,
    ) -> Result<()> {
        let Job {
            objective,
            spelling,
            ..
        } = self.job;
        self.reached.see(step, measured, objective, settings);
        let norm = match is_lost {
            true => measured.norm_of_units,
            false => measured.norm,
        };
        self.trace.objective.push(measured.value as f32);
        self.trace.gradient_norm.push(norm as f32);
        self.trace.seconds.push(seconds);
        match is_lost {
            true => Ok(()),
            false => measured.check(step, spelling, objective, encoder, settings),
        }
    }

    /// The picture that it has become.
    pub fn finish(self, image: Tensor, steps_done: usize) -> Result<Rendered> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(Rendered {
                image,
                checkpoints: self.checkpoints,
                trace: self.trace,
                steps_done,
                seen: None,
                reached: self.reached.answer(),
            }),
        }
    }
}
