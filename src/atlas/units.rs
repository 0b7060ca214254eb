//! Units of one tap, and their spelling.

use std::fmt;
use std::str::FromStr;

use crate::encoder::Encoder;
use crate::encoder::tap::canonical;
use crate::error::{Error, Result, bail, shorten};
use crate::model::Model;
use crate::model::hint::instead;
use crate::objective::{Position, Term, Unit, parse_units};

/// The most units that one spelling may name: more than any layer has.
const MOST_UNITS: usize = 1 << 20;

/// Channels of one tap, in order: `layer4.5.sum:0..2560`, `layer3:3,8..12`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units {
    /// The tap's canonical name.
    pub tap: String,
    /// The channels.
    pub channels: Vec<usize>,
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.tap)?;
        let follows = |a: &usize, b: &usize| a.checked_add(1) == Some(*b);
        for (index, run) in self.channels.chunk_by(follows).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match run {
                [one] => write!(f, "{comma}{one}")?,
                _ => write!(f, "{comma}{}..{}", run[0], run[0] + run.len())?,
            }
        }
        Ok(())
    }
}

impl Units {
    /// Units of a model: a tap for all of them, a range or a list, of the default tap where none is named.
    ///
    /// # Errors
    /// When there is no such tap or unit, or the text names something else.
    pub fn read(text: Option<&str>, model: &Model) -> Result<Self> {
        let encoder = &model.encoder;
        let default = &encoder.tap(encoder.default_tap()).name;
        let text = match text {
            None => default.clone(),
            Some(numbers) if numbers.starts_with(|c: char| c.is_ascii_digit()) => {
                format!("{default}:{numbers}")
            }
            Some(text) => text.to_owned(),
        };
        let units = written_out(&text, encoder).parse::<Self>();
        let units = units.map_err(|error| instead(model, &text).unwrap_or(error))?;
        let tap = encoder.tap_named(&units.tap)?;
        for &channel in &units.channels {
            encoder.check_unit(tap, channel)?;
        }
        Ok(units)
    }
}

impl FromStr for Units {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let asked = parse_units(text)?;
        if asked.count() > MOST_UNITS {
            bail!(
                Request,
                "\"{}\" names more than {MOST_UNITS} units",
                shorten(text)
            );
        }
        let mut units: Option<Self> = None;
        for objective in asked.objectives() {
            let [
                (
                    1.0,
                    Term::Unit(Unit {
                        tap: Some(tap),
                        channel,
                        position: Position::Mean,
                    }),
                ),
            ] = objective.terms()
            else {
                bail!(Request, "\"{}\" names no units of a tap", shorten(text));
            };
            let units = units.get_or_insert_with(|| Self {
                tap: tap.clone(),
                channels: Vec::new(),
            });
            units.channels.push(*channel);
        }
        match units {
            Some(units) => Ok(units),
            None => bail!(Request, "\"{}\" names no units", shorten(text)),
        }
    }
}

/// What was typed, with a tap's bare name written out as all of its units.
pub fn written_out(text: &str, encoder: &Encoder) -> String {
    match encoder.find(&canonical(text)) {
        Some(id) => {
            let tap = encoder.tap(id);
            format!("{}:0..{}", tap.name, tap.channels)
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_of_channels_are_spelled_as_ranges() {
        for text in [
            "layer4.5.sum:0..2560",
            "blocks.7.mlp:5",
            "layer3:3,8..12,7,6",
        ] {
            assert_eq!(text.parse::<Units>().unwrap().to_string(), text);
        }
        for text in ["tv", "7", "layer3:", "layer3:4..4", ""] {
            assert!(text.parse::<Units>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn spelling_round_trips(channels in proptest::collection::vec(0usize..30, 1..20)) {
            let units = Units { tap: "layer2.1.conv1".into(), channels };
            prop_assert_eq!(units.to_string().parse::<Units>().unwrap(), units);
        }
    }
}
