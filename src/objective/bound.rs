//! An objective bound to a model: taps found, units checked, vectors loaded, texts embedded.

use std::ops::Range;

use candle_core::{DType, Device, Tensor};

use super::at_tap::{AtTap, Rows};
use super::diversity;
use super::facet::Styles;
use super::term::Place;
use super::{Objective, Sources};
use crate::backend::cpu::Real;
use crate::backend::field::Field;
use crate::encoder::engine::Cpu;
use crate::encoder::positions::Positions;
use crate::encoder::tap::{Tap, TapId};
use crate::encoder::{AnyField, Encoder, Pass};
use crate::error::{Result, bail};
use crate::size::Size;

/// An objective that can be evaluated.
#[derive(Debug, Clone)]
pub struct Bound {
    pub(super) terms: Vec<(f64, Place)>,
    taps: Vec<TapId>,
}

/// An objective's value for one image, and the cotangents that its gradient starts from.
pub struct Evaluation {
    /// The weighted sum.
    pub value: f64,
    /// One for each tap that the objective reads, in the tap's layout.
    pub at_taps: Vec<(TapId, Tensor)>,
    /// Of the RGB image itself, `(1, 3, h, w)`; `None` where no term reads it.
    pub at_image: Option<Tensor>,
}

impl Bound {
    /// Finds the objective's taps and units in a model, loads its vectors and embeds its texts.
    ///
    /// # Errors
    /// When a tap or unit does not exist, a vector does not fit its tap, or the model embeds no texts.
    pub fn new(objective: &Objective, sources: &Sources) -> Result<Self> {
        let mut terms = Vec::new();
        let mut taps = Vec::new();
        for (weight, term) in objective.terms() {
            let place = term.bind(sources)?;
            match place {
                Place::AtTap(tap, _) | Place::AcrossGroup(tap) | Place::OnTheWay(tap, _) => {
                    taps.push(tap);
                }
                Place::OnCanvas(_) => {}
            }
            terms.push((f64::from(*weight), place));
        }
        taps.sort_unstable();
        taps.dedup();
        let bound = Self { terms, taps };
        bound.check_facets(&sources.model().encoder)?;
        Ok(bound)
    }

    /// Checks that every position lies within its tap's grid on a canvas of this size.
    ///
    /// # Errors
    /// When one does not.
    pub fn check_positions(&self, encoder: &Encoder, canvas: Size) -> Result<()> {
        let view = encoder.view(canvas, &self.taps);
        for &id in &self.taps {
            let tap = encoder.tap(id);
            for (_, term) in self.at(id) {
                term.positions(Positions::on(tap, tap.grid(view)), tap)?;
            }
        }
        Ok(())
    }

    /// The taps that the objective reads.
    pub fn taps(&self) -> &[TapId] {
        &self.taps
    }

    /// Whether a term reads the RGB image.
    pub fn reads_canvas(&self) -> bool {
        let mut places = self.terms.iter().map(|(_, place)| place);
        places.any(|place| matches!(place, Place::OnCanvas(_)))
    }

    /// Whether a term compares pictures or acts on the way back, which [`Bound::evaluate`] leaves out.
    pub fn needs_more_than_a_pass(&self) -> bool {
        self.terms.iter().any(|(_, place)| match place {
            Place::AcrossGroup(_) | Place::OnTheWay(..) => true,
            Place::AtTap(..) | Place::OnCanvas(_) => false,
        })
    }

    /// Whether the objective reads a unit after a ReLU, whose gradient can vanish.
    pub fn reads_after_relu(&self, encoder: &Encoder) -> bool {
        let mut taps = self.at_taps();
        taps.any(|tap| encoder.tap(tap).is_rectified())
    }

    /// The taps of the terms that act at one.
    fn at_taps(&self) -> impl Iterator<Item = TapId> {
        self.terms.iter().filter_map(|(_, place)| match place {
            Place::AtTap(tap, _) => Some(*tap),
            Place::OnCanvas(_) | Place::AcrossGroup(_) | Place::OnTheWay(..) => None,
        })
    }

    /// Checks that the cotangent of a term at a tap passes each facet's.
    fn check_facets(&self, encoder: &Encoder) -> Result<()> {
        for (_, place) in &self.terms {
            if let Place::OnTheWay(own, _) = place
                && !self.at_taps().any(|tap| encoder.lies_before(*own, tap))
            {
                bail!(
                    Request,
                    "a facet at {0} needs a unit behind it, whose gradient passes there: add one, or take a tap before the unit's",
                    encoder.tap(*own)
                );
            }
        }
        Ok(())
    }

    /// The facets at a tap, weighted and summed, for an encoder's input of that size; none of none.
    pub fn styles(&self, encoder: &Encoder, id: TapId, input: Size) -> Option<Styles> {
        let tap = encoder.tap(id);
        let facets = self.terms.iter().filter_map(|(weight, place)| match place {
            Place::OnTheWay(own, facet) if *own == id => Some((*weight, facet)),
            Place::OnTheWay(..) | Place::AtTap(..) | Place::OnCanvas(_) | Place::AcrossGroup(_) => {
                None
            }
        });
        Styles::of(facets, Positions::on(tap, tap.grid(input)), tap)
    }

