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
use crate::size::Size;
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

/// Looks at RGB images `(1, 3, h, w)` of one size, each with its objective: as they are, and under the fixed
/// transforms of a picture that took so many steps.
///
/// # Errors
/// When an objective does not fit its image, the device fails, or `watch` stops it.
pub fn see<E: StepEngine>(
    on: (&E::Device, &Program<E>),
    model: &Model,
    objectives: Vec<Arc<Bound>>,
    pictures: &[Tensor],
    steps: Option<usize>,
    watch: &dyn Watch,
) -> Result<Vec<Seen>> {
    let (Some(objective), Some(picture)) = (objectives.first(), pictures.first()) else {
        return Ok(Vec::new());
    };
    let canvas = Size::of(picture)?;
    let viewport = Viewport::new(model, canvas, objective.taps());
    let samplings = looks(&viewport, canvas, steps);
    let objectives = Objectives::new(&model.encoder, objectives, viewport.size());
    let seen = look::<E>(on, &objectives, pictures, &viewport, &samplings, watch)?;
    let seen = seen.into_iter().zip(&objectives.bound).zip(pictures);
    seen.map(|(((values, activity), objective), picture)| {
        let (of_canvas, _) = objective.read_canvas(picture)?;
        let values = values.into_iter().map(|value| value + of_canvas);
        Ok(Seen::new(values.collect(), activity))
    })
    .collect()
}

/// As [`see`], for one image on the CPU.
///
/// # Errors
/// When the objective does not fit the image, or `watch` stops it.
pub fn see_here(
    model: &Model,
    objective: &Arc<Bound>,
    image: &Tensor,
    steps: Option<usize>,
    watch: &dyn Watch,
) -> Result<Seen> {
    model.encoder.visit(OnCpu {
        model,
        objective,
        image,
        steps,
        watch,
    })
}

/// What [`see_here`] is asked.
struct OnCpu<'a> {
    model: &'a Model,
    objective: &'a Arc<Bound>,
    image: &'a Tensor,
    steps: Option<usize>,
    watch: &'a dyn Watch,
}

impl Visit for OnCpu<'_> {
    type Output = Result<Seen>;

    fn visit<T: Real>(self, program: &Program<Cpu<T>>) -> Self::Output {
        let (objectives, pictures) = (vec![self.objective.clone()], [self.image.clone()]);
        let on = (&(), program);
        let seen = see::<Cpu<T>>(
            on, self.model, objectives, &pictures, self.steps, self.watch,
        );
        seen?.pop().ok_or_else(missing)
    }
}

/// How a picture is looked at: as it is, and under the fixed transforms of one that took so many steps.
fn looks(viewport: &Viewport, canvas: Size, steps: Option<usize>) -> Vec<Sampling> {
    let transforms = lucid();
    let draws = steps.map_or(0, draws);
    let robust = (0..draws).map(|draw| sampling(viewport, canvas, &transforms, draw));
    let as_it_is = sampling(viewport, canvas, &[], 0);
    std::iter::once(as_it_is).chain(robust).collect()
}

fn sampling(viewport: &Viewport, canvas: Size, transforms: &[Transform], draw: u64) -> Sampling {
    let mut stream = Key::new(0, "robustness", 0).stream(Purpose::Robustness, draw);
    sample(transforms, canvas, viewport.size(), &mut stream)
}
