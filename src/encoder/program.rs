//! A network as a straight-line program: each step makes one value from earlier ones. Forward
//! runs the steps that the wanted taps depend on; the pullback runs them in reverse.

use std::any::Any;

use candle_core::Tensor;

use super::layer::{AnyLayer, Layer, Rules};
use super::tap::{Layout, Tap, TapId};
use crate::error::{Error, Kind, Result, bail};

/// The number of a value; the image is value 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value(usize);

/// The image.
pub const IMAGE: Value = Value(0);

enum Step {
    Layer(Box<dyn AnyLayer>, Value),
    Sum(Value, Value),
}

impl Step {
    fn inputs(&self) -> impl Iterator<Item = Value> {
        let (first, second) = match self {
            Self::Layer(_, input) => (*input, None),
            Self::Sum(first, second) => (*first, Some(*second)),
        };
        std::iter::once(first).chain(second)
    }
}

/// The steps and the taps; step `i` makes value `i + 1`.
#[derive(Default)]
pub struct Program {
    steps: Vec<Step>,
    taps: Vec<Tap>,
    tapped: Vec<Value>,
}

/// What one forward pass kept.
pub struct Run {
    activations: Vec<(TapId, Tensor)>,
    saved: Vec<Option<Box<dyn Any + Send + Sync>>>,
}

impl Run {
    /// The activation at a tap that the pass was asked for.
    pub fn activation(&self, tap: TapId) -> Option<&Tensor> {
        let kept = self.activations.iter().find(|(kept, _)| *kept == tap);
        kept.map(|(_, activation)| activation)
    }
}

fn lost() -> Error {
    Error::new(Kind::Internal, "a program lost a value")
}

impl Program {
    /// Appends a layer's step.
    pub fn layer(&mut self, input: Value, layer: impl Layer + 'static) -> Value {
        self.push(Step::Layer(Box::new(layer), input))
    }

    /// Appends the sum of two values.
    pub fn sum(&mut self, a: Value, b: Value) -> Value {
        self.push(Step::Sum(a, b))
    }

    fn push(&mut self, step: Step) -> Value {
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

    /// Runs the steps that `taps` depend on. A value is dropped after its last use.
    pub fn run(&self, x: &Tensor, taps: &[TapId]) -> Result<Run> {
        let uses = self.last_uses(taps);
        let mut values: Vec<Option<Tensor>> = vec![None; self.steps.len() + 1];
        values[0] = Some(x.clone());
        let mut run = Run {
            activations: Vec::with_capacity(taps.len()),
            saved: Vec::with_capacity(self.steps.len()),
        };
        for (index, step) in self.steps.iter().enumerate() {
            if uses[index + 1].is_none() {
                run.saved.push(None);
                continue;
            }
            let value = |Value(input): Value| values[input].as_ref().ok_or_else(lost);
            let (y, saved) = match step {
                Step::Layer(layer, input) => {
                    let (y, saved) = layer.forward_any(value(*input)?)?;
                    (y, Some(saved))
                }
                Step::Sum(a, b) => ((value(*a)? + value(*b)?)?, None),
            };
            for tap in taps {
                if self.tapped[tap.0] == Value(index + 1) {
                    run.activations.push((*tap, y.clone()));
                }
            }
            run.saved.push(saved);
            values[index + 1] = Some(y);
            for Value(input) in step.inputs() {
                if uses[input] == Some(index) {
                    values[input] = None;
                }
            }
        }
        Ok(run)
    }

    /// The cotangent of the image: starts at the deepest tap with a cotangent and adds each
    /// further one as it passes its tap.
    pub fn pullback(
        &self,
        run: &Run,
        cotangents: &[(TapId, Tensor)],
        rules: Rules,
    ) -> Result<Tensor> {
        let mut flowing: Vec<Option<Tensor>> = vec![None; self.steps.len() + 1];
        for (tap, cotangent) in cotangents {
            add(&mut flowing[self.tapped[tap.0].0], cotangent.clone())?;
        }
        for (index, step) in self.steps.iter().enumerate().rev() {
            let Some(dy) = flowing[index + 1].take() else {
                continue;
            };
            match step {
                Step::Layer(layer, Value(input)) => {
                    let saved = run.saved[index].as_deref().ok_or_else(lost)?;
                    add(&mut flowing[*input], layer.pullback_any(saved, &dy, rules)?)?;
                }
                Step::Sum(Value(a), Value(b)) => {
                    add(&mut flowing[*a], dy.clone())?;
                    add(&mut flowing[*b], dy)?;
                }
            }
        }
        match flowing.swap_remove(0) {
            Some(dx) => Ok(dx),
            None => bail!(Internal, "a pullback was asked for without a cotangent"),
        }
    }
}

fn add(flowing: &mut Option<Tensor>, cotangent: Tensor) -> Result<()> {
    *flowing = Some(match flowing.take() {
        Some(sum) => (sum + cotangent)?,
        None => cotangent,
    });
    Ok(())
}