    /// The terms that act at a tap, with their weights.
    pub(super) fn at(&self, tap: TapId) -> impl Iterator<Item = (f64, &AtTap)> {
        self.terms
            .iter()
            .filter_map(move |(weight, place)| match place {
                Place::AtTap(own, term) if *own == tap => Some((*weight, term)),
                Place::AtTap(..)
                | Place::OnCanvas(_)
                | Place::AcrossGroup(_)
                | Place::OnTheWay(..) => None,
            })
    }

    /// The weights of the terms that compare the pictures of a group at a tap.
    pub(super) fn across(&self, tap: TapId) -> impl Iterator<Item = f64> {
        self.terms
            .iter()
            .filter_map(move |(weight, place)| match place {
                Place::AcrossGroup(own) if *own == tap => Some(*weight),
                Place::AcrossGroup(_)
                | Place::AtTap(..)
                | Place::OnCanvas(_)
                | Place::OnTheWay(..) => None,
            })
    }

    /// Of each picture of a group the weighted sum of the terms that compare them at a tap: some images, one after
    /// the other, of a batch whose activations there are `a`. What it adds to `cotangent`, that of all images of the
    /// batch, is of the sum over the group.
    pub fn read_across<T: Real>(
        &self,
        (id, tap): (TapId, &Tap),
        a: &Field<T>,
        images: Range<usize>,
        cotangent: &mut Field<T>,
    ) -> Vec<f64> {
        let mut sums = vec![0.0; images.len()];
        for weight in self.across(id) {
            let rows = images.clone().map(|image| Rows::of(tap, a, image).all());
            let rows: Vec<&[T]> = rows.collect();
            let mut slots = Rows::all_of(tap, cotangent, images.clone());
            let values = diversity::read(&rows, tap.channels, weight, &mut slots);
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += weight * value;
            }
        }
        sums
    }

    /// The weighted sum of the terms at a tap on one image of a batch, whose activations there are `a`. `cotangent`
    /// is overwritten with that of the image's rows `(positions, channels)`; it may be empty.
    ///
    /// # Errors
    /// When a position lies outside the tap's grid.
    pub fn read<T: Real>(
        &self,
        (id, tap): (TapId, &Tap),
        (a, image): (&Field<T>, usize),
        cotangent: &mut [T],
    ) -> Result<f64> {
        let terms: Vec<_> = self.at(id).collect();
        Rows::of(tap, a, image).read(&terms, cotangent)
    }

    /// The weighted sum of the terms on an RGB image `(1, 3, h, w)`, and its gradient; none where no term reads it.
    ///
    /// # Errors
    /// When it has another shape.
    pub fn read_canvas(&self, image: &Tensor) -> Result<(f64, Option<Tensor>)> {
        if !self.reads_canvas() {
            return Ok((0.0, None));
        }
        let (_, _, height, width) = image.dims4()?;
        let pixels: Vec<f64> = image.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?;
        let mut gradient = vec![0.0; pixels.len()];
        let mut value = 0.0;
        for (weight, place) in &self.terms {
            value += match place {
                Place::OnCanvas(term) => {
                    weight * term.read(&pixels, (height, width), *weight, &mut gradient)
                }
                Place::AtTap(..) | Place::AcrossGroup(_) | Place::OnTheWay(..) => 0.0,
            };
        }
        let gradient = Tensor::from_vec(gradient, image.shape(), &Device::Cpu)?;
        Ok((value, Some(gradient.to_dtype(image.dtype())?)))
    }

    /// Evaluates on one image: a pass over a batch of one that was asked for [`Bound::taps`], and
    /// the RGB image `(1, 3, h, w)` for the terms that act on it.
    ///
    /// # Errors
    /// When a position lies outside its tap's grid, or the pass was asked for other taps.
    pub fn evaluate(
        &self,
        encoder: &Encoder,
        pass: &Pass,
        image: Option<&Tensor>,
    ) -> Result<Evaluation> {
        let mut value = 0.0;
        let mut at_taps = Vec::with_capacity(self.taps.len());
        for &tap in &self.taps {
            let (own, cotangent) = match pass.field(tap)? {
                AnyField::Single(a) => self.with_cotangent((tap, encoder.tap(tap)), a)?,
                AnyField::Double(a) => self.with_cotangent((tap, encoder.tap(tap)), a)?,
            };
            value += own;
            at_taps.push((tap, cotangent));
        }
        let (of_image, at_image) = match image {
            Some(image) => self.read_canvas(image)?,
            None => (0.0, None),
        };
        Ok(Evaluation {
            value: value + of_image,
            at_taps,
            at_image,
        })
    }

    fn with_cotangent<T: Real>(
        &self,
        (id, tap): (TapId, &Tap),
        a: &Field<T>,
    ) -> Result<(f64, Tensor)> {
        let mut cotangent = Field::any(a.extent);
        let value = self.read((id, tap), (a, 0), &mut cotangent.elements)?;
        Ok((value, Cpu::to_tensor(&cotangent, tap.layout)?))
    }
}
