//! Steps on the CPU.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::{Objectives, StepEngine};
use crate::ascent::adam::Adam;
use crate::ascent::check::{Measured, overflowed};
use crate::ascent::{Settings, missing};
use crate::backend::cpu::{Elements, Real};
use crate::backend::field::Field;
use crate::encoder::Encoder;
use crate::encoder::engine::Cpu;
use crate::encoder::layer::Rules;
use crate::encoder::program::Run;
use crate::encoder::tap::{Tap, TapId};
use crate::error::{Error, Result};
use crate::objective::{Activity, Bound, Styles};
use crate::ops::warp::Warp;
use crate::param::{Parameterisation, Saved};
use crate::size::Size;

/// The terms of all images that act at one tap.
pub struct Terms {
    id: TapId,
    tap: Tap,
    objectives: Vec<Arc<Bound>>,
    groups: Vec<Range<usize>>,
    /// Of each image its facets.
    styles: Vec<Option<Styles>>,
}

/// What the last step measured.
pub struct Ledger {
    measured: Vec<Measured>,
    /// How the encoder looked at which canvas.
    seen: Option<(Warp, Tensor)>,
}

impl<T: Real> StepEngine for Cpu<T> {
    type Device = ();
    type Numbers = Tensor;
    type Parameterisation = Arc<Parameterisation>;
    type SavedCanvas = Saved;
    type Warp = Warp;
    type Terms = Terms;
    type OnCanvas = Vec<Arc<Bound>>;
    type Optimiser = Adam;
    type Ledger = Ledger;
    type Launcher = ();

    const READ_EVERY: usize = 1;

    fn parameterisation((): &(), of: &Arc<Parameterisation>) -> Result<Arc<Parameterisation>> {
        Ok(of.clone())
    }

    fn numbers((): &(), images: &[Tensor]) -> Result<Tensor> {
        let numbers = match images {
            [image] => image.clone(),
            _ => Tensor::cat(images, 0)?,
        };
        Ok(numbers.to_dtype(T::DTYPE)?)
    }

    fn pictures(planes: &Tensor, _: Size) -> Result<Vec<Tensor>> {
        match planes.dim(0)? {
            1 => Ok(vec![planes.clone()]),
            images => (0..images)
                .map(|image| Ok(planes.narrow(0, image, 1)?.contiguous()?))
                .collect(),
        }
    }

    fn canvas(
        parameterisation: &Arc<Parameterisation>,
        numbers: &Tensor,
        _: usize,
    ) -> Result<(Arc<Tensor>, Saved)> {
        let (canvas, saved) = parameterisation.forward(numbers)?;
        Ok((Arc::new(canvas), saved))
    }

    fn canvas_pullback(
        parameterisation: &Arc<Parameterisation>,
        saved: &Saved,
        cotangent: &Tensor,
        _: usize,
    ) -> Result<Tensor> {
        parameterisation.pullback(saved, cotangent)
    }

    fn warp((): &(), warp: &Warp) -> Result<Warp> {
        Ok(warp.clone())
    }

    fn set_warp(drawn: &mut Warp, warp: &Warp) -> Result<()> {
        drawn.clone_from(warp);
        Ok(())
    }

    fn view(warp: &Warp, planes: &Tensor, _: Size) -> Result<Field<T>> {
        Field::from_planes(&warp.forward(planes)?)
    }

    fn view_pullback(warp: &Warp, dx: &Field<T>, canvas: Size, _: &Ledger) -> Result<Tensor> {
        warp.pullback(&dx.to_planes()?, canvas.height, canvas.width)
    }

    fn zeros((): &(), like: &Tensor) -> Result<Tensor> {
        Ok(like.zeros_like()?)
    }

    fn terms((): &(), of: &Objectives, tap: TapId) -> Result<Terms> {
        Ok(Terms {
            id: tap,
            tap: of.encoder.tap(tap).clone(),
            objectives: of.bound.clone(),
            groups: of.groups.clone(),
            styles: of.styles(tap),
        })
    }

    fn on_canvas((): &(), of: &Objectives) -> Result<Option<Vec<Arc<Bound>>>> {
        let any = of.bound.iter().any(|objective| objective.reads_canvas());
        Ok(any.then(|| of.bound.clone()))
    }

    fn optimiser((): &(), numbers: &Tensor, _: usize, settings: &Settings) -> Result<Adam> {
        Adam::new(numbers, settings.learning_rate)
    }

    fn ledger(
        (): &(),
        of: &Objectives,
        _: &[Terms],
        _: Option<&Vec<Arc<Bound>>>,
    ) -> Result<Ledger> {
        Ok(Ledger {
            measured: vec![Measured::default(); of.bound.len()],
            seen: None,
        })
    }

    fn begin(ledger: &mut Ledger, _: usize, _: usize) -> Result<()> {
        ledger.measured.fill(Measured::default());
        Ok(())
    }

    fn note_view(ledger: &mut Ledger, warp: &Warp, canvas: &Tensor) {
        ledger.seen = Some((warp.clone(), canvas.clone()));
    }

