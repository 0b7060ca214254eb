//! Facets: what a picture of a unit is to be made of, as Goh et al. 2021 steer it (their appendix, and
//! `example_facets.py` of CLIP-featurevis). At a tap below the unit's, with activations `a` and the cotangent `g` of
//! the other terms there, which counts as constant, a facet is the sum over channels and positions of
//! `a relu(g) style`; without the ReLU it is the formula of the paper's text.
//!
//! Its gradient is `relu(g) style`: it is added to the cotangent on its way back, and no second derivative is needed.

#[cfg(feature = "cuda")]
pub mod cuda;

use std::fmt;
use std::path::PathBuf;

use candle_core::{DType, WithDType};

use super::Sources;
use super::at_tap::Rows;
use crate::backend::cpu::Real;
use crate::backend::field::Field;
use crate::encoder::positions::Positions;
use crate::encoder::tap::{Tap, TapId, canonical};
use crate::error::{Result, bail, shorten};

/// How it is spelled.
pub(super) const USAGE: &str =
    "write facet(TAP, FILE), or facet(TAP, FILE, linear) without the ReLU";

/// A facet as it is spelled: `facet(TAP, FILE[, linear])`.
#[derive(Debug, Clone, PartialEq)]
pub struct Facet {
    /// The tap's canonical name.
    pub tap: String,
    /// An `.npy`, `.npz` or `.safetensors` file with the style: `(channels)`, or a map `(channels, h, w)`.
    pub file: PathBuf,
    /// Whether the cotangent passes no ReLU.
    pub is_linear: bool,
}

/// A facet whose style is loaded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BoundFacet {
    /// Channels first, as in the file.
    style: Vec<f64>,
    /// Rows and columns of the map; 1 and 1 of a vector.
    grid: (usize, usize),
    is_linear: bool,
}

/// The facets of one image at one tap, weighted and summed, `(positions, channels)` each.
#[derive(Debug, Clone, PartialEq)]
pub struct Styles {
    /// Of those whose cotangent passes a ReLU.
    pub rectified: Vec<f64>,
    /// Of those whose cotangent is taken as it is.
    pub linear: Vec<f64>,
}

impl Facet {
    /// Reads what stands in the parentheses.
    pub(super) fn parse(arguments: &str) -> Result<Self> {
        let Some((tap, file)) = arguments.split_once(',') else {
            bail!(
                Request,
                "\"facet({})\" names no file; {USAGE}",
                shorten(arguments)
            );
        };
        let (file, is_linear) = match file.rsplit_once(',') {
            Some((file, last)) if last.trim() == "linear" => (file, true),
            _ => (file, false),
        };
        if file.trim().is_empty() || tap.trim().is_empty() {
            bail!(
                Request,
                "\"facet({})\" is incomplete; {USAGE}",
                shorten(arguments)
            );
        }
        Ok(Self {
            tap: canonical(tap),
            file: file.trim().into(),
            is_linear,
        })
    }

    pub(super) fn bind(&self, sources: &Sources) -> Result<(TapId, BoundFacet)> {
        let encoder = &sources.model().encoder;
        let Self {
            tap,
            file,
            is_linear,
        } = self;
        let id = encoder.tap_named(tap)?;
        let style = sources.file(file)?.array(None)?.tensor()?;
        let channels = encoder.tap(id).channels;
        let grid = match *style.dims() {
            [own] | [1, own] if own == channels => (1, 1),
            [own, h, w] | [1, own, h, w] if own == channels && h * w > 0 => (h, w),
            ref dims => bail!(
                Input,
                "{} has the shape {dims:?}, and {tap} has {channels} units: a style is ({channels}) or a map ({channels}, h, w)",
                file.display()
            ),
        };
        let bound = BoundFacet {
            style: style.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?,
            grid,
            is_linear: *is_linear,
        };
        Ok((id, bound))
    }
}

impl BoundFacet {
    /// The style of a channel at a place of a grid of so many rows and columns: the map is resized with two weights an
    /// axis, its edges where the grid's are (PyTorch's `bilinear` without `align_corners`).
    fn at(&self, channel: usize, place: (usize, usize), grid: (usize, usize)) -> f64 {
        let (rows, columns) = self.grid;
        let map = &self.style[channel * rows * columns..][..rows * columns];
        let [top, bottom] = neighbours(place.0, grid.0, rows);
        let [left, right] = neighbours(place.1, grid.1, columns);
        let mut sum = 0.0;
        for (row, of_row) in [top, bottom] {
            for (column, of_column) in [left, right] {
                sum += of_row * of_column * map[row * columns + column];
            }
        }
        sum
    }
}

