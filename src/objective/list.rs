//! Several units at once: ranges and lists.

use std::ops::Range;

use super::direction::Direction;
use super::parse::split_terms;
use super::unit::parse_address;
use super::{Objective, Term};
use crate::error::{Result, bail, shorten};

/// What one text asks for: an objective, or several units, or rows of a dictionary, by ranges (`0..8`, the end left
/// out) and lists (`89,550`), each an objective of its own. They are made one after the other: a text can name more than there is
/// memory for.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    objective: Objective,
    /// Of the objective's unit or row; none where the objective is meant as it is.
    ranges: Vec<Range<usize>>,
}

impl Asked {
    /// The objectives, in the order in which they are named.
    pub fn objectives(&self) -> impl Iterator<Item = Objective> + '_ {
        let itself = self.ranges.is_empty().then(|| self.objective.clone());
        let numbers = self.ranges.iter().cloned().flatten();
        itself
            .into_iter()
            .chain(numbers.map(|number| self.of(number)))
    }

    /// Of each range the objective of its last unit, or the one objective: what fits those fits all.
    pub fn lasts(&self) -> impl Iterator<Item = Objective> + '_ {
        let itself = self.ranges.is_empty().then(|| self.objective.clone());
        let lasts = self.ranges.iter().map(|range| self.of(range.end - 1));
        itself.into_iter().chain(lasts)
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        let sizes = self.ranges.iter().map(Range::len);
        sizes.fold(usize::from(self.ranges.is_empty()), usize::saturating_add)
    }

    /// The objective is a lone unit or direction.
    fn of(&self, number: usize) -> Objective {
        self.objective.clone().of_channel(number).of_row(number)
    }
}

/// Reads what `render` takes.
///
/// # Errors
/// When the text is neither an objective nor units.
pub fn parse_units(text: &str) -> Result<Asked> {
    if let Some((tap, units, position)) = parse_address(text).ok()
        && is_list(units)
    {
        let range = |part: &str| match parse_range(part) {
            Some(range) => Ok(range),
            None => bail!(
                Request,
                "\"{}\" in \"{}\" is not a unit or a range: write 89 or 0..16",
                shorten(part.trim()),
                shorten(text)
            ),
        };
        return Ok(Asked {
            objective: Objective::unit(tap, 0, position),
            ranges: units.split(',').map(range).collect::<Result<_>>()?,
        });
    }
    if let Some(asked) = parse_rows(text) {
        return Ok(asked);
    }
    Ok(Asked {
        objective: text.parse()?,
        ranges: Vec::new(),
    })
}

/// Whether the text is made of numbers, commas and ranges alone.
fn is_list(units: &str) -> bool {
    (units.contains(',') || units.contains(".."))
        && units
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, ',' | '.' | ' '))
}

/// Rows of a dictionary, where the text is a lone direction that names some.
fn parse_rows(text: &str) -> Option<Asked> {
    let [(sign, term)] = split_terms(text).ok()?[..] else {
        return None;
    };
    let arguments = term.strip_prefix("direction(")?.strip_suffix(')')?;
    let (direction, ranges) = Direction::parse_rows(arguments).ok()?;
    (!ranges.is_empty()).then(|| Asked {
        objective: Objective::from(Term::Direction(direction)) * sign,
        ranges,
    })
}

/// Reads `89` or `0..16`.
pub(super) fn parse_range(part: &str) -> Option<Range<usize>> {
    let (start, end) = match part.split_once("..") {
        Some((start, end)) => (start.trim().parse().ok()?, end.trim().parse().ok()?),
        None => {
            let unit: usize = part.trim().parse().ok()?;
            (unit, unit.checked_add(1)?)
        }
    };
    (start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,40}") {
            let _ = parse_units(&text);
        }

        #[test]
        fn no_near_miss_makes_the_parser_panic(text in "[-+*0-9a-z.:@,() ]{0,30}") {
            let _ = parse_units(&text);
        }
    }

    #[test]
    fn ranges_and_lists_name_several_units() {
        let spell = |text: &str| {
            let asked = parse_units(text).unwrap();
            let spelled: Vec<String> = asked.objectives().map(|o| o.to_string()).collect();
            assert_eq!(asked.count(), spelled.len());
            spelled
        };
        assert_eq!(spell("layer4:0..3"), ["layer4:0", "layer4:1", "layer4:2"]);
        assert_eq!(spell("89,550"), ["89", "550"]);
        assert_eq!(spell("3 - 2*tv"), ["3 - 2*tv"]);
        assert_eq!(
            spell("layer4:1,5..7@1,2"),
            ["layer4:1@1,2", "layer4:5@1,2", "layer4:6@1,2"]
        );
        assert_eq!(
            spell("-direction(layer4, d.npz#W, 7,0..2, power=3)"),
            [7, 0, 1].map(|row| format!("-direction(layer4, d.npz#W, {row}, power=3)"))
        );
        for bad in [
            "layer4:3..3",
            "layer4:0..99999999999999999999",
            "1,,2",
            "layer4:",
            "2*",
            "a + ",
            "nan*3",
            "x*tv",
            "direction(layer4",
            "direction(layer4, d.npy, 3..3)",
            "direction(layer4, d.npy, 0..3) - 2*tv",
            "direction(layer4, d.npy, 0) - direction(layer4, d.npy, 0..3)",
        ] {
            assert!(parse_units(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn units_beyond_any_memory_are_named_and_not_made() {
        let all = usize::MAX;
        let asked = parse_units(&format!("layer4:0..{all},0..{all}")).unwrap();
        assert_eq!(asked.count(), usize::MAX);
        assert_eq!(asked.objectives().nth(2).unwrap().to_string(), "layer4:2");
        let last = format!("layer4:{}", all - 1);
        assert!(asked.lasts().all(|objective| objective.to_string() == last));
    }
}
