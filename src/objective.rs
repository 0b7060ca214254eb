//! Objectives: what an ascent makes larger. Values with an algebra and a spelling:
//! `layer4.2.sum:12 + 0.5*layer4.2.sum:40 - 0.1*tv`.

mod at_tap;
mod bound;
mod deepdream;
mod direction;
mod diversity;
mod facet;
mod l2;
mod list;
mod on_canvas;
mod parse;
mod position;
mod sources;
#[cfg(feature = "cuda")]
mod table;
mod term;
mod text;
mod tv;
mod unit;
mod units;

pub use bound::{Bound, Evaluation};
pub use deepdream::DeepDream;
pub use direction::Direction;
pub use diversity::Diversity;
#[cfg(feature = "cuda")]
pub use diversity::cuda::GpuDiversity;
#[cfg(feature = "cuda")]
pub use facet::cuda::GpuFacets;
pub use facet::{Facet, Styles};
pub use list::{Asked, parse_units};
pub use position::Position;
pub use sources::Sources;
#[cfg(feature = "cuda")]
pub use table::Table;
pub use term::Term;
pub use text::Text;
pub use unit::Unit;
pub use units::{Activity, UnitRead};

use std::fmt;
use std::ops::{Add, Mul, Neg, Sub};
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A weighted sum of terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    terms: Vec<(f32, Term)>,
}

/// A term that reads a unit of a named tap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitTerm<'a> {
    /// Of the unit in the objective.
    pub weight: f32,
    /// The tap's canonical name.
    pub tap: &'a str,
    /// The unit.
    pub channel: usize,
}

impl UnitTerm<'_> {
    /// Whether the objective makes the unit smaller.
    pub fn is_silenced(&self) -> bool {
        self.weight < 0.0
    }
}

impl Objective {
    /// The terms with their weights.
    pub fn terms(&self) -> &[(f32, Term)] {
        &self.terms
    }

    /// The objective of one unit at one tap.
    pub fn unit(tap: Option<String>, channel: usize, position: Position) -> Self {
        Term::Unit(Unit {
            tap,
            channel,
            position,
        })
        .into()
    }

    fn units_mut(&mut self) -> impl Iterator<Item = &mut Unit> {
        let terms = self.terms.iter_mut();
        terms.filter_map(|(_, term)| term.as_unit_mut())
    }

    /// The same objective with the tap of every bare unit written out.
    #[must_use]
    pub fn with_default_tap(mut self, default: &str) -> Self {
        for unit in self.units_mut() {
            unit.tap.get_or_insert_with(|| default.to_owned());
        }
        self
    }

    /// The objective that makes the same units small: all terms change their sign but the penalties on the image,
    /// those that compare pictures, which spread them no less, and facets, whose cotangent has changed its sign.
    #[must_use]
    pub fn suppressing(mut self) -> Self {
        for (weight, term) in &mut self.terms {
            if term.follows_sign() {
                *weight = -*weight;
            }
        }
        self
    }

    /// The same objective of another channel: every term that reads a unit reads this one.
    #[must_use]
    pub fn of_channel(mut self, channel: usize) -> Self {
        for unit in self.units_mut() {
            unit.channel = channel;
        }
        self
    }

    /// Whether a term compares the pictures of a group.
    pub fn compares_pictures(&self) -> bool {
        self.terms.iter().any(|(_, term)| term.is_across_group())
    }

    /// The same objective of another row: every direction of a dictionary is this one.
    #[must_use]
    pub fn of_row(mut self, row: usize) -> Self {
        for (_, term) in &mut self.terms {
            if let Term::Direction(direction) = term {
                direction.row = Some(row);
            }
        }
        self
    }

    /// The first row of a dictionary that it reads.
    pub fn row(&self) -> Option<usize> {
        self.terms.iter().find_map(|(_, term)| {
            let Term::Direction(direction) = term else {
                return None;
            };
            direction.row
        })
    }

    /// The files that terms read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.terms.iter().filter_map(|(_, term)| term.file())
    }

    /// How its randomness is addressed: as it is spelled, but with digests for files, which may lie anywhere, and
    /// without penalties on the image and facets, so that pictures with and without one begin and are transformed alike.
    pub fn address(&self, digest: impl Fn(&Path) -> String) -> String {
        let mut terms = self.terms.clone();
        terms.retain(|(_, term)| !term.is_penalty() && !matches!(term, Term::Facet(_)));
        for (_, term) in &mut terms {
            if let Some(file) = term.file_mut() {
                *file = format!("sha256:{}", digest(file)).into();
            }
        }
        Self { terms }.to_string()
    }

    /// The texts that terms read.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().filter_map(|(_, term)| term.text())
    }

    /// The first term that reads a unit of a named tap.
    pub fn first_unit(&self) -> Option<UnitTerm<'_>> {
        let mut terms = self.terms.iter();
        terms.find_map(|(weight, term)| {
            let unit = term.as_unit()?;
            Some(UnitTerm {
                weight: *weight,
                tap: unit.tap.as_deref()?,
                channel: unit.channel,
            })
        })
    }
}

impl From<Term> for Objective {
    fn from(term: Term) -> Self {
        Self {
            terms: vec![(1.0, term)],
        }
    }
}

impl Add for Objective {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.terms.extend(other.terms);
        self
    }
}

impl Neg for Objective {
    type Output = Self;

    fn neg(self) -> Self {
        self * -1.0
    }
}

impl Sub for Objective {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul<f32> for Objective {
    type Output = Self;

    fn mul(mut self, factor: f32) -> Self {
        for (weight, _) in &mut self.terms {
            *weight *= factor;
        }
        self
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (weight, term)) in self.terms.iter().enumerate() {
            let sign = match (index, weight.is_sign_negative()) {
                (0, false) => "",
                (0, true) => "-",
                (_, false) => " + ",
                (_, true) => " - ",
            };
            f.write_str(sign)?;
            if weight.abs() != 1.0 {
                write!(f, "{}*", weight.abs())?;
            }
            write!(f, "{term}")?;
        }
        Ok(())
    }
}

impl Serialize for Objective {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Objective {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|error: crate::Error| serde::de::Error::custom(error.report()))
    }
}
