//! Units of one tap, and their spelling.

use std::fmt;
use std::str::FromStr;

use crate::encoder::Encoder;
use crate::encoder::tap::canonical;
use crate::error::{Error, Result, bail};
use crate::objective::parse_units;

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

impl FromStr for Units {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut units: Option<Self> = None;
        for objective in parse_units(text)? {
            let Some((_, tap, channel)) = objective.first_unit() else {
                bail!(Request, "\"{text}\" names no units of a tap");
            };
            let units = units.get_or_insert_with(|| Self {
                tap: tap.to_owned(),
                channels: Vec::new(),
            });
            units.channels.push(channel);
        }
        match units {
            Some(units) => Ok(units),
            None => bail!(Request, "\"{text}\" names no units"),
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