/// The two cells of a row of `from` that one of a row of `to` lies between, each with its weight.
fn neighbours(place: usize, to: usize, from: usize) -> [(usize, f64); 2] {
    let centre = (place as f64 + 0.5) * from as f64 / to as f64 - 0.5;
    let centre = centre.clamp(0.0, (from - 1) as f64);
    let (first, share) = (centre as usize, centre.fract());
    [(first, 1.0 - share), ((first + 1).min(from - 1), share)]
}

impl Styles {
    /// The sum of weighted facets at a tap, on its grid; none of none.
    pub(super) fn of<'a>(
        facets: impl Iterator<Item = (f64, &'a BoundFacet)>,
        positions: Positions,
        tap: &Tap,
    ) -> Option<Self> {
        let mut styles: Option<Self> = None;
        let (grid, count) = ((positions.rows, positions.columns), positions.count());
        for (weight, facet) in facets {
            let empty = || Self {
                rectified: vec![0.0; count * tap.channels],
                linear: vec![0.0; count * tap.channels],
            };
            let styles = styles.get_or_insert_with(empty);
            let sum = match facet.is_linear {
                true => &mut styles.linear,
                false => &mut styles.rectified,
            };
            for (position, row) in sum.chunks_exact_mut(tap.channels).enumerate() {
                let place = (position / grid.1, position % grid.1);
                for (channel, sum) in row.iter_mut().enumerate() {
                    *sum += weight * facet.at(channel, place, grid);
                }
            }
        }
        styles
    }

    /// The weighted sum of the facets of an image of a batch, whose activations at the tap are `a` and whose cotangent
    /// from the other terms there is `pure`; its gradient is added to `cotangent`.
    pub fn read_image<T: Real>(
        &self,
        tap: &Tap,
        image: usize,
        (a, pure): (&Field<T>, &Field<T>),
        cotangent: &mut Field<T>,
    ) -> f64 {
        let (a, pure) = (Rows::of(tap, a, image), Rows::of(tap, pure, image));
        let mut own = Rows::all_of(tap, cotangent, image..image + 1);
        let own = own.iter_mut();
        own.map(|own| self.read(a.all(), pure.all(), own)).sum()
    }

    /// The same of rows `(positions, channels)`.
    fn read<T: Real>(&self, a: &[T], pure: &[T], cotangent: &mut [T]) -> f64 {
        let styles = self.rectified.iter().zip(&self.linear);
        let mut value = 0.0;
        for (((own, &a), &pure), (&rectified, &linear)) in
            cotangent.iter_mut().zip(a).zip(pure).zip(styles)
        {
            let pure = WithDType::to_f64(pure);
            let slope = pure.max(0.0) * rectified + pure * linear;
            value += WithDType::to_f64(a) * slope;
            *own += T::of(slope);
        }
        value
    }
}

impl fmt::Display for Facet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tap,
            file,
            is_linear,
        } = self;
        let end = if *is_linear { ", linear" } else { "" };
        write!(f, "facet({tap}, {}{end})", file.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, from the centres of the cells.
    #[test]
    fn maps_are_resized_between_the_centres_of_their_cells() {
        let facet = BoundFacet {
            style: vec![1.0, 2.0, 4.0],
            grid: (1, 3),
            is_linear: false,
        };
        let row = |columns: usize| -> Vec<f64> {
            (0..columns)
                .map(|column| facet.at(0, (1, column), (2, columns)))
                .collect()
        };
        assert_eq!(row(3), [1.0, 2.0, 4.0]);
        assert_eq!(row(6), [1.0, 1.25, 1.75, 2.5, 3.5, 4.0]);
        assert_eq!(row(2), [1.25, 3.5]);
        assert_eq!(row(1), [2.0]);
    }

    #[test]
    fn a_facet_without_a_relu_counts_where_the_cotangent_is_negative() {
        let styles = Styles {
            rectified: vec![2.0, 2.0],
            linear: vec![0.0, 3.0],
        };
        let mut cotangent = [1.0, 1.0];
        let value = styles.read(&[0.5, 0.25], &[-1.0, 4.0], &mut cotangent);
        assert_eq!((value, cotangent), (0.25 * 20.0, [1.0, 21.0]));
    }
}
