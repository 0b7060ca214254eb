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
use super::layer::{AnyLayer, Layer};
use super::tap::{Layout, Tap, TapId};
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

enum Saved<E: Engine> {
    Layer(E::Saved),
    /// The input's extent.
    Affine(Extent),
    Relu(E::Mask),
    Sum,
}

/// What one forward pass kept.
pub struct Run<E: Engine> {
    activations: Vec<(TapId, Arc<E::Field>)>,
    saved: Vec<Option<Saved<E>>>,
}

impl<E: Engine> Run<E> {
    /// The activation at a tap that the pass was asked for.
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
    pub fn layer(&mut self, input: Value, layer: impl Layer<T> + 'static) -> Value {
        let layer: Box<dyn AnyLayer<T>> = Box::new(layer);
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

    /// Names a value.
    pub fn tap(&mut self, name: impl Into<String>, value: Value, channels: usize, layout: Layout) {
        self.taps.push(Tap {
            name: name.into(),
            channels,
            layout,
        });
        self.tapped.push(value);
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

    /// Whether the step after `index` is a ReLU that is the only reader of what it makes.
    fn is_rectified_at_once(&self, index: usize, uses: &[Option<usize>], taps: &[TapId]) -> bool {
        let made = Value(index + 1);
        let is_read = |tap: &TapId| self.tapped[tap.0] == made;
        matches!(self.steps.get(index + 1), Some(Step::Relu(input)) if *input == made)
            && uses[index + 2].is_some()
            && uses[index + 1] == Some(index + 1)
            && !taps.iter().any(is_read)
    }

    /// Runs the steps that `taps` depend on. A value is dropped after its last use.
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
        let mut rectified = None;
        for (index, step) in self.steps.iter().enumerate() {
            if alive.uses[index + 1].is_none() {
                run.saved.push(None);
                continue;
            }
            let (y, saved) = match step {
                Step::Layer(layer, input) => {
                    let (y, saved) = E::layer(layer, alive.value(*input)?)?;
                    (y, Saved::Layer(saved))
                }
                Step::Affine(affine, input, add) => {
                    let x = alive.value(*input)?;
                    let add = add.map(|add| alive.value(add)).transpose()?;
                    let relu = self.is_rectified_at_once(index, &alive.uses, taps);
                    let (y, mask) = E::affine(affine, x, add.map(|add| &**add), relu)?;
                    rectified = mask;
                    (y, Saved::Affine(E::extent(x)))
                }
                Step::Sum(a, b) => {
                    let mut sum = E::copy(alive.value(*a)?)?;
                    E::add(&mut sum, alive.value(*b)?)?;
                    (sum, Saved::Sum)
                }
                Step::Relu(input) => match rectified.take() {
                    Some(mask) => {
                        // The product before it has made this value already.
                        alive.values[index + 1] = alive.values[input.0].take();
                        let y = alive.value(Value(index + 1))?.clone();
                        self.keep(index, taps, &y, &mut run);
                        run.saved.push(Some(Saved::Relu(mask)));
                        continue;
                    }
                    None => {
                        let (y, mask) = E::relu(alive.value(*input)?)?;
                        (y, Saved::Relu(mask))
                    }
                },
            };
            let y = Arc::new(y);
            self.keep(index, taps, &y, &mut run);
            run.saved.push(Some(saved));
            alive.values[index + 1] = Some(y);
            alive.drop_after(index, step.inputs());
        }
        Ok(run)
    }

    /// Keeps what a step made, if it is read at a tap.
    fn keep(&self, index: usize, taps: &[TapId], y: &Arc<E::Field>, run: &mut Run<E>) {
        for tap in taps {
            if self.tapped[tap.0] == Value(index + 1) {
                run.activations.push((*tap, y.clone()));
            }
        }
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
        layer: impl Fn(&dyn AnyLayer<T>) -> Result<E::Layer>,
    ) -> Result<Program<E>> {
        let step = |step: &Step<Cpu<T>>| {
            Ok(match step {
                Step::Layer(own, input) => Step::Layer(layer(&**own)?, *input),
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
