//! Objectives: what an ascent makes larger. Values with an algebra and a spelling:
//! `layer4.2.sum:12 + 0.5*layer4.2.sum:40 - 0.1*tv`.

mod bound;
mod direction;
mod list;
mod parse;
mod penalty;
#[cfg(feature = "cuda")]
mod reading;
mod term;
mod units;

pub use bound::{Bound, Evaluation};
pub use list::{Asked, parse_units};
#[cfg(feature = "cuda")]
pub use reading::{Reading, What};
pub use units::{Activity, UnitRead};

use std::fmt;
use std::ops::{Add, Mul, Neg, Sub};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which positions of an activation a unit is read at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Position {
    /// The mean over all positions; for a ViT over the patch tokens, without the class token.
    Mean,
    /// The centre; of an even number the one right of and below it, as in lucid.
    Centre,
    /// One cell or patch, by row and column from the top left.
    Cell {
        /// From 0 at the top.
        row: usize,
        /// From 0 at the left.
        column: usize,
    },
}

/// A quantity that can be read off an image.
#[derive(Debug, Clone, PartialEq)]
pub enum Quantity {
    /// One unit's activation.
    Unit {
        /// The tap's canonical name; `None` is the model's default tap.
        tap: Option<String>,
        /// The channel.
        unit: usize,
        /// Where.
        position: Position,
    },
    /// The mean over positions of `dot(a, v) * max(0.1, cos(a, v))^power` (lucid's `direction`).
    Direction {
        /// The tap's canonical name.
        tap: String,
        /// An `.npy` or `.safetensors` file with one vector.
        file: PathBuf,
        /// 0 for the plain dot product.
        power: u32,
    },
    /// The mean of `(x - 0.5)^2` over the RGB image (the penalty of Goh et al. 2021).
    L2,
    /// The mean absolute difference between neighbouring pixels of the RGB image.
    Tv,
}

/// A weighted sum of quantities.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    terms: Vec<(f32, Quantity)>,
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
    pub fn terms(&self) -> &[(f32, Quantity)] {
        &self.terms
    }

    /// The objective of one unit at one tap.
    pub fn unit(tap: Option<String>, unit: usize, position: Position) -> Self {
        Quantity::Unit {
            tap,
            unit,
            position,
        }
        .into()
    }

    /// The same objective with the tap of every bare unit written out.
    #[must_use]
    pub fn with_default_tap(mut self, default: &str) -> Self {
        for (_, quantity) in &mut self.terms {
            if let Quantity::Unit { tap, .. } = quantity {
                tap.get_or_insert_with(|| default.to_owned());
            }
        }
        self
    }

    /// The objective that makes the same units small: all terms but the penalties on the image
    /// change their sign.
    #[must_use]
    pub fn suppressing(mut self) -> Self {
        for (weight, quantity) in &mut self.terms {
            if !matches!(quantity, Quantity::L2 | Quantity::Tv) {
                *weight = -*weight;
            }
        }
        self
    }

    /// The same objective of another channel: every term that reads a unit reads this one.
    #[must_use]
    pub fn of_channel(mut self, channel: usize) -> Self {
        for (_, quantity) in &mut self.terms {
            if let Quantity::Unit { unit, .. } = quantity {
                *unit = channel;
            }
        }
        self
    }

    /// The files that directions are read from.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.terms
            .iter()
            .filter_map(|(_, quantity)| match quantity {
                Quantity::Direction { file, .. } => Some(file.as_path()),
                _ => None,
            })
    }

    /// The first term that reads a unit of a named tap.
    pub fn first_unit(&self) -> Option<UnitTerm<'_>> {
        self.terms
            .iter()
            .find_map(|(weight, quantity)| match quantity {
                Quantity::Unit {
                    tap: Some(tap),
                    unit,
                    ..
                } => Some(UnitTerm {
                    weight: *weight,
                    tap,
                    channel: *unit,
                }),
                _ => None,
            })
    }
}

impl From<Quantity> for Objective {
    fn from(quantity: Quantity) -> Self {
        Self {
            terms: vec![(1.0, quantity)],
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

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit {
                tap,
                unit,
                position,
            } => {
                if let Some(tap) = tap {
                    write!(f, "{tap}:")?;
                }
                write!(f, "{unit}")?;
                match position {
                    Position::Mean => Ok(()),
                    Position::Centre => write!(f, "@centre"),
                    Position::Cell { row, column } => write!(f, "@{row},{column}"),
                }
            }
            Self::Direction {
                tap,
                file,
                power: 0,
            } => write!(f, "direction({tap}, {})", file.display()),
            Self::Direction { tap, file, power } => {
                write!(f, "direction({tap}, {}, {power})", file.display())
            }
            Self::L2 => f.write_str("l2"),
            Self::Tv => f.write_str("tv"),
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (weight, quantity)) in self.terms.iter().enumerate() {
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
            write!(f, "{quantity}")?;
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
