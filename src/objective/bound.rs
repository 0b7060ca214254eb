//! An objective bound to an encoder: taps found, units checked, vectors loaded.

use candle_core::{DType, Device, Tensor};

use super::term::{Term, check_cell};
use super::{Objective, Position, penalty};
use crate::encoder::positions::Positions;
use crate::encoder::tap::TapId;
use crate::encoder::{Encoder, Pass};
use crate::error::Result;

/// An objective that can be evaluated.
pub struct Bound {
    pub(super) terms: Vec<(f64, Term)>,
    taps: Vec<TapId>,
}

/// An objective's value for one image, and the cotangents that its gradient starts from.
pub struct Evaluation {
    /// The weighted sum.
    pub value: f64,
    /// One for each tap that the objective reads.
    pub at_taps: Vec<(TapId, Tensor)>,
    /// Of the RGB image itself, `(1, 3, h, w)`; `None` where no penalty reads it.
    pub at_image: Option<Tensor>,
}

impl Bound {
    /// Finds the objective's taps and units in an encoder and loads its vectors.
    ///
    /// # Errors
    /// When a tap or unit does not exist, or a vector does not fit its tap.
    pub fn new(objective: &Objective, encoder: &Encoder) -> Result<Self> {
        let mut terms = Vec::new();
        for (weight, quantity) in objective.terms() {
            terms.push((f64::from(*weight), Term::bind(quantity, encoder)?));
        }
        let mut taps: Vec<TapId> = terms.iter().filter_map(|(_, term)| term.tap()).collect();
        taps.sort_unstable();
        taps.dedup();
        Ok(Self { terms, taps })
    }

    /// Checks that every position lies within its tap's grid when the canvas has `size` pixels.
    ///
    /// # Errors
    /// When one does not.
    pub fn check_positions(&self, encoder: &Encoder, size: usize) -> Result<()> {
        let view = encoder.view(size, &self.taps);
        for (_, term) in &self.terms {
            if let Term::Unit {
                tap,
                position: Position::Cell { row, column },
                ..
            } = term
            {
                let tap = encoder.tap(*tap);
                let (rows, columns) = tap.grid(view);
                check_cell(tap, (*row, *column), (rows, columns))?;
            }
        }
        Ok(())
    }

    /// The taps that the objective reads.
    pub fn taps(&self) -> &[TapId] {
        &self.taps
    }

    /// Whether a penalty reads the RGB image.
    pub fn reads_image(&self) -> bool {
        self.terms.iter().any(|(_, term)| term.tap().is_none())
    }

    /// Whether the objective reads a unit after a ReLU, whose gradient can vanish.
    pub fn reads_after_relu(&self, encoder: &Encoder) -> bool {
        let mut taps = self.taps.iter();
        taps.any(|&tap| encoder.tap(tap).is_rectified())
    }

    /// Evaluates on one image: a pass over a batch of one that was asked for [`Bound::taps`], and
    /// the RGB image `(1, 3, h, w)` for penalties.
    pub fn evaluate(
        &self,
        encoder: &Encoder,
        pass: &Pass,
        image: Option<&Tensor>,
    ) -> Result<Evaluation> {
        let mut value = 0.0;
        let mut at_taps = Vec::with_capacity(self.taps.len());
        for &id in &self.taps {
            let tap = encoder.tap(id);
            let activation = pass.activation(id)?;
            let positions = Positions::of(tap, &activation)?;
            let a: Vec<f64> = activation.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?;
            let mut cotangent = vec![0.0; a.len()];
            for (weight, term) in self.terms.iter().filter(|(_, term)| term.tap() == Some(id)) {
                value += weight * term.read(tap, positions, &a, *weight, &mut cotangent)?;
            }
            let cotangent = Tensor::from_vec(cotangent, activation.shape(), &Device::Cpu)?;
            at_taps.push((id, cotangent.to_dtype(activation.dtype())?));
        }
        let (of_image, at_image) = self.penalties(image)?;
        Ok(Evaluation {
            value: value + of_image,
            at_taps,
            at_image,
        })
    }

    /// The weighted sum of the penalties of an RGB image `(1, 3, h, w)`.
    ///
    /// # Errors
    /// When it has another shape.
    pub fn penalty(&self, image: &Tensor) -> Result<f64> {
        Ok(self.penalties(Some(image))?.0)
    }

    fn penalties(&self, image: Option<&Tensor>) -> Result<(f64, Option<Tensor>)> {
        let penalties = || self.terms.iter().filter(|(_, term)| term.tap().is_none());
        let (Some(image), true) = (image, penalties().next().is_some()) else {
            return Ok((0.0, None));
        };
        let (_, _, height, width) = image.dims4()?;
        let pixels: Vec<f64> = image.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?;
        let mut gradient = vec![0.0; pixels.len()];
        let mut value = 0.0;
        for (weight, term) in penalties() {
            value += weight
                * match term {
                    Term::Tv => {
                        penalty::total_variation(&pixels, (height, width), *weight, &mut gradient)
                    }
                    _ => penalty::l2(&pixels, *weight, &mut gradient),
                };
        }
        let gradient = Tensor::from_vec(gradient, image.shape(), &Device::Cpu)?;
        Ok((value, Some(gradient.to_dtype(image.dtype())?)))
    }
}
