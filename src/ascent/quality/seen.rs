//! A finished picture seen once more, without a gradient: as it is, and under fixed transforms.

use candle_core::Tensor;

use super::{draws, go_on};
use crate::ascent::{View, Watch};
use crate::error::Result;
use crate::model::Model;
use crate::objective::{Activity, Bound};
use crate::ops::warp::Sampling;
use crate::seed::{Key, Purpose};
use crate::transform::preset::lucid;
use crate::transform::{Transform, sample};

/// What an objective reads of a finished picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The objective without transforms.
    pub clean: f64,
    /// The objective under each of the first of the fixed transforms.
    pub robust: Vec<f64>,
    /// What the picture does to the objective's units without transforms.
    pub activity: Activity,
}

impl Seen {
    /// From the objective at every one of [`looks`], in their order.
    pub fn new(values: Vec<f64>, activity: Activity) -> Self {
        let mut values = values.into_iter();
        Self {
            clean: values.next().unwrap_or(f64::NAN),
            robust: values.collect(),
            activity,
        }
    }

    /// Looks at an RGB image `(1, 3, side, side)` that took so many steps.
    ///
    /// # Errors
    /// When the objective does not fit it, or `watch` stops it.
    pub fn look(
        model: &Model,
        objective: &Bound,
        image: &Tensor,
        steps: usize,
        watch: &dyn Watch,
    ) -> Result<Self> {
        let (encoder, side) = (&model.encoder, image.dim(2)?);
        let view = View::new(model, side, objective.taps());
        let mut values = Vec::new();
        let mut activity = Activity::default();
        for look in looks(&view, side, steps) {
            go_on(watch)?;
            let pass = encoder.forward(&view.warp(look).forward(image)?, objective.taps())?;
            if values.is_empty() {
                activity = objective.activity(encoder, |tap| pass.activation(tap))?;
            }
            values.push(objective.evaluate(encoder, &pass, Some(image))?.value);
        }
        Ok(Self::new(values, activity))
    }

    /// Whether all of it is.
    pub fn is_finite(&self) -> bool {
        let units = &self.activity.channels;
        let mut all = self.robust.iter().chain(units).chain([&self.clean]);
        all.all(|value| value.is_finite())
    }
}

/// What an RGB image `(1, 3, side, side)` does to an objective's units without transforms.
///
/// # Errors
/// When the objective does not fit it.
pub fn glance(model: &Model, objective: &Bound, image: &Tensor) -> Result<Activity> {
    let side = image.dim(2)?;
    let view = View::new(model, side, objective.taps());
    let seen = view.warp(as_it_is(&view, side)).forward(image)?;
    let pass = model.encoder.forward(&seen, objective.taps())?;
    objective.activity(&model.encoder, |tap| pass.activation(tap))
}

/// A picture of `canvas x canvas` pixels without transforms.
fn as_it_is(view: &View, canvas: usize) -> Sampling {
    look(view, canvas, &[], 0)
}

/// How a picture that took so many steps is looked at: first as it is.
pub fn looks(view: &View, canvas: usize, steps: usize) -> Vec<Sampling> {
    let transforms = lucid();
    let robust = (0..draws(steps)).map(|draw| look(view, canvas, &transforms, draw));
    std::iter::once(as_it_is(view, canvas))
        .chain(robust)
        .collect()
}

fn look(view: &View, canvas: usize, transforms: &[Transform], draw: u64) -> Sampling {
    let mut stream = Key::new(0, "robustness", 0).stream(Purpose::Robustness, draw);
    sample(transforms, canvas, view.side(), &mut stream)
}
