//! One unit's activation: the mean over positions, or the value at one of them.

use std::fmt;
use std::ops::Range;

use candle_core::WithDType;

use super::position::Position;
#[cfg(feature = "cuda")]
use super::table::{Entry, Kind};
use crate::backend::cpu::Real;
use crate::encoder::Encoder;
use crate::encoder::positions::Positions;
use crate::encoder::tap::{Layout, Tap, TapId, canonical};
use crate::error::{Result, bail};

/// A unit as it is spelled: `[TAP:]NUMBER[@POSITION]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// The tap's canonical name; `None` is the model's default tap.
    pub tap: Option<String>,
    /// The channel.
    pub channel: usize,
    /// Where.
    pub position: Position,
}

/// A unit of a tap that is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BoundUnit {
    pub channel: usize,
    pub position: Position,
}

impl Unit {
    pub(super) fn bind(&self, encoder: &Encoder) -> Result<(TapId, BoundUnit)> {
        let Self {
            channel, position, ..
        } = *self;
        let id = match &self.tap {
            Some(name) => encoder.tap_named(name)?,
            None => encoder.default_tap(),
        };
        let tap = encoder.tap(id);
        encoder.check_unit(id, channel)?;
        if position != Position::Mean && tap.layout == Layout::Vector {
            bail!(Request, "{tap} has no positions; leave out the @");
        }
        Ok((id, BoundUnit { channel, position }))
    }
}

impl BoundUnit {
    /// # Errors
    /// When the position lies outside the tap's grid.
    pub fn positions(&self, positions: Positions, tap: &Tap) -> Result<Range<usize>> {
        self.position.select(positions, tap)
    }

    /// The value at one position, whose channels are `a`; adds `weight` to the channel's cotangent.
    pub fn read<T: Real>(&self, a: &[T], weight: f64, cotangent: &mut [f64]) -> f64 {
        if let Some(own) = cotangent.get_mut(self.channel) {
            *own += weight;
        }
        WithDType::to_f64(a[self.channel])
    }

    #[cfg(feature = "cuda")]
    pub fn entry(&self) -> Entry {
        Entry {
            kind: Kind::Unit,
            which: self.channel,
            power: 0,
        }
    }
}

/// Splits `[TAP:]UNITS[@POSITION]`.
pub(super) fn parse_address(text: &str) -> Result<(Option<String>, &str, Position)> {
    let (tap, rest) = match text.rsplit_once(':') {
        Some((tap, rest)) => (Some(canonical(tap)), rest),
        None => (None, text),
    };
    let (units, position) = match rest.split_once('@') {
        Some((units, position)) => (units, position.parse()?),
        None => (rest, Position::Mean),
    };
    Ok((tap, units.trim(), position))
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tap) = &self.tap {
            write!(f, "{tap}:")?;
        }
        write!(f, "{}{}", self.channel, self.position)
    }
}
