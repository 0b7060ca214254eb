//! The same of a batch on a GPU (`kernels/facet.cu`).

use std::sync::Arc;

use super::Styles;
use crate::backend::cuda::launch::{facet_rows_bwd, facet_values_fwd, size};
use crate::backend::cuda::{Array, Float, Gpu, GpuField, Grid};
use crate::encoder::positions::Positions;
use crate::encoder::tap::Tap;
use crate::error::Result;

/// The facets of a batch at one tap.
pub struct GpuFacets {
    images: usize,
    rectified: Array<f32>,
    linear: Array<f32>,
}

impl GpuFacets {
    /// Of each image its own; nothing where none has any.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn new(gpu: &Arc<Gpu>, styles: &[Option<Styles>]) -> Result<Option<Self>> {
        let Some(length) = styles.iter().flatten().map(|own| own.linear.len()).next() else {
            return Ok(None);
        };
        let upload = |of: fn(&Styles) -> &Vec<f64>| {
            let mut all = Vec::with_capacity(styles.len() * length);
            for own in styles {
                match own {
                    Some(own) => all.extend(of(own).iter().map(|&x| x as f32)),
                    None => all.resize(all.len() + length, 0.0),
                }
            }
            Array::upload(gpu, &all)
        };
        Ok(Some(Self {
            images: styles.len(),
            rectified: upload(|own| &own.rectified)?,
            linear: upload(|own| &own.linear)?,
        }))
    }

    /// Adds the gradient to the cotangent, from that of the other terms, both multiplied by each image's scale; each
    /// image's value, which is none's multiple, goes to the place of the step among `values`.
    pub fn read<T: Float>(
        &self,
        tap: &Tap,
        (a, pure): (&GpuField<T>, &GpuField<T>),
        scales: &Array<f32>,
        step: &Array<u32>,
        (cotangent, values): (&mut GpuField<T>, &mut Array<f32>),
    ) -> Result<()> {
        let positions = Positions::in_field(tap, a.extent);
        let (gpu, images, rows) = (a.gpu(), self.images, positions.count());
        let mut table = Array::<f32>::any(gpu, images * rows)?;
        facet_rows_bwd(
            gpu,
            Grid::warps(images * rows),
            (&a.elements).into(),
            (&pure.elements).into(),
            (&self.rectified).into(),
            (&self.linear).into(),
            (&mut cotangent.elements).into(),
            (&mut table).into(),
            size(images)?,
            size(rows)?,
            size(positions.row(0))?,
            size(tap.channels)?,
        )?;
        facet_values_fwd(
            gpu,
            Grid::every_row(images),
            (&table).into(),
            scales.into(),
            step.into(),
            values.into(),
            size(images)?,
            size(rows)?,
        )
    }
}
