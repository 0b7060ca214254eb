//! The objectives of a batch on a GPU (`kernels/reduce.cu`): every image has terms of its own.

use std::sync::Arc;

use crate::backend::cuda::launch::{reduce_terms_bwd, reduce_values_fwd, size};
use crate::backend::cuda::{Array, Float, Gpu, GpuField, Grid};
use crate::encoder::engine::cuda::Cuda;
use crate::encoder::program::Run;
use crate::encoder::tap::TapId;
use crate::error::{Error, Kind, Result};
use crate::objective::{Reading, What};

/// All terms that read one tap.
pub struct Terms {
    tap: TapId,
    /// Image and weight of each.
    owners: Vec<(usize, f64)>,
    starts: Array<i32>,
    numbers: Array<i32>,
    weights: Array<f32>,
    vectors: Array<f32>,
}

impl Terms {
    /// Of each image's readings those of `tap`.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn new(gpu: &Arc<Gpu>, tap: TapId, readings: &[Vec<Reading>]) -> Result<Self> {
        let (mut owners, mut starts) = (Vec::new(), vec![0]);
        let (mut numbers, mut weights) = (Vec::new(), Vec::new());
        let (mut vectors, mut count) = (Vec::new(), 0);
        for (image, readings) in readings.iter().enumerate() {
            for reading in readings.iter().filter(|reading| reading.tap == tap) {
                owners.push((image, reading.weight));
                weights.push(reading.weight as f32);
                let (kind, which, power) = match reading.what {
                    What::Unit(channel) => (0, channel, 0),
                    What::Direction(vector, power) => {
                        vectors.extend(vector.iter().map(|&x| x as f32));
                        count += 1;
                        (1, count - 1, power)
                    }
                };
                let rows = [reading.first, reading.rows].map(|n| n as i32);
                numbers.extend([kind, which as i32, rows[0], rows[1], power as i32]);
            }
            starts.push(owners.len() as i32);
        }
        Ok(Self {
            tap,
            owners,
            starts: Array::upload(gpu, &starts)?,
            numbers: Array::upload(gpu, &numbers)?,
            weights: Array::upload(gpu, &weights)?,
            vectors: Array::upload(gpu, &vectors)?,
        })
    }

    /// The tap.
    pub fn tap(&self) -> TapId {
        self.tap
    }

    /// What a pass kept of the tap.
    ///
    /// # Errors
    /// When it was not asked for it.
    pub fn activation<'a, T: Float>(&self, run: &'a Run<Cuda<T>>) -> Result<&'a GpuField<T>> {
        run.activation(self.tap).ok_or_else(|| {
            let message = "a pass did not keep a tap of its objectives";
            Error::new(Kind::Internal, message)
        })
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.owners.len()
    }

    /// The cotangent of the tap, multiplied by each image's scale; each term's value goes to the place of the
    /// step among `values`.
    pub fn read<T: Float>(
        &self,
        a: &GpuField<T>,
        scales: &Array<f32>,
        step: &Array<u32>,
        values: &mut Array<f32>,
    ) -> Result<GpuField<T>> {
        let (gpu, extent) = (a.gpu(), a.extent);
        let (rows, count) = (extent.positions(), self.count());
        let mut cotangent = GpuField::any(gpu, extent)?;
        let mut table = Array::any(gpu, count * rows)?;
        reduce_terms_bwd(
            gpu,
            Grid::warps(extent.rows()),
            (&a.elements).into(),
            (&self.starts).into(),
            (&self.numbers).into(),
            (&self.weights).into(),
            (&self.vectors).into(),
            scales.into(),
            (&mut cotangent.elements).into(),
            (&mut table).into(),
            size(extent.images)?,
            size(rows)?,
            size(extent.channels)?,
        )?;
        reduce_values_fwd(
            gpu,
            Grid::every_row(count),
            (&table).into(),
            (&self.numbers).into(),
            step.into(),
            values.into(),
            size(count)?,
            size(rows)?,
        )?;
        Ok(cotangent)
    }

    /// Adds the terms' values, weighted, to those of their images.
    pub fn add_to(&self, sums: &mut [f64], values: &[f32]) {
        for (&(image, weight), &value) in self.owners.iter().zip(values) {
            sums[image] += weight * f64::from(value);
        }
    }
}
