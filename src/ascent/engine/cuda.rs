//! Steps on an NVIDIA GPU. What goes there in a step are the drawn transforms and a few numbers an image; what comes
//! back, every [`StepEngine::READ_EVERY`] steps, are the scalars of the trace. A step's launches are the same at
//! every step: what differs is put into the device's memory before, so that a step can be recorded.

mod adam;
mod ledger;
mod measure;
mod recorder;
mod scales;
mod terms;

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::{Objectives, StepEngine};
use crate::ascent::check::Measured;
use crate::ascent::{Settings, missing};
use crate::backend::cpu::Elements;
use crate::backend::cuda::{Array, Float, Gpu, GpuField};
use crate::encoder::Encoder;
use crate::encoder::engine::cuda::Cuda;
use crate::encoder::layer::Rules;
use crate::encoder::program::Run;
use crate::encoder::tap::TapId;
use crate::error::{Error, Result};
use crate::objective::Activity;
use crate::ops::warp::Warp;
use crate::ops::warp::cuda::GpuWarp;
use crate::param::Parameterisation;
use crate::param::cuda::{GpuParameterisation, GpuSaved};
use crate::size::Size;
use adam::GpuAdam;
use ledger::Ledger;
use measure::Penalties;
pub use recorder::Launcher;
use terms::Terms;

impl<T: Float> StepEngine for Cuda<T> {
    type Device = Arc<Gpu>;
    type Numbers = Array<f32>;
    type Parameterisation = GpuParameterisation;
    type SavedCanvas = GpuSaved;
    type Warp = GpuWarp;
    type Terms = Terms;
    type OnCanvas = Penalties;
    type Optimiser = GpuAdam;
    type Ledger = Ledger;
    type Launcher = Launcher;

    const READ_EVERY: usize = 16;

    fn parameterisation(gpu: &Arc<Gpu>, of: &Arc<Parameterisation>) -> Result<GpuParameterisation> {
        of.upload(gpu)
    }

    fn numbers(gpu: &Arc<Gpu>, images: &[Tensor]) -> Result<Array<f32>> {
        let mut numbers = Vec::new();
        for image in images {
            let image = image.to_dtype(DType::F32)?.contiguous()?;
            numbers.extend_from_slice(&Elements::<f32>::of(&image)?);
        }
        Array::upload(gpu, &numbers)
    }

    fn pictures(planes: &Array<f32>, size: Size) -> Result<Vec<Tensor>> {
        let Size { height, width } = size;
        let planes = planes.download()?;
        let tensor = |image: &[f32]| {
            Ok(Tensor::from_slice(
                image,
                (1, 3, height, width),
                &Device::Cpu,
            )?)
        };
        planes.chunks_exact(3 * size.pixels()).map(tensor).collect()
    }

    fn canvas(
        parameterisation: &GpuParameterisation,
        numbers: &Array<f32>,
        images: usize,
    ) -> Result<(Arc<Array<f32>>, GpuSaved)> {
        parameterisation.forward(numbers, images)
    }

    fn canvas_pullback(
        parameterisation: &GpuParameterisation,
        saved: &GpuSaved,
        cotangent: &Array<f32>,
        images: usize,
    ) -> Result<Array<f32>> {
        parameterisation.pullback(saved, cotangent, images)
    }

    fn warp(gpu: &Arc<Gpu>, warp: &Warp) -> Result<GpuWarp> {
        warp.upload(gpu)
    }

    fn set_warp(drawn: &mut GpuWarp, warp: &Warp) -> Result<()> {
        drawn.set(warp)
    }

    fn view(warp: &GpuWarp, planes: &Array<f32>, canvas: Size) -> Result<GpuField<T>> {
        warp.forward(planes, (canvas.height, canvas.width))
    }

    fn view_pullback(
        warp: &GpuWarp,
        dx: &GpuField<T>,
        canvas: Size,
        ledger: &Ledger,
    ) -> Result<Array<f32>> {
        warp.pullback(dx, &ledger.scales.factors, (canvas.height, canvas.width))
    }

    fn zeros(gpu: &Arc<Gpu>, like: &Array<f32>) -> Result<Array<f32>> {
        Array::zeros(gpu, like.len())
    }

