//! What an engine does in a step of an ascent beside running the encoder's program.

mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;

use std::ops::Range;
use std::sync::Arc;

use candle_core::Tensor;

use super::check::Measured;
use super::{Job, Settings};
use crate::encoder::Encoder;
use crate::encoder::engine::Engine;
use crate::encoder::layer::Rules;
use crate::encoder::program::Run;
use crate::encoder::tap::TapId;
use crate::error::{Error, Result};
use crate::objective::{Activity, Bound, Styles};
use crate::ops::warp::Warp;
use crate::param::Parameterisation;
use crate::size::Size;

/// What the images of a batch climb.
pub struct Objectives<'a> {
    /// What they are bound to.
    pub encoder: &'a Encoder,
    /// One an image; all read the same taps.
    pub bound: Vec<Arc<Bound>>,
    /// Which images, one after the other, are a group.
    pub groups: Vec<Range<usize>>,
    /// The taps that they read.
    pub taps: Vec<TapId>,
    /// The size of the encoder's input.
    pub input: Size,
}

impl<'a> Objectives<'a> {
    /// Objectives that read the same taps, each of an image by itself, for an input of this size.
    pub fn new(encoder: &'a Encoder, bound: Vec<Arc<Bound>>, input: Size) -> Self {
        let taps = bound.first().map(|objective| objective.taps().to_vec());
        Self {
            encoder,
            groups: (0..bound.len()).map(|image| image..image + 1).collect(),
            bound,
            taps: taps.unwrap_or_default(),
            input,
        }
    }

    /// The objectives of jobs that read the same taps, for an input of this size.
    pub fn of_groups(encoder: &'a Encoder, jobs: &[&Job], input: Size) -> Self {
        let mut bound = Vec::new();
        let mut groups = Vec::with_capacity(jobs.len());
        for job in jobs {
            let start = bound.len();
            bound.extend(job.keys.iter().map(|_| job.objective.clone()));
            groups.push(start..bound.len());
        }
        Self {
            groups,
            ..Self::new(encoder, bound, input)
        }
    }

    /// Of each image the facets at a tap.
    pub fn styles(&self, tap: TapId) -> Vec<Option<Styles>> {
        let bound = self.bound.iter();
        bound
            .map(|objective| objective.styles(self.encoder, tap, self.input))
            .collect()
    }

    /// The terms at each of the taps.
    ///
    /// # Errors
    /// As [`StepEngine::terms`].
    pub fn terms<E: StepEngine>(&self, device: &E::Device) -> Result<Vec<E::Terms>> {
        let taps = self.taps.iter();
        taps.map(|&tap| E::terms(device, self, tap)).collect()
    }
}

/// An engine that climbs. Operations are on a whole batch, whose images are treated independently.
pub trait StepEngine: Engine {
    /// Where memory is taken.
    type Device;
    /// Numbers of every image: free numbers `(n, ...)`, RGB planes `(n, 3, h, w)`, or a cotangent of either.
    type Numbers;
    /// From free numbers to RGB planes.
    type Parameterisation;
    /// What the parameterisation's pullback needs of its forward pass.
    type SavedCanvas;
    /// From RGB planes to the encoder's input.
    type Warp;
    /// The terms of all images that act at one tap.
    type Terms;
    /// The terms of all images that act on the canvas.
    type OnCanvas;
    /// The optimiser's state.
    type Optimiser;
    /// What steps measured, until it is read.
    type Ledger;
    /// What launches a step.
    type Launcher;

    /// Steps after which measurements are read.
    const READ_EVERY: usize;

    /// The parameterisation in the device's memory.
    fn parameterisation(
        device: &Self::Device,
        of: &Arc<Parameterisation>,
    ) -> Result<Self::Parameterisation>;

    /// The numbers of images `(1, ...)` of equal shapes, put together.
    fn numbers(device: &Self::Device, images: &[Tensor]) -> Result<Self::Numbers>;

    /// RGB planes of this size as `(1, 3, h, w)` each.
    fn pictures(planes: &Self::Numbers, size: Size) -> Result<Vec<Tensor>>;

    /// RGB planes `(n, 3, h, w)` in (0, 1) from free numbers, and what the way back needs.
    fn canvas(
        parameterisation: &Self::Parameterisation,
        numbers: &Self::Numbers,
        images: usize,
    ) -> Result<(Arc<Self::Numbers>, Self::SavedCanvas)>;

    /// The cotangent of the free numbers from that of the planes.
    fn canvas_pullback(
        parameterisation: &Self::Parameterisation,
        saved: &Self::SavedCanvas,
        cotangent: &Self::Numbers,
        images: usize,
    ) -> Result<Self::Numbers>;

    /// A warp in the device's memory.
    fn warp(device: &Self::Device, warp: &Warp) -> Result<Self::Warp>;

    /// Another warp of as many images in its place.
    fn set_warp(drawn: &mut Self::Warp, warp: &Warp) -> Result<()>;

