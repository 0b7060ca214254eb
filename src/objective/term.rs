//! The terms of an objective as they are spelled. Each kind that takes arguments has a file of its own: its spelling,
//! what it is bound to, its mathematics on the CPU and its entry in a GPU's table.

use std::fmt;
use std::path::{Path, PathBuf};

use super::at_tap::AtTap;
use super::deepdream::{self, DeepDream};
use super::direction::{self, Direction};
use super::diversity::{self, Diversity};
use super::facet::{self, BoundFacet, Facet};
use super::on_canvas::OnCanvas;
use super::sources::Sources;
use super::text::{self, Text};
use super::unit::Unit;
use crate::encoder::tap::TapId;
use crate::error::Result;

/// A quantity that can be read off an image.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// One unit's activation.
    Unit(Unit),
    /// How far activations point along a vector.
    Direction(Direction),
    /// The mean square of a tap's activations.
    DeepDream(DeepDream),
    /// The cosine of the image's embedding and a text's.
    Text(Text),
    /// How alike the pictures of a group are.
    Diversity(Diversity),
    /// What the other terms' pictures are to be made of.
    Facet(Facet),
    /// The mean of `(x - 0.5)^2` over the RGB image (the penalty of Goh et al. 2021).
    L2,
    /// The mean absolute difference between neighbouring pixels of the RGB image.
    Tv,
}

/// A term whose tap is found, by where it acts.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// On the activations at a tap.
    AtTap(TapId, AtTap),
    /// On the RGB image.
    OnCanvas(OnCanvas),
    /// On the activations of all pictures of a group at a tap.
    AcrossGroup(TapId),
    /// On the cotangent of the other terms at a tap.
    OnTheWay(TapId, BoundFacet),
}

/// What terms but units are called.
pub(super) const NAMES: [&str; 7] = [
    "deepdream",
    "direction",
    "diversity",
    "facet",
    "l2",
    "text",
    "tv",
];

/// How the term of a name is spelled, if it takes arguments.
pub(super) fn usage(name: &str) -> Option<&'static str> {
    match name {
        "deepdream" => Some(deepdream::USAGE),
        "direction" => Some(direction::USAGE),
        "diversity" => Some(diversity::USAGE),
        "facet" => Some(facet::USAGE),
        "text" => Some(text::USAGE),
        _ => None,
    }
}

impl Term {
    /// The term of a name, with what stands in the parentheses behind it; none where no term has this name.
    ///
    /// # Errors
    /// When the arguments are not those of the term.
    pub(super) fn named(name: &str, arguments: Option<&str>) -> Result<Option<Self>> {
        Ok(match (name, arguments) {
            ("direction", Some(arguments)) => Some(Self::Direction(Direction::parse(arguments)?)),
            ("deepdream", Some(arguments)) => Some(Self::DeepDream(DeepDream::parse(arguments)?)),
            ("diversity", Some(arguments)) => Some(Self::Diversity(Diversity::parse(arguments)?)),
            ("facet", Some(arguments)) => Some(Self::Facet(Facet::parse(arguments)?)),
            ("text", Some(arguments)) => Some(Self::Text(Text::parse(arguments)?)),
            ("l2", None) => Some(Self::L2),
            ("tv", None) => Some(Self::Tv),
            _ => None,
        })
    }

    /// Finds the term's tap in a model, checks its unit, loads its vector, embeds its text.
    ///
    /// # Errors
    /// When one of them does not exist or fit.
    pub(super) fn bind(&self, sources: &Sources) -> Result<Place> {
        let encoder = &sources.model().encoder;
        Ok(match self {
            Self::Unit(unit) => {
                let (tap, unit) = unit.bind(encoder)?;
                Place::AtTap(tap, AtTap::Unit(unit))
            }
            Self::Direction(direction) => {
                let (tap, along) = direction.bind(sources)?;
                Place::AtTap(tap, AtTap::Direction(along))
            }
            Self::DeepDream(DeepDream { tap }) => {
                Place::AtTap(encoder.tap_named(tap)?, AtTap::DeepDream)
            }
            Self::Text(text) => {
                let (tap, text) = text.bind(sources)?;
                Place::AtTap(tap, AtTap::Text(text))
            }
            Self::Diversity(Diversity { tap }) => Place::AcrossGroup(encoder.tap_named(tap)?),
            Self::Facet(facet) => {
                let (tap, facet) = facet.bind(sources)?;
                Place::OnTheWay(tap, facet)
            }
            Self::L2 => Place::OnCanvas(OnCanvas::L2),
            Self::Tv => Place::OnCanvas(OnCanvas::Tv),
        })
    }

    /// Whether it is a penalty on the RGB image.
    pub fn is_penalty(&self) -> bool {
        match self {
            Self::L2 | Self::Tv => true,
            Self::Unit(_)
            | Self::Direction(_)
            | Self::DeepDream(_)
            | Self::Text(_)
            | Self::Diversity(_)
            | Self::Facet(_) => false,
        }
    }

    /// Whether it compares the pictures of a group.
    pub fn is_across_group(&self) -> bool {
        matches!(self, Self::Diversity(_))
    }

    /// Whether it changes its sign where units are made small: penalties on the image do not, nor does what spreads
    /// pictures, nor facets, whose cotangent has changed its own.
    pub(super) fn follows_sign(&self) -> bool {
        match self {
            Self::Unit(_) | Self::Direction(_) | Self::DeepDream(_) | Self::Text(_) => true,
            Self::Diversity(_) | Self::Facet(_) | Self::L2 | Self::Tv => false,
        }
    }

    /// The unit that it reads, if it reads a single one.
    pub fn as_unit(&self) -> Option<&Unit> {
        match self {
            Self::Unit(unit) => Some(unit),
            Self::Direction(_)
            | Self::DeepDream(_)
            | Self::Text(_)
            | Self::Diversity(_)
            | Self::Facet(_)
            | Self::L2
            | Self::Tv => None,
        }
    }

    /// As [`Term::as_unit`].
    pub(super) fn as_unit_mut(&mut self) -> Option<&mut Unit> {
        match self {
            Self::Unit(unit) => Some(unit),
            Self::Direction(_)
            | Self::DeepDream(_)
            | Self::Text(_)
            | Self::Diversity(_)
            | Self::Facet(_)
            | Self::L2
            | Self::Tv => None,
        }
    }

    /// The text that it reads.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(&text.text),
            Self::Unit(_)
            | Self::Direction(_)
            | Self::DeepDream(_)
            | Self::Diversity(_)
            | Self::Facet(_)
            | Self::L2
            | Self::Tv => None,
        }
    }

    /// The file that it reads.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::Direction(direction) => Some(&direction.file),
            Self::Facet(facet) => Some(&facet.file),
            Self::Unit(_)
            | Self::DeepDream(_)
            | Self::Text(_)
            | Self::Diversity(_)
            | Self::L2
            | Self::Tv => None,
        }
    }

    /// As [`Term::file`].
    pub(super) fn file_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::Direction(direction) => Some(&mut direction.file),
            Self::Facet(facet) => Some(&mut facet.file),
            Self::Unit(_)
            | Self::DeepDream(_)
            | Self::Text(_)
            | Self::Diversity(_)
            | Self::L2
            | Self::Tv => None,
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit(unit) => unit.fmt(f),
            Self::Direction(direction) => direction.fmt(f),
            Self::DeepDream(own) => own.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Diversity(own) => own.fmt(f),
            Self::Facet(facet) => facet.fmt(f),
            Self::L2 => f.write_str("l2"),
            Self::Tv => f.write_str("tv"),
        }
    }
}
