//! What steps measure, kept on the device until somebody asks.

use std::sync::Arc;

use super::terms::{Terms, Values};
use crate::ascent::check::Measured;
use crate::backend::cuda::launch::{penalty_bwd, reduce_norm_fwd, size};
use crate::backend::cuda::{Array, Gpu, Grid};
use crate::error::Result;
use crate::size::Size;

/// The penalties of a batch's RGB images (`kernels/penalty.cu`).
pub struct Penalties {
    weights: Vec<[f64; 2]>,
    /// The same in the device's memory.
    uploaded: Array<f32>,
}

/// The penalties' values, two an image, and the squares of the gradient's norm with them, at each place.
type OfPenalties = (Array<f32>, Array<f64>);

impl Penalties {
    /// From the weights of L2 and total variation of every image; nothing where all are 0.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn new(gpu: &Arc<Gpu>, weights: Vec<[f64; 2]>) -> Result<Option<Self>> {
        if weights.as_flattened().iter().all(|&weight| weight == 0.0) {
            return Ok(None);
        }
        let single: Vec<f32> = weights.as_flattened().iter().map(|&x| x as f32).collect();
        Ok(Some(Self {
            weights,
            uploaded: Array::upload(gpu, &single)?,
        }))
    }

    /// Adds their gradients to that of RGB images of this size; what is measured goes to the place
    /// of the step.
    pub fn add(
        &self,
        rgb: &Array<f32>,
        gradient: &mut Array<f32>,
        canvas: Size,
        step: &Array<u32>,
        (values, squared): &mut OfPenalties,
    ) -> Result<()> {
        penalty_bwd(
            rgb.gpu(),
            Grid::blocks(self.weights.len()),
            rgb.into(),
            (&self.uploaded).into(),
            step.into(),
            (&mut *gradient).into(),
            values.into(),
            size(canvas.height)?,
            size(canvas.width)?,
        )?;
        squares(gradient, 3 * canvas.pixels(), step, squared)
    }

    /// Adds their values, two an image, to those of the images.
    fn add_to(&self, sums: &mut [f64], values: &[f32]) {
        let values = values.as_chunks::<2>().0;
        for ((sum, weights), values) in sums.iter_mut().zip(&self.weights).zip(values) {
            for (weight, &value) in weights.iter().zip(values) {
                *sum += weight * f64::from(value);
            }
        }
    }
}

/// The square of each image's norm, `length` numbers an image, to the place of the step among `measured`.
pub fn squares(
    x: &Array<f32>,
    length: usize,
    step: &Array<u32>,
    measured: &mut Array<f64>,
) -> Result<()> {
    reduce_norm_fwd(
        x.gpu(),
        Grid::blocks(x.len() / length),
        x.into(),
        step.into(),
        measured.into(),
        size(length)?,
    )
}

/// The measurements of some steps, each at its place.
pub struct Measures {
    pub images: usize,
    /// Of the terms that read each tap.
    pub values: Vec<Values>,
    /// Squares of the gradient's norm without penalties.
    pub of_units: Array<f64>,
    pub of_penalties: Option<OfPenalties>,
}

impl Measures {
    /// Room for so many steps of a batch.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn new(
        gpu: &Arc<Gpu>,
        places: usize,
        images: usize,
        terms: &[Terms],
        penalties: Option<&Penalties>,
    ) -> Result<Self> {
        let values = |terms: &Terms| terms.room(gpu, places);
        let of_penalties = || -> Result<OfPenalties> {
            Ok((
                Array::any(gpu, 2 * places * images)?,
                Array::any(gpu, places * images)?,
            ))
        };
        Ok(Self {
            images,
            values: terms.iter().map(values).collect::<Result<_>>()?,
            of_units: Array::any(gpu, places * images)?,
            of_penalties: penalties.map(|_| of_penalties()).transpose()?,
        })
    }

    /// What the first `places` steps measured of each image; waits for the device.
    pub fn read(
        &self,
        places: usize,
        terms: &[Terms],
        penalties: Option<&Penalties>,
    ) -> Result<Vec<Vec<Measured>>> {
        let images = self.images;
        let mut sums = vec![vec![0.0; images]; places];
        for (terms, values) in terms.iter().zip(&self.values) {
            terms.add_to(&mut sums, values)?;
        }
        let of_units = self.of_units.download()?;
        let mut norms = of_units.clone();
        if let (Some(penalties), Some((values, squares))) = (penalties, &self.of_penalties) {
            let values = values.download()?;
            for (sums, values) in sums.iter_mut().zip(values.chunks(2 * images)) {
                penalties.add_to(sums, values);
            }
            norms = squares.download()?;
        }
        let measured = |(place, sums): (usize, Vec<f64>)| {
            let norm = |norms: &[f64], image: usize| norms[place * images + image].sqrt();
            let of_image = |(image, value): (usize, f64)| Measured {
                value,
                norm_of_units: norm(&of_units, image),
                norm: norm(&norms, image),
            };
            sums.into_iter().enumerate().map(of_image).collect()
        };
        Ok(sums.into_iter().enumerate().map(measured).collect())
    }
}