    fn terms(gpu: &Arc<Gpu>, of: &Objectives, tap: TapId) -> Result<Terms> {
        Terms::new(gpu, of, tap)
    }

    fn on_canvas(gpu: &Arc<Gpu>, of: &Objectives) -> Result<Option<Penalties>> {
        let weights = of.bound.iter().map(|objective| objective.canvas_weights());
        Penalties::new(gpu, weights.collect())
    }

    fn optimiser(
        gpu: &Arc<Gpu>,
        numbers: &Array<f32>,
        images: usize,
        settings: &Settings,
    ) -> Result<GpuAdam> {
        GpuAdam::new(gpu, images, numbers.len(), settings)
    }

    fn ledger(
        gpu: &Arc<Gpu>,
        of: &Objectives,
        terms: &[Terms],
        penalties: Option<&Penalties>,
    ) -> Result<Ledger> {
        Ledger::new::<T>(gpu, Self::READ_EVERY, of, terms, penalties)
    }

    fn begin(ledger: &mut Ledger, step: usize, place: usize) -> Result<()> {
        ledger.begin(step, place)
    }

    fn read(
        terms: &Terms,
        index: usize,
        activation: &GpuField<T>,
        ledger: &mut Ledger,
    ) -> Result<GpuField<T>> {
        let Ledger {
            scales,
            words,
            measures,
            ..
        } = ledger;
        terms.read(
            activation,
            &scales.factors,
            words,
            &mut measures.values[index],
        )
    }

    fn act_on_the_way(terms: &Terms) -> bool {
        terms.act_on_the_way()
    }

    fn read_on_the_way(
        terms: &Terms,
        index: usize,
        activation: &GpuField<T>,
        pure: &GpuField<T>,
        cotangent: &mut GpuField<T>,
        Ledger {
            scales,
            words,
            measures,
        }: &mut Ledger,
    ) -> Result<()> {
        let (of, values) = ((activation, pure), &mut measures.values[index]);
        terms.read_on_the_way(of, &scales.factors, words, cotangent, values)
    }

    fn values(terms: &Terms, activation: &GpuField<T>) -> Result<Vec<f64>> {
        terms.values(activation)
    }

    fn note_gradient(ledger: &mut Ledger, gradient: &Array<f32>) -> Result<()> {
        ledger.note_gradient(gradient)
    }

    fn read_canvas(
        penalties: &Penalties,
        (canvas, size): (&Array<f32>, Size),
        gradient: &mut Array<f32>,
        ledger: &mut Ledger,
    ) -> Result<()> {
        let measured = ledger.measures.of_penalties.as_mut().ok_or_else(missing)?;
        penalties.add(canvas, gradient, size, &ledger.words, measured)
    }

    fn ascend(
        adam: &mut GpuAdam,
        numbers: &mut Array<f32>,
        gradient: &Array<f32>,
        ledger: &Ledger,
    ) -> Result<()> {
        adam.ascend(numbers, gradient, &ledger.scales.lost, &ledger.words)
    }

    fn measured(
        ledger: &mut Ledger,
        places: usize,
        terms: &[Terms],
        penalties: Option<&Penalties>,
    ) -> Result<Vec<Vec<Measured>>> {
        ledger.measures.read(places, terms, penalties)
    }

    fn has_lost(ledger: &Ledger, measured: Measured, lost: &mut usize) -> Result<bool> {
        ledger.scales.has_lost(measured, lost)
    }

    fn explained(ledger: &Ledger, _: &Encoder, _: usize, error: Error) -> Error {
        ledger.scales.explained(error)
    }

    fn launch(
        launcher: &mut Launcher,
        rules: Rules,
        step: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        launcher.run(rules, step)
    }

    fn activities(of: &Objectives, run: &Run<Self>) -> Result<Vec<Activity>> {
        let mut fields = BTreeMap::new();
        for &tap in &of.taps {
            let activation = run.activation(tap).ok_or_else(missing)?;
            fields.insert(tap, activation.download()?);
        }
        let objectives = of.bound.iter().enumerate();
        objectives
            .map(|(image, objective)| {
                let field = |tap| fields.get(&tap).ok_or_else(missing);
                objective.activity(of.encoder, image, field)
            })
            .collect()
    }
}
