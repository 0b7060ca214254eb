//! The way back through a program.

use std::sync::Arc;

use super::{Program, Run, Step, StepSaved, Value, lost};
use crate::encoder::engine::Engine;
use crate::encoder::layer::Rules;
use crate::encoder::tap::TapId;
use crate::error::{Result, bail};
use crate::ops::linear::Back;

/// The field by itself, copied if others read it.
fn owned<E: Engine>(field: Arc<E::Field>) -> Result<E::Field> {
    match Arc::try_unwrap(field) {
        Ok(field) => Ok(field),
        Err(shared) => E::copy(&shared),
    }
}

impl<E: Engine> Program<E> {
    /// The cotangent of the image, `(n, h, w, 3)` as [`Program::run`] read it, from cotangents at taps of that run,
    /// each of the extent of its activation. Starts at the deepest of them and adds each further one as it passes
    /// its tap.
    ///
    /// # Errors
    /// When there is no cotangent, the run did not reach one's tap, or the engine fails.
    pub fn pullback(
        &self,
        run: &Run<E>,
        cotangents: Vec<(TapId, E::Field)>,
        rules: Rules,
    ) -> Result<E::Field> {
        let mut flowing = Flowing::new(self, rules);
        for (tap, cotangent) in cotangents {
            flowing.add(self.tapped[tap.0], Arc::new(cotangent))?;
        }
        for index in (0..self.steps.len()).rev() {
            self.back(index, run, &mut flowing)?;
        }
        match flowing.values.swap_remove(0) {
            Some(dx) => owned::<E>(dx),
            None => bail!(Internal, "a pullback was asked for without a cotangent"),
        }
    }

    /// The cotangents of the values at `at`, in that order, from cotangents at taps of a run: what [`Program::pullback`]
    /// has when it passes there. Goes back to the first of them only. Of a ReLU's value, what its gate would stop may be
    /// in it or not.
    ///
    /// # Errors
    /// When none of the cotangents passes one of the taps, the run did not reach one, or the engine fails.
    pub fn cotangents_at(
        &self,
        run: &Run<E>,
        cotangents: &[(TapId, E::Field)],
        at: &[TapId],
        rules: Rules,
    ) -> Result<Vec<E::Field>> {
        let mut flowing = Flowing::new(self, rules);
        for (tap, cotangent) in cotangents {
            flowing.add(self.tapped[tap.0], Arc::new(E::copy(cotangent)?))?;
        }
        let wanted: Vec<usize> = at.iter().map(|tap| self.tapped[tap.0].0).collect();
        let first = wanted.iter().copied().min().unwrap_or(self.steps.len());
        let mut passed: Vec<Option<E::Field>> = at.iter().map(|_| None).collect();
        for value in (first..=self.steps.len()).rev() {
            for (_, passed) in wanted
                .iter()
                .zip(&mut passed)
                .filter(|(own, _)| **own == value)
            {
                let complete = flowing.values[value].as_ref().ok_or_else(lost)?;
                *passed = Some(E::copy(complete)?);
            }
            if value > first {
                self.back(value - 1, run, &mut flowing)?;
            }
        }
        passed.into_iter().map(|own| own.ok_or_else(lost)).collect()
    }

    /// From the cotangent of what a step made to those of what it read.
    fn back(&self, index: usize, run: &Run<E>, flowing: &mut Flowing<E>) -> Result<()> {
        let Some(dy) = flowing.values[index + 1].take() else {
            return Ok(());
        };
        let saved = run.saved[index].as_ref().ok_or_else(lost)?;
        match (&self.steps[index], saved) {
            (Step::Layer(layer, input), StepSaved::Layer(saved)) => {
                let then = flowing.last_words(run, index, *input);
                let dx = E::layer_pullback(layer, saved, &dy, then)?;
                flowing.set(*input, dx, index);
            }
            (Step::Affine(affine, input, add), StepSaved::Affine(extent)) => {
                if let Some(add) = add {
                    flowing.add(*add, dy.clone())?;
                }
                let then = flowing.last_words(run, index, *input);
                let dx = E::affine_pullback(affine, &dy, *extent, then)?;
                flowing.set(*input, dx, index);
            }
            (Step::Relu(input), StepSaved::Relu(mask)) => {
                let dx = match (flowing.is_gated[index + 1], flowing.rules.redirect_relu) {
                    (true, _) => dy,
                    (false, redirect) => {
                        let mut dx = owned::<E>(dy)?;
                        let gate = if redirect { E::redirect } else { E::gate };
                        gate(&mut dx, mask)?;
                        Arc::new(dx)
                    }
                };
                flowing.add(*input, dx)?;
            }
            (Step::Sum(a, b), StepSaved::Sum) => {
                flowing.add(*a, dy.clone())?;
                flowing.add(*b, dy)?;
            }
            _ => bail!(Internal, "a step was saved as another"),
        }
        Ok(())
    }
}

/// The cotangents on their way back.
struct Flowing<'a, E: Engine> {
    program: &'a Program<E>,
    values: Vec<Option<Arc<E::Field>>>,
    /// Whether a value's cotangent has passed the ReLU that made the value.
    is_gated: Vec<bool>,
    /// For each value the first step that reads it: the last to add to its cotangent.
    first_use: Vec<usize>,
    rules: Rules,
}

impl<'a, E: Engine> Flowing<'a, E> {
    fn new(program: &'a Program<E>, rules: Rules) -> Self {
        let count = program.steps.len() + 1;
        let mut first_use = vec![usize::MAX; count];
        for (index, step) in program.steps.iter().enumerate().rev() {
            for Value(input) in step.inputs() {
                first_use[input] = index;
            }
        }
        Self {
            program,
            values: vec![None; count],
            is_gated: vec![false; count],
            first_use,
            rules,
        }
    }

    fn add(&mut self, Value(index): Value, cotangent: Arc<E::Field>) -> Result<()> {
        self.values[index] = Some(match self.values[index].take() {
            Some(sum) => {
                let mut sum = owned::<E>(sum)?;
                E::add(&mut sum, &cotangent)?;
                Arc::new(sum)
            }
            None => cotangent,
        });
        Ok(())
    }

    fn is_last(&self, step: usize, value: Value) -> bool {
        self.first_use[value.0] == step
    }

    /// What the step's contribution to the value's cotangent can carry along: the sum so far,
    /// and, if no other contribution follows, the gate of the ReLU that made the value.
    fn last_words<'b>(
        &'b self,
        run: &'b Run<E>,
        step: usize,
        value: Value,
    ) -> Back<'b, E::Field, E::Mask> {
        let gate = (self.is_last(step, value) && !self.rules.redirect_relu)
            .then(|| self.mask(run, value))
            .flatten();
        Back {
            add: self.values[value.0].as_deref(),
            gate,
        }
    }

    fn mask<'b>(&self, run: &'b Run<E>, Value(index): Value) -> Option<&'b E::Mask> {
        let step = index.checked_sub(1)?;
        match (&self.program.steps[step], run.saved[step].as_ref()?) {
            (Step::Relu(_), StepSaved::Relu(mask)) => Some(mask),
            _ => None,
        }
    }

    /// Puts a contribution in place that went with [`Flowing::last_words`].
    fn set(&mut self, value: Value, cotangent: E::Field, step: usize) {
        self.values[value.0] = Some(Arc::new(cotangent));
        let made_by_relu = value.0 > 0
            && matches!(self.program.steps[value.0 - 1], Step::Relu(_))
            && !self.rules.redirect_relu;
        self.is_gated[value.0] = made_by_relu && self.is_last(step, value);
    }
}
