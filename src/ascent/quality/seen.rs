//! A finished picture seen once more, without a gradient: as it is, and under fixed transforms.

use std::sync::Arc;

use candle_core::Tensor;

use super::draws;
use crate::ascent::engine::{Objectives, StepEngine};
use crate::ascent::look::look;
use crate::ascent::viewport::Viewport;
use crate::ascent::{Watch, missing};
use crate::backend::cpu::Real;
use crate::encoder::Visit;
use crate::encoder::engine::Cpu;
use crate::encoder::program::Program;
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
    /// From the objective without transforms, and then under each of the fixed ones.
    pub fn new(values: Vec<f64>, activity: Activity) -> Self {
        let mut values = values.into_iter();
        Self {
            clean: values.next().unwrap_or(f64::NAN),
            robust: values.collect(),
            activity,
        }
    }

    /// Whether every number is finite.
    pub fn is_finite(&self) -> bool {
        let units = &self.activity.channels;
        let mut all = self.robust.iter().chain(units).chain([&self.clean]);
        all.all(|value| value.is_finite())
    }
}

/// Looks at RGB images `(1, 3, side, side)` of one size that took so many steps, each with its objective.
///
/// # Errors
/// When an objective does not fit its image, the device fails, or `watch` stops it.
pub fn see<E: StepEngine>(
    on: (&E::Device, &Program<E>),
    model: &Model,
    objectives: Vec<Arc<Bound>>,
    pictures: &[Tensor],
    steps: usize,
    watch: &dyn Watch,
) -> Result<Vec<Seen>> {
    let looks = |viewport: &Viewport, side: usize| looks(viewport, side, steps);
    let of_canvas = objectives.iter().zip(pictures);
    let of_canvas = of_canvas.map(|(objective, picture)| Ok(objective.read_canvas(picture)?.0));
    let of_canvas: Vec<f64> = of_canvas.collect::<Result<_>>()?;
    let seen = look_at::<E>(on, model, objectives, pictures, looks, watch)?;
    let seen = seen.into_iter().zip(of_canvas);
    Ok(seen
        .map(|((values, activity), of_canvas)| {
            let values = values.into_iter().map(|value| value + of_canvas);
            Seen::new(values.collect(), activity)
        })
        .collect())
}

fn look_at<E: StepEngine>(
    on: (&E::Device, &Program<E>),
    model: &Model,
    objectives: Vec<Arc<Bound>>,
    pictures: &[Tensor],
    looks: impl Fn(&Viewport, usize) -> Vec<Sampling>,
    watch: &dyn Watch,
) -> Result<Vec<(Vec<f64>, Activity)>> {
    let (Some(objective), Some(picture)) = (objectives.first(), pictures.first()) else {
        return Ok(Vec::new());
    };
    let side = picture.dim(2)?;
    let viewport = Viewport::new(model, side, objective.taps());
    let samplings = looks(&viewport, side);
    let objectives = Objectives::new(&model.encoder, objectives, viewport.side());
    look::<E>(on, &objectives, pictures, &viewport, &samplings, watch)
}

/// What one image is looked at for on the CPU.
struct OnCpu<'a> {
    model: &'a Model,
    objective: &'a Arc<Bound>,
    image: &'a Tensor,
    /// None for a look at it as it is.
    steps: Option<usize>,
    watch: &'a dyn Watch,
}

impl Visit for OnCpu<'_> {
    type Output = Result<Option<Seen>>;

    fn visit<T: Real>(self, program: &Program<Cpu<T>>) -> Self::Output {
        let Self { model, watch, .. } = self;
        let (objectives, pictures) = (vec![self.objective.clone()], [self.image.clone()]);
        let on = (&(), program);
        let Some(steps) = self.steps else {
            let looks = |viewport: &Viewport, side: usize| vec![as_it_is(viewport, side)];
            let seen = look_at::<Cpu<T>>(on, model, objectives, &pictures, looks, watch)?.pop();
            return Ok(seen.map(|(values, activity)| Seen::new(values, activity)));
        };
        Ok(see::<Cpu<T>>(on, model, objectives, &pictures, steps, watch)?.pop())
    }
}

/// As [`see`], for one image on the CPU.
///
/// # Errors
/// When the objective does not fit the image, or `watch` stops it.
pub fn see_here(
    model: &Model,
    objective: &Arc<Bound>,
    image: &Tensor,
    steps: usize,
    watch: &dyn Watch,
) -> Result<Seen> {
    let seen = model.encoder.visit(OnCpu {
        model,
        objective,
        image,
        steps: Some(steps),
        watch,
    })?;
    seen.ok_or_else(missing)
}

/// What an RGB image `(1, 3, side, side)` does to an objective's units without transforms.
///
/// # Errors
/// When the objective does not fit it.
pub fn glance(model: &Model, objective: &Arc<Bound>, image: &Tensor) -> Result<Activity> {
    let seen = model.encoder.visit(OnCpu {
        model,
        objective,
        image,
        steps: None,
        watch: &(),
    })?;
    Ok(seen.ok_or_else(missing)?.activity)
}

/// A picture of `canvas x canvas` pixels without transforms.
fn as_it_is(view: &Viewport, canvas: usize) -> Sampling {
    sampling(view, canvas, &[], 0)
}

/// How a picture that took so many steps is looked at: first as it is.
fn looks(view: &Viewport, canvas: usize, steps: usize) -> Vec<Sampling> {
    let transforms = lucid();
    let robust = (0..draws(steps)).map(|draw| sampling(view, canvas, &transforms, draw));
    std::iter::once(as_it_is(view, canvas))
        .chain(robust)
        .collect()
}

fn sampling(view: &Viewport, canvas: usize, transforms: &[Transform], draw: u64) -> Sampling {
    let mut stream = Key::new(0, "robustness", 0).stream(Purpose::Robustness, draw);
    sample(transforms, canvas, view.side(), &mut stream)
}
