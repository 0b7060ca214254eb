//! A convolution that looks at more than one position at a time, by each of its ways.

use std::sync::{Arc, OnceLock};

use super::Way;
#[cfg(feature = "cudnn")]
use super::cudnn::GpuCudnn;
use super::patches::GpuPatches;
use super::winograd::GpuWinograd;
use crate::backend::cpu::Real;
use crate::backend::cuda::{Float, Gpu, GpuField, GpuMask};
use crate::backend::field::Extent;
use crate::error::Result;
use crate::ops::conv::patches::{Patches, Window};
use crate::ops::conv::spatial;
use crate::ops::linear::cuda::single;

/// What a convolution multiplies and adds, from which each way makes what it needs.
pub struct Kernel {
    /// `(outputs, k, k, inputs)`.
    pub weight: Vec<f32>,
    /// `(outputs)`.
    pub bias: Vec<f32>,
    pub inputs: usize,
    pub outputs: usize,
    pub window: Window,
}

impl Kernel {
    /// The weight from an input to an output at a place.
    pub fn at(&self, i: usize, o: usize, y: usize, x: usize) -> f32 {
        let side = self.window.kernel;
        self.weight[((o * side + y) * side + x) * self.inputs + i]
    }
}

impl<R: Real> From<&Patches<R>> for Kernel {
    fn from(own: &Patches<R>) -> Self {
        let outputs = own.linear.outputs();
        Self {
            weight: single(&own.linear.weight()),
            bias: own.linear.bias().map_or(vec![0.0; outputs], single),
            inputs: own.inputs,
            outputs,
            window: own.window,
        }
    }
}

impl<R: Real> From<&spatial::Kernel<R>> for Kernel {
    fn from(own: &spatial::Kernel<R>) -> Self {
        let (inputs, window) = (own.inputs, Window::SPATIAL);
        let places = window.kernel * window.kernel;
        let weight: Vec<R> = (0..own.outputs * places * inputs)
            .map(|at| {
                let (o, place, i) = (at / inputs / places, at / inputs % places, at % inputs);
                own.at(i, o, place / window.kernel, place % window.kernel)
            })
            .collect();
        Self {
            weight: single(&weight),
            bias: single(&own.bias),
            inputs,
            outputs: own.outputs,
            window,
        }
    }
}

/// A convolution that goes one way; its methods are those of [`GpuConv`](super::GpuConv).
pub trait Convolver<T: Float> {
    fn forward(
        &self,
        x: &GpuField<T>,
        add: Option<&GpuField<T>>,
        relu: bool,
    ) -> Result<(GpuField<T>, Option<GpuMask>)>;

    fn forward_pooled(&self, x: &GpuField<T>) -> Result<(GpuField<T>, GpuMask)>;

    fn pullback(
        &self,
        dy: &GpuField<T>,
        from: Extent,
        add: Option<&GpuField<T>>,
        gate: Option<&GpuMask>,
    ) -> Result<GpuField<T>>;
}

/// A convolution of any window.
pub struct GpuWindowed<T: Float> {
    kernel: Kernel,
    /// Instead of the table's.
    only: Option<Way>,
    winograd: OnceLock<GpuWinograd>,
    patches: OnceLock<GpuPatches<T>>,
    #[cfg(feature = "cudnn")]
    cudnn: OnceLock<GpuCudnn<T>>,
}

impl<T: Float> GpuWindowed<T> {
    /// Where the size of a field has no say, what is needed is uploaded, and a library that is missing found out,
    /// at once; else when it is first used.
    pub(super) fn new(kernel: Kernel, only: Option<Way>, gpu: &Arc<Gpu>) -> Result<Self> {
        let own = Self {
            kernel,
            only,
            winograd: OnceLock::new(),
            patches: OnceLock::new(),
            #[cfg(feature = "cudnn")]
            cudnn: OnceLock::new(),
        };
        let [smallest, largest] = [0, usize::MAX].map(|positions| own.way(positions));
        if smallest == largest {
            own.by(largest, gpu)?;
        }
        Ok(own)
    }

    /// The way of fields of so many positions.
    fn way(&self, positions: usize) -> Way {
        let table = || Way::of::<T>(self.kernel.window, self.kernel.inputs, positions);
        self.only.unwrap_or_else(table)
    }

    /// The convolution of fields of this extent.
    pub(super) fn of(&self, field: Extent, gpu: &Arc<Gpu>) -> Result<&dyn Convolver<T>> {
        self.by(self.way(field.positions()), gpu)
    }

    fn by(&self, way: Way, gpu: &Arc<Gpu>) -> Result<&dyn Convolver<T>> {
        let kernel = &self.kernel;
        Ok(match way {
            Way::Winograd => get_or_try(&self.winograd, || GpuWinograd::upload(kernel, gpu))?,
            Way::Patches => get_or_try(&self.patches, || GpuPatches::upload(kernel, gpu))?,
            #[cfg(feature = "cudnn")]
            Way::Cudnn => get_or_try(&self.cudnn, || GpuCudnn::upload(kernel, gpu))?,
        })
    }
}

/// What the cell holds; made, which can fail, if it is empty.
fn get_or_try<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    match cell.get() {
        Some(made) => Ok(made),
        None => {
            let made = make()?;
            Ok(cell.get_or_init(|| made))
        }
    }
}