    fn read(
        Terms {
            id,
            tap,
            objectives,
            groups,
            ..
        }: &Terms,
        _: usize,
        activation: &Field<T>,
        ledger: &mut Ledger,
    ) -> Result<Field<T>> {
        let mut cotangent = Field::any(activation.extent);
        let length = activation.extent.positions() * activation.extent.channels;
        let rows = cotangent.elements.chunks_exact_mut(length);
        let images = objectives.iter().zip(rows).zip(&mut ledger.measured);
        for (image, ((objective, rows), measured)) in images.enumerate() {
            measured.value += objective.read((*id, tap), (activation, image), rows)?;
        }
        for group in groups.iter().filter(|group| group.len() > 1) {
            let (at, own) = ((*id, tap), group.clone());
            let values = objectives[group.start].read_across(at, activation, own, &mut cotangent);
            for (measured, value) in ledger.measured[group.clone()].iter_mut().zip(values) {
                measured.value += value;
            }
        }
        Ok(cotangent)
    }

    fn act_on_the_way(terms: &Terms) -> bool {
        terms.styles.iter().any(Option::is_some)
    }

    fn read_on_the_way(
        terms: &Terms,
        _: usize,
        activation: &Field<T>,
        pure: &Field<T>,
        cotangent: &mut Field<T>,
        ledger: &mut Ledger,
    ) -> Result<()> {
        let tap = &terms.tap;
        for (image, styles) in terms.styles.iter().enumerate() {
            if let Some(styles) = styles {
                ledger.measured[image].value +=
                    styles.read_image(tap, image, (activation, pure), cotangent);
            }
        }
        Ok(())
    }

    fn values(terms: &Terms, activation: &Field<T>) -> Result<Vec<f64>> {
        let objectives = terms.objectives.iter().enumerate();
        objectives
            .map(|(image, objective)| {
                objective.read((terms.id, &terms.tap), (activation, image), &mut [])
            })
            .collect()
    }

    fn note_gradient(ledger: &mut Ledger, gradient: &Tensor) -> Result<()> {
        for (measured, norm) in ledger.measured.iter_mut().zip(norms(gradient)?) {
            measured.norm_of_units = norm;
            measured.norm = norm;
        }
        Ok(())
    }

    fn read_canvas(
        objectives: &Vec<Arc<Bound>>,
        (canvas, _): (&Tensor, Size),
        gradient: &mut Tensor,
        ledger: &mut Ledger,
    ) -> Result<()> {
        let mut gradients = Vec::with_capacity(objectives.len());
        for (image, objective) in objectives.iter().enumerate() {
            let canvas = canvas.narrow(0, image, 1)?;
            let (value, slope) = objective.read_canvas(&canvas)?;
            ledger.measured[image].value += value;
            let own = gradient.narrow(0, image, 1)?;
            gradients.push(match slope {
                Some(slope) => (own + slope)?,
                None => own,
            });
        }
        *gradient = Tensor::cat(&gradients, 0)?;
        for (measured, norm) in ledger.measured.iter_mut().zip(norms(gradient)?) {
            measured.norm = norm;
        }
        Ok(())
    }

    fn ascend(adam: &mut Adam, numbers: &mut Tensor, gradient: &Tensor, _: &Ledger) -> Result<()> {
        *numbers = adam.ascend(numbers, gradient)?;
        Ok(())
    }

    fn measured(
        ledger: &mut Ledger,
        places: usize,
        _: &[Terms],
        _: Option<&Vec<Arc<Bound>>>,
    ) -> Result<Vec<Vec<Measured>>> {
        Ok(vec![ledger.measured.clone(); places])
    }

    fn explained(ledger: &Ledger, encoder: &Encoder, image: usize, error: Error) -> Error {
        let overflow = || -> Result<_> {
            let Some((warp, canvas)) = &ledger.seen else {
                return Ok(None);
            };
            encoder.overflow(&warp.forward(canvas)?.narrow(0, image, 1)?)
        };
        match overflow() {
            Ok(Some(tap)) => overflowed(&error, tap),
            _ => error,
        }
    }

    fn launch((): &mut (), _: Rules, step: impl FnOnce() -> Result<()>) -> Result<()> {
        step()
    }

    fn activities(of: &Objectives, run: &Run<Self>) -> Result<Vec<Activity>> {
        let objectives = of.bound.iter().enumerate();
        objectives
            .map(|(image, objective)| {
                let field = |tap| run.activation(tap).ok_or_else(missing);
                objective.activity(of.encoder, image, field)
            })
            .collect()
    }
}

/// The Euclidean norm of each image's numbers, summed in `f64`; not finite when one of them is not.
fn norms(x: &Tensor) -> Result<Vec<f64>> {
    let images = x.dim(0)?.max(1);
    let x = x.to_dtype(DType::F64)?.contiguous()?;
    let x = Elements::<f64>::of(&x)?;
    let norm = |image: &[f64]| image.iter().map(|x| x * x).sum::<f64>().sqrt();
    Ok(x.chunks_exact((x.len() / images).max(1))
        .map(norm)
        .collect())
}
