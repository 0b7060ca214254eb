//! A network as a straight-line program: each step makes one value from earlier ones. Forward
//! runs the steps that the wanted taps depend on; the pullback runs them in reverse.
//!
//! A product can carry along a sum and a ReLU, and its pullback a sum and a gate. The program says
//! what follows what, and fuses it where nobody looks in between.

mod incoming;
mod pullback;

use std::sync::Arc;

use super::affine::Affine;
use super::engine::{Cpu, Engine};
use super::layer::Layer;
use super::tap::{Tap, TapId};
use crate::backend::cpu::Real;
use crate::backend::field::Extent;
use crate::error::{Error, Kind, Result};

/// The number of a value; the image is value 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value(usize);

/// The image.
pub const IMAGE: Value = Value(0);

enum Step<E: Engine> {
    Layer(E::Layer, Value),
    /// Of the first value, plus the second.
    Affine(E::Affine, Value, Option<Value>),
    Relu(Value),
    Sum(Value, Value),
}

impl<E: Engine> Step<E> {
    fn inputs(&self) -> impl Iterator<Item = Value> {
        let (first, second) = match self {
            Self::Layer(_, input) | Self::Relu(input) => (*input, None),
            Self::Affine(_, input, add) => (*input, *add),
            Self::Sum(first, second) => (*first, Some(*second)),
        };
        std::iter::once(first).chain(second)
    }
}

/// The steps and the taps; step `i` makes value `i + 1`.
pub struct Program<E: Engine> {
    steps: Vec<Step<E>>,
    taps: Vec<Tap>,
    tapped: Vec<Value>,
}

impl<E: Engine> Default for Program<E> {
    fn default() -> Self {
        Self {
            steps: Vec::new(),
            taps: Vec::new(),
            tapped: Vec::new(),
        }
    }
}

enum StepSaved<E: Engine> {
    Layer(E::Saved),
    /// The input's extent.
    Affine(Extent),
    Relu(E::Mask),
    Sum,
}

/// What one forward pass kept.
pub struct Run<E: Engine> {
    activations: Vec<(TapId, Arc<E::Field>)>,
    saved: Vec<Option<StepSaved<E>>>,
}

impl<E: Engine> Run<E> {
    /// The activation at a tap that the pass was asked for, `(n, h, w, channels)`.
    pub fn activation(&self, tap: TapId) -> Option<&E::Field> {
        let kept = self.activations.iter().find(|(kept, _)| *kept == tap);
        kept.map(|(_, activation)| &**activation)
    }
}

fn lost() -> Error {
    Error::new(Kind::Internal, "a program lost a value")
}

/// The values of a pass that are still to be read.
struct Alive<E: Engine> {
    values: Vec<Option<Arc<E::Field>>>,
    uses: Vec<Option<usize>>,
}

impl<E: Engine> Alive<E> {
    fn value(&self, Value(index): Value) -> Result<&Arc<E::Field>> {
        self.values[index].as_ref().ok_or_else(lost)
    }

    /// Drops what the step was the last to read.
    fn drop_after(&mut self, index: usize, inputs: impl Iterator<Item = Value>) {
        for Value(input) in inputs {
            if self.uses[input] == Some(index) {
                self.values[input] = None;
            }
        }
    }
}

impl<T: Real> Program<Cpu<T>> {
    /// Appends a layer's step.
    pub fn layer(&mut self, input: Value, layer: Layer<T>) -> Value {
        self.push(Step::Layer(layer, input))
    }

    /// Appends an affine map's step.
    pub fn affine(&mut self, input: Value, affine: Affine<T>) -> Value {
        self.push(Step::Affine(Box::new(affine), input, None))
    }

    /// Appends the step of an affine map plus another value.
    pub fn affine_plus(&mut self, input: Value, affine: Affine<T>, add: Value) -> Value {
        self.push(Step::Affine(Box::new(affine), input, Some(add)))
    }
}

impl<E: Engine> Program<E> {
    /// Appends a ReLU's step.
    pub fn relu(&mut self, input: Value) -> Value {
        self.push(Step::Relu(input))
    }

    /// Appends the sum of two values, for a second one that is read by itself too.
    pub fn sum(&mut self, a: Value, b: Value) -> Value {
        self.push(Step::Sum(a, b))
    }

    fn push(&mut self, step: Step<E>) -> Value {
        self.steps.push(step);
        Value(self.steps.len())
    }

    /// Lets a value be read, as the tap of this number.
    pub fn tap(&mut self, value: Value, tap: Tap) -> TapId {
        self.taps.push(tap);
        self.tapped.push(value);
        TapId(self.taps.len() - 1)
    }

    /// The named values, in the order in which they were named.
    pub fn taps(&self) -> &[Tap] {
        &self.taps
    }

    /// For each value the index of the last step that reads it, among the steps that `taps`
    /// depend on; values that none of them reads have none.
    fn last_uses(&self, taps: &[TapId]) -> Vec<Option<usize>> {
        let mut needed = vec![false; self.steps.len() + 1];
        for tap in taps {
            needed[self.tapped[tap.0].0] = true;
        }
        let mut uses = vec![None; self.steps.len() + 1];
        for (index, step) in self.steps.iter().enumerate().rev() {
            if needed[index + 1] {
                uses[index + 1].get_or_insert(index);
                for Value(input) in step.inputs() {
                    needed[input] = true;
                    uses[input].get_or_insert(index);
                }
            }
        }
        uses
    }

