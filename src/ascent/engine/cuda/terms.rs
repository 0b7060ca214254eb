//! The objectives of a batch on a GPU (`kernels/reduce.cu`): every image has terms of its own.

use std::sync::Arc;

use super::ledger::WORDS;
use crate::ascent::engine::Objectives;
use crate::backend::cuda::launch::{reduce_terms_bwd, reduce_values_fwd, size};
use crate::backend::cuda::{Array, Float, Gpu, GpuField, Grid};
use crate::encoder::tap::{Tap, TapId};
use crate::error::Result;
use crate::objective::{Bound, GpuDiversity, GpuFacets, Table};

/// All terms that read one tap.
pub struct Terms {
    images: usize,
    /// Image and weight of each.
    owners: Vec<(usize, f64)>,
    starts: Array<i32>,
    numbers: Array<i32>,
    weights: Array<f32>,
    vectors: Array<f32>,
    tap: Tap,
    diversity: Option<GpuDiversity>,
    facets: Option<GpuFacets>,
    /// Scales of 1, and the first place, for [`Terms::values`].
    unscaled: (Array<f32>, Array<u32>),
}

/// The values of the terms at one tap, at each place.
pub struct Values {
    /// One a term of a single image.
    each: Array<f32>,
    /// One an image, of the terms that compare pictures.
    across: Option<Array<f32>>,
    /// One an image, of the terms on the way back.
    on_the_way: Option<Array<f32>>,
}

impl Terms {
    /// Of each image's objective the terms at `tap`.
    ///
    /// # Errors
    /// When a position lies outside the tap's grid, or the device's memory is full.
    pub fn new(gpu: &Arc<Gpu>, of: &Objectives, tap: TapId) -> Result<Self> {
        let bound: Vec<&Bound> = of.bound.iter().map(|objective| &**objective).collect();
        let table = Table::new(of.encoder, tap, of.input, &bound)?;
        let weights: Vec<f32> = table
            .owners
            .iter()
            .map(|(_, weight)| *weight as f32)
            .collect();
        Ok(Self {
            images: bound.len(),
            unscaled: (
                Array::upload(gpu, &vec![1.0; bound.len()])?,
                Array::zeros(gpu, WORDS)?,
            ),
            owners: table.owners,
            starts: Array::upload(gpu, &table.starts)?,
            numbers: Array::upload(gpu, table.numbers.as_flattened())?,
            weights: Array::upload(gpu, &weights)?,
            vectors: Array::upload(gpu, &table.vectors)?,
            tap: of.encoder.tap(tap).clone(),
            diversity: GpuDiversity::new(gpu, tap, &of.bound, &of.groups)?,
            facets: GpuFacets::new(gpu, &of.styles(tap))?,
        })
    }

    /// The weighted sums of each image's terms, without a gradient; waits for the device.
    pub fn values<T: Float>(&self, a: &GpuField<T>) -> Result<Vec<f64>> {
        let (scales, place) = &self.unscaled;
        let mut values = Array::any(a.gpu(), self.count())?;
        self.read_each(a, scales, place, &mut values)?;
        let mut sums = vec![0.0; self.images];
        self.add_each(&mut sums, &values.download()?);
        Ok(sums)
    }

    /// How many there are of single images.
    fn count(&self) -> usize {
        self.owners.len()
    }

    /// Room for the values of so many steps.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn room(&self, gpu: &Arc<Gpu>, places: usize) -> Result<Values> {
        let an_image = |is_there: bool| {
            let room = is_there.then(|| Array::any(gpu, places * self.images));
            room.transpose()
        };
        Ok(Values {
            each: Array::any(gpu, places * self.count())?,
            across: an_image(self.diversity.is_some())?,
            on_the_way: an_image(self.facets.is_some())?,
        })
    }

    /// The cotangent of the tap, multiplied by each image's scale; the values go to the place of the step.
    pub fn read<T: Float>(
        &self,
        a: &GpuField<T>,
        scales: &Array<f32>,
        step: &Array<u32>,
        values: &mut Values,
    ) -> Result<GpuField<T>> {
        let mut cotangent = self.read_each(a, scales, step, &mut values.each)?;
        if let (Some(diversity), Some(values)) = (&self.diversity, &mut values.across) {
            diversity.read(&self.tap, a, scales, step, (&mut cotangent, values))?;
        }
        Ok(cotangent)
    }

    /// Whether some of the terms are facets.
    pub fn act_on_the_way(&self) -> bool {
        self.facets.is_some()
    }

    /// Adds what facets make of the other terms' cotangent; the values go to the place of the step.
    pub fn read_on_the_way<T: Float>(
        &self,
        of: (&GpuField<T>, &GpuField<T>),
        scales: &Array<f32>,
        step: &Array<u32>,
        cotangent: &mut GpuField<T>,
        values: &mut Values,
    ) -> Result<()> {
        match (&self.facets, &mut values.on_the_way) {
            (Some(facets), Some(values)) => {
                facets.read(&self.tap, of, scales, step, (cotangent, values))
            }
            _ => Ok(()),
        }
    }

    /// Adds the values, weighted, of the step at each place to those of its images.
    ///
    /// # Errors
    /// When the device fails.
    pub fn add_to(&self, sums: &mut [Vec<f64>], values: &Values) -> Result<()> {
        let each = values.each.download()?;
        for (sums, values) in sums.iter_mut().zip(each.chunks(self.count().max(1))) {
            self.add_each(sums, values);
        }
        if let (Some(diversity), Some(values)) = (&self.diversity, &values.across) {
            let values = values.download()?;
            for (sums, values) in sums.iter_mut().zip(values.chunks(self.images)) {
                diversity.add_to(sums, values);
            }
        }
        if let Some(values) = &values.on_the_way {
            let values = values.download()?;
            for (sums, values) in sums.iter_mut().zip(values.chunks(self.images)) {
                for (sum, &value) in sums.iter_mut().zip(values) {
                    *sum += f64::from(value);
                }
            }
        }
        Ok(())
    }

    /// The cotangent of the terms of single images; each term's value goes to the place of the step among `values`.
    fn read_each<T: Float>(
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

    fn add_each(&self, sums: &mut [f64], values: &[f32]) {
        for (&(image, weight), &value) in self.owners.iter().zip(values) {
            sums[image] += weight * f64::from(value);
        }
    }
}