    /// The encoder's input `(n, height, width, 3)` for planes of the size `canvas`.
    fn view(warp: &Self::Warp, planes: &Self::Numbers, canvas: Size) -> Result<Self::Field>;

    /// The cotangent of planes of the size `canvas` from that of the encoder's input.
    fn view_pullback(
        warp: &Self::Warp,
        dx: &Self::Field,
        canvas: Size,
        ledger: &Self::Ledger,
    ) -> Result<Self::Numbers>;

    /// Zeros, as many as `like` has numbers.
    fn zeros(device: &Self::Device, like: &Self::Numbers) -> Result<Self::Numbers>;

    /// The terms at one tap.
    ///
    /// # Errors
    /// When a position lies outside the tap's grid; or else reading them fails.
    fn terms(device: &Self::Device, of: &Objectives, tap: TapId) -> Result<Self::Terms>;

    /// The terms on the canvas; none where no image has one.
    fn on_canvas(device: &Self::Device, of: &Objectives) -> Result<Option<Self::OnCanvas>>;

    /// An optimiser of such free numbers that has taken no step.
    fn optimiser(
        device: &Self::Device,
        numbers: &Self::Numbers,
        images: usize,
        settings: &Settings,
    ) -> Result<Self::Optimiser>;

    /// A ledger without entries.
    fn ledger(
        device: &Self::Device,
        of: &Objectives,
        terms: &[Self::Terms],
        on_canvas: Option<&Self::OnCanvas>,
    ) -> Result<Self::Ledger>;

    /// Opens the entry of a step, counted from 0, at a place below [`StepEngine::READ_EVERY`].
    fn begin(ledger: &mut Self::Ledger, step: usize, place: usize) -> Result<()>;

    /// Takes note of how the encoder looks at the canvas.
    fn note_view(_ledger: &mut Self::Ledger, _warp: &Self::Warp, _canvas: &Self::Numbers) {}

    /// The cotangent of activations from the terms at their tap, the `index`th of the objectives' taps; the terms'
    /// values are noted.
    fn read(
        terms: &Self::Terms,
        index: usize,
        activation: &Self::Field,
        ledger: &mut Self::Ledger,
    ) -> Result<Self::Field>;

    /// Whether some of the terms at a tap act on the cotangent of the others on its way back.
    fn act_on_the_way(terms: &Self::Terms) -> bool;

    /// Adds to the cotangent at a tap what those terms make of the activations there and of `pure`, the cotangent of the
    /// other terms; their values are noted.
    fn read_on_the_way(
        terms: &Self::Terms,
        index: usize,
        activation: &Self::Field,
        pure: &Self::Field,
        cotangent: &mut Self::Field,
        ledger: &mut Self::Ledger,
    ) -> Result<()>;

    /// The weighted sums of each image's terms at a tap and on the canvas, without a gradient.
    fn values(terms: &Self::Terms, activation: &Self::Field) -> Result<Vec<f64>>;

    /// Notes the norm of each image's gradient before the terms on the canvas are added.
    fn note_gradient(ledger: &mut Self::Ledger, gradient: &Self::Numbers) -> Result<()>;

    /// Adds the gradients of the terms on canvases of this size; their values and the norms with them are noted.
    fn read_canvas(
        terms: &Self::OnCanvas,
        canvas: (&Self::Numbers, Size),
        gradient: &mut Self::Numbers,
        ledger: &mut Self::Ledger,
    ) -> Result<()>;

    /// A step up the gradient.
    fn ascend(
        optimiser: &mut Self::Optimiser,
        numbers: &mut Self::Numbers,
        gradient: &Self::Numbers,
        ledger: &Self::Ledger,
    ) -> Result<()>;

    /// What the steps at the first `places` measured of each image; there are at most
    /// [`StepEngine::READ_EVERY`] of them.
    fn measured(
        ledger: &mut Self::Ledger,
        places: usize,
        terms: &[Self::Terms],
        on_canvas: Option<&Self::OnCanvas>,
    ) -> Result<Vec<Vec<Measured>>>;

    /// Whether an image's gradient was too large for the device's type, so that the image did not take the step;
    /// `lost` counts such gradients.
    ///
    /// # Errors
    /// When there were too many.
    fn has_lost(_ledger: &Self::Ledger, _: Measured, _lost: &mut usize) -> Result<bool> {
        Ok(false)
    }

    /// An image's error, with what the engine knows of its cause.
    fn explained(ledger: &Self::Ledger, encoder: &Encoder, image: usize, error: Error) -> Error;

    /// Has a step launched that follows these rules.
    fn launch(
        launcher: &mut Self::Launcher,
        rules: Rules,
        step: impl FnOnce() -> Result<()>,
    ) -> Result<()>;

    /// What each image of a pass does to its objective's units.
    fn activities(of: &Objectives, run: &Run<Self>) -> Result<Vec<Activity>>;
}