    /// Whether the second tap's value is made of the first's.
    pub fn lies_before(&self, first: TapId, second: TapId) -> bool {
        let Value(first) = self.tapped[first.0];
        let last_use = self.last_uses(&[second])[first];
        // The step that makes a value is not one that reads it.
        last_use.is_some_and(|step| step >= first)
    }

    /// Whether nothing but the step after `index` reads what the step at `index` makes.
    fn is_read_by_next_only(&self, index: usize, alive: &Alive<E>, taps: &[TapId]) -> bool {
        let made = Value(index + 1);
        let is_input = |step: &Step<E>| step.inputs().any(|input| input == made);
        self.steps.get(index + 1).is_some_and(is_input)
            && alive.uses[index + 2].is_some()
            && alive.uses[index + 1] == Some(index + 1)
            && !taps.iter().any(|tap| self.tapped[tap.0] == made)
    }

    /// Runs the steps that `taps` depend on, from the image `(n, h, w, 3)` or, in a text tower, from tokens
    /// `(n, tokens, 1, width)`. A value is dropped after its last use.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn run(&self, x: E::Field, taps: &[TapId]) -> Result<Run<E>> {
        let mut alive = Alive::<E> {
            values: vec![None; self.steps.len() + 1],
            uses: self.last_uses(taps),
        };
        alive.values[0] = Some(Arc::new(x));
        let mut run = Run {
            activations: Vec::with_capacity(taps.len()),
            saved: Vec::with_capacity(self.steps.len()),
        };
        while let Some(step) = self.steps.get(run.saved.len()) {
            let index = run.saved.len();
            if alive.uses[index + 1].is_none() {
                run.saved.push(None);
                continue;
            }
            let (y, saved) = self.make(index, &alive, taps)?;
            let y = Arc::new(y);
            run.saved.extend(saved.into_iter().map(Some));
            let made = Value(run.saved.len());
            for tap in taps {
                if self.tapped[tap.0] == made {
                    run.activations.push((*tap, y.clone()));
                }
            }
            alive.values[made.0] = Some(y);
            alive.drop_after(index, step.inputs());
        }
        Ok(run)
    }

    /// The value of the step at `index`, or, where what it makes goes through the steps after it in the
    /// same pass, of the last of those; and what each of them saves.
    fn make(
        &self,
        index: usize,
        alive: &Alive<E>,
        taps: &[TapId],
    ) -> Result<(E::Field, Vec<StepSaved<E>>)> {
        Ok(match &self.steps[index] {
            Step::Layer(layer, input) => {
                let (y, saved) = E::layer(layer, alive.value(*input)?)?;
                (y, vec![StepSaved::Layer(saved)])
            }
            Step::Affine(affine, input, add) => {
                let x = alive.value(*input)?;
                let add = add.map(|add| alive.value(add)).transpose()?;
                let saved = StepSaved::Affine(E::extent(x));
                let is_rectified = matches!(self.steps.get(index + 1), Some(Step::Relu(_)))
                    && self.is_read_by_next_only(index, alive, taps);
                if let (true, None, Some(Step::Layer(layer, _))) =
                    (is_rectified, add, self.steps.get(index + 2))
                    && self.is_read_by_next_only(index + 1, alive, taps)
                    && let Some(made) = E::affine_relu_layer(affine, x, layer)?
                {
                    let of_layer = StepSaved::Layer(made.saved);
                    return Ok((made.y, vec![saved, StepSaved::Relu(made.mask), of_layer]));
                }
                let (y, mask) = E::affine(affine, x, add.map(|add| &**add), is_rectified)?;
                let saved = std::iter::once(saved).chain(mask.map(StepSaved::Relu));
                (y, saved.collect())
            }
            Step::Sum(a, b) => {
                let mut sum = E::copy(alive.value(*a)?)?;
                E::add(&mut sum, alive.value(*b)?)?;
                (sum, vec![StepSaved::Sum])
            }
            Step::Relu(input) => {
                let (y, mask) = E::relu(alive.value(*input)?)?;
                (y, vec![StepSaved::Relu(mask)])
            }
        })
    }
}

#[cfg(feature = "cuda")]
impl<T: Real> Program<Cpu<T>> {
    /// The same program on another engine, which makes its own maps and layers of these.
    ///
    /// # Errors
    /// When one of them cannot be made.
    pub fn on<E: Engine>(
        &self,
        map: impl Fn(&Affine<T>) -> Result<E::Affine>,
        layer: impl Fn(&Layer<T>) -> Result<E::Layer>,
    ) -> Result<Program<E>> {
        let step = |step: &Step<Cpu<T>>| {
            Ok(match step {
                Step::Layer(own, input) => Step::Layer(layer(own)?, *input),
                Step::Affine(own, input, add) => Step::Affine(map(own)?, *input, *add),
                Step::Relu(input) => Step::Relu(*input),
                Step::Sum(a, b) => Step::Sum(*a, *b),
            })
        };
        Ok(Program {
            steps: self.steps.iter().map(step).collect::<Result<_>>()?,
            taps: self.taps.clone(),
            tapped: self.tapped.clone(),
        })
    }
}
