//! What steps measure, kept on the device until somebody asks.

use std::sync::Arc;

use super::terms::Terms;
use crate::ascent::check::Measured;
use crate::backend::cuda::launch::{penalty_bwd, reduce_norm_fwd, size};
use crate::backend::cuda::{Array, Gpu, Grid};
use crate::error::Result;

/// The penalties of a batch's RGB images (`kernels/penalty.cu`).
pub struct Penalties {
    weights: Vec<[f64; 2]>,
    there: Array<f32>,
}

impl Penalties {
    /// From the weights of L2 and total variation of every image; nothing where all are 0.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn new(gpu: &Arc<Gpu>, weights: Vec<[f64; 2]>) -> Result<Option<Self>> {
        if weights.as_flattened().iter().all(|&weight| weight == 0.0) {
            return Ok(None);
        }
        let there: Vec<f32> = weights.as_flattened().iter().map(|&x| x as f32).collect();
        Ok(Some(Self {
            weights,
            there: Array::upload(gpu, &there)?,
        }))
    }

    /// Adds their gradients to that of square RGB images; their values, two an image.
    pub fn add(
        &self,
        rgb: &Array<f32>,
        gradient: &mut Array<f32>,
        side: usize,
    ) -> Result<Array<f32>> {
        let gpu = rgb.gpu();
        let mut values = Array::any(gpu, 2 * self.weights.len())?;
        penalty_bwd(
            gpu,
            Grid::blocks(self.weights.len()),
            rgb.into(),
            (&self.there).into(),
            gradient.into(),
            (&mut values).into(),
            size(side)?,
            size(side)?,
        )?;
        Ok(values)
    }
}

/// The square of each image's norm, `length` numbers an image.
pub fn squares(x: &Array<f32>, images: usize, length: usize) -> Result<Array<f64>> {
    let mut squares = Array::any(x.gpu(), images)?;
    let grid = Grid::blocks(images);
    reduce_norm_fwd(
        x.gpu(),
        grid,
        x.into(),
        (&mut squares).into(),
        size(length)?,
    )?;
    Ok(squares)
}

/// One step of a batch, on the device.
pub struct Step {
    /// Of the terms that read each tap.
    pub values: Vec<Array<f32>>,
    /// Squares of the gradient's norm without penalties.
    pub of_units: Array<f64>,
    /// The penalties' values, and squares of the norm with them.
    pub penalties: Option<(Array<f32>, Array<f64>)>,
}

impl Step {
    /// What it measured of each image; waits for the device.
    pub fn read(
        &self,
        terms: &[Terms],
        penalties: Option<&Penalties>,
        images: usize,
    ) -> Result<Vec<Measured>> {
        let mut sums = vec![0.0; images];
        for (terms, values) in terms.iter().zip(&self.values) {
            terms.add_to(&mut sums, &values.download()?);
        }
        let of_units = self.of_units.download()?;
        let mut norms = of_units.clone();
        if let (Some(penalties), Some((values, squares))) = (penalties, &self.penalties) {
            for ((sum, weights), values) in sums
                .iter_mut()
                .zip(&penalties.weights)
                .zip(values.download()?.as_chunks::<2>().0)
            {
                for (weight, &value) in weights.iter().zip(values) {
                    *sum += weight * f64::from(value);
                }
            }
            norms = squares.download()?;
        }
        Ok((0..images)
            .map(|image| Measured {
                value: sums[image],
                norm_of_units: of_units[image].sqrt(),
                norm: norms[image].sqrt(),
            })
            .collect())
    }
}
