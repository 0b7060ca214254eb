//! The same of the groups of a batch on a GPU (`kernels/diversity.cu`).

use std::ops::Range;
use std::sync::Arc;

use crate::backend::cuda::launch::{
    diversity_add_bwd, diversity_others_fwd, diversity_products_fwd, size,
};
use crate::backend::cuda::product::{Matrices, Product};
use crate::backend::cuda::{Array, Float, Gpu, GpuField, Grid};
use crate::encoder::positions::Positions;
use crate::encoder::tap::{Tap, TapId};
use crate::error::Result;
use crate::objective::Bound;

/// The terms of a batch that compare pictures at one tap, summed to one an image.
pub struct GpuDiversity {
    weights: Vec<f64>,
    /// The same in the device's memory.
    uploaded: Array<f32>,
    /// Of each image its group's first, and how many that has.
    groups: Array<i32>,
    /// The most images of a group.
    most: usize,
}

impl GpuDiversity {
    /// Of each group, whose images have one objective, the terms at `tap`; nothing where none compares pictures there.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn new(
        gpu: &Arc<Gpu>,
        tap: TapId,
        objectives: &[Arc<Bound>],
        groups: &[Range<usize>],
    ) -> Result<Option<Self>> {
        let mut weights = Vec::with_capacity(objectives.len());
        let mut members = Vec::with_capacity(objectives.len());
        for group in groups {
            let weight: f64 = objectives[group.start].across(tap).sum();
            for _ in group.clone() {
                weights.push(weight);
                members.push([group.start as i32, group.len() as i32]);
            }
        }
        let most = groups.iter().map(ExactSizeIterator::len).max();
        let most = most.filter(|&most| most > 1 && weights.iter().any(|&weight| weight != 0.0));
        let Some(most) = most else { return Ok(None) };
        let single: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
        Ok(Some(Self {
            uploaded: Array::upload(gpu, &single)?,
            groups: Array::upload(gpu, members.as_flattened())?,
            weights,
            most,
        }))
    }

    /// Adds the gradient, multiplied by each image's scale, to the cotangent; each image's value goes to the place of
    /// the step among `values`.
    pub fn read<T: Float>(
        &self,
        tap: &Tap,
        a: &GpuField<T>,
        scales: &Array<f32>,
        step: &Array<u32>,
        (cotangent, values): (&mut GpuField<T>, &mut Array<f32>),
    ) -> Result<()> {
        let (gpu, extent, channels) = (a.gpu(), a.extent, tap.channels);
        let positions = Positions::in_field(tap, extent);
        let (rows, skipped) = (positions.count(), positions.row(0));
        let (images, elements) = (self.weights.len(), channels * channels);
        let own = Matrices {
            start: skipped * channels,
            apart: extent.positions() * channels,
        };
        let activations = (&a.elements, own);
        let every = Matrices::every(elements);
        let mut grams = Array::<f32>::any(gpu, images * elements)?;
        let gram = Product::new(channels, rows, channels).a_transposed();
        gram.times(images)
            .run(gpu, activations, activations, (&mut grams, every))?;
        let mut products = Array::<f64>::any(gpu, images * self.most)?;
        diversity_products_fwd(
            gpu,
            Grid::blocks(images * self.most),
            (&grams).into(),
            (&self.groups).into(),
            (&mut products).into(),
            size(self.most)?,
            size(elements)?,
        )?;
        let mut others = Array::<T>::any(gpu, images * elements)?;
        diversity_others_fwd(
            gpu,
            Grid::elements(images * elements),
            (&grams).into(),
            (&self.groups).into(),
            (&products).into(),
            (&mut others).into(),
            size(images)?,
            size(self.most)?,
            size(elements)?,
        )?;
        let mut slopes = Array::<f32>::any(gpu, images * rows * channels)?;
        let each = Matrices::every(rows * channels);
        let slope = Product::new(rows, channels, channels).times(images);
        slope.run(gpu, activations, (&others, every), (&mut slopes, each))?;
        diversity_add_bwd(
            gpu,
            Grid::elements(images * rows * channels),
            (&slopes).into(),
            (&self.groups).into(),
            (&products).into(),
            (&self.uploaded).into(),
            scales.into(),
            step.into(),
            (&mut cotangent.elements).into(),
            values.into(),
            size(images)?,
            size(self.most)?,
            size(rows)?,
            size(skipped)?,
            size(channels)?,
        )
    }

    /// Adds the values, weighted, to those of their images.
    pub fn add_to(&self, sums: &mut [f64], values: &[f32]) {
        for ((sum, weight), &value) in sums.iter_mut().zip(&self.weights).zip(values) {
            *sum += weight * f64::from(value);
        }
    }
}
