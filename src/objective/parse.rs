//! The spelling of objectives, read.
//!
//! ```text
//! objective = ["-"] term { ("+" | "-") term }
//! term      = [number "*"] quantity
//! quantity  = [TAP ":"] UNIT ["@" (ROW "," COLUMN | "centre")]
//!           | "direction(" TAP "," FILE ["," POWER] ")" | "l2" | "tv"
//! ```

use std::str::FromStr;

use super::{Objective, Position, Quantity};
use crate::encoder::tap::canonical;
use crate::error::{Error, Result, bail, did_you_mean, shorten};

/// The highest power of a cosine: with lucid's floor of 0.1 the next ones vanish in `f32`.
const MOST_POWER: u32 = 16;

impl FromStr for Objective {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut terms = Vec::new();
        for (sign, term) in split_terms(text)? {
            let (weight, quantity) = parse_term(term).map_err(|error| in_objective(text, error))?;
            terms.push((sign * weight, quantity));
        }
        Ok(Self { terms })
    }
}

fn in_objective(text: &str, error: Error) -> Error {
    error.context(format!("cannot read the objective \"{}\"", shorten(text)))
}

/// Splits at the `+` and `-` between terms: those outside parentheses that follow a whole term,
/// not an operator or a number's exponent.
fn split_terms(text: &str) -> Result<Vec<(f32, &str)>> {
    let mut terms = Vec::new();
    let (mut sign, mut start, mut depth) = (1.0, 0, 0usize);
    for (index, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '+' | '-' if depth == 0 => {
                let before = text[start..index].trim();
                if before.is_empty() && terms.is_empty() && start == 0 {
                    // The leading sign.
                } else if before.is_empty() || before.ends_with('*') {
                    bail!(
                        Request,
                        "the objective \"{}\" has an operator without a term before \"{}\"",
                        shorten(text),
                        shorten(&text[index..])
                    );
                } else if is_exponent(before) {
                    continue;
                } else {
                    terms.push((sign, before));
                }
                sign = if character == '-' { -1.0 } else { 1.0 };
                start = index + 1;
            }
            _ => {}
        }
    }
    let last = text[start..].trim();
    if last.is_empty() {
        bail!(
            Request,
            "the objective \"{}\" ends without a term; give a unit such as layer4.0.sum:12",
            shorten(text)
        );
    }
    terms.push((sign, last));
    Ok(terms)
}

/// Whether `before` ends in a number's `e`, as in `1e-3`.
fn is_exponent(before: &str) -> bool {
    let Some(mantissa) = before.strip_suffix(['e', 'E']) else {
        return false;
    };
    !mantissa.is_empty() && mantissa.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn parse_term(term: &str) -> Result<(f32, Quantity)> {
    if !term.starts_with("direction(")
        && let Some((weight, quantity)) = term.split_once('*')
    {
        let weight = weight.trim();
        return match weight.parse::<f32>() {
            Ok(value) if value.is_finite() => Ok((value, parse_quantity(quantity.trim())?)),
            _ => bail!(
                Request,
                "\"{}\" before the * is not a number",
                shorten(weight)
            ),
        };
    }
    Ok((1.0, parse_quantity(term)?))
}

fn parse_quantity(text: &str) -> Result<Quantity> {
    match text {
        "l2" => return Ok(Quantity::L2),
        "tv" => return Ok(Quantity::Tv),
        _ => {}
    }
    if let Some(rest) = text.strip_prefix("direction(") {
        return parse_direction(rest);
    }
    let (tap, units, position) = parse_address(text)?;
    match units.parse() {
        Ok(unit) => Ok(Quantity::Unit {
            tap,
            unit,
            position,
        }),
        Err(_) => bail!(
            Request,
            "\"{}\" is not a unit: write TAP:NUMBER, such as layer4.0.sum:12, or a bare number for the model's default tap{}",
            shorten(text),
            did_you_mean(
                text.split('(').next().unwrap_or(text),
                ["direction", "l2", "tv"]
            )
        ),
    }
}

fn parse_direction(rest: &str) -> Result<Quantity> {
    let usage = "write direction(TAP, FILE) or direction(TAP, FILE, POWER)";
    let Some(inner) = rest.strip_suffix(')') else {
        bail!(
            Request,
            "\"direction({}\" has no closing parenthesis; {usage}",
            shorten(rest)
        );
    };
    let Some((tap, file)) = inner.split_once(',') else {
        bail!(
            Request,
            "\"direction({}\" names no file; {usage}",
            shorten(rest)
        );
    };
    let (file, power) = match file.rsplit_once(',') {
        None => (file, 0),
        Some((file, power)) => match power.trim().parse() {
            Ok(power) if power <= MOST_POWER => (file, power),
            _ => bail!(
                Request,
                "the power \"{}\" is not a whole number from 0 to {MOST_POWER}; {usage}",
                shorten(power.trim())
            ),
        },
    };
    if file.trim().is_empty() || tap.trim().is_empty() {
        bail!(
            Request,
            "\"direction({}\" is incomplete; {usage}",
            shorten(rest)
        );
    }
    Ok(Quantity::Direction {
        tap: canonical(tap),
        file: file.trim().into(),
        power,
    })
}

/// Splits `[TAP:]UNITS[@POSITION]`.
pub(super) fn parse_address(text: &str) -> Result<(Option<String>, &str, Position)> {
    let (tap, rest) = match text.rsplit_once(':') {
        Some((tap, rest)) => (Some(canonical(tap)), rest),
        None => (None, text),
    };
    let (units, position) = match rest.split_once('@') {
        Some((units, position)) => (units, parse_position(position)?),
        None => (rest, Position::Mean),
    };
    Ok((tap, units.trim(), position))
}

fn parse_position(text: &str) -> Result<Position> {
    if matches!(text.trim(), "centre" | "center") {
        return Ok(Position::Centre);
    }
    let numbers = text
        .split_once(',')
        .map(|(row, column)| (row.trim().parse(), column.trim().parse()));
    match numbers {
        Some((Ok(row), Ok(column))) => Ok(Position::Cell { row, column }),
        _ => bail!(
            Request,
            "\"@{}\" is not a position: write @ROW,COLUMN, such as @3,4, or @centre",
            shorten(text)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quantity() -> impl Strategy<Value = Quantity> {
        let position = prop_oneof![
            Just(Position::Mean),
            Just(Position::Centre),
            (0usize..99, 0usize..99).prop_map(|(row, column)| Position::Cell { row, column }),
        ];
        let tap =
            "(layer[1-4](\\.[0-9]{1,2}(\\.sum|\\.conv1)?)?|blocks\\.[0-9]{1,2}(\\.mlp)?|embedding)";
        let unit = (proptest::option::of(tap), any::<u16>(), position).prop_map(
            |(tap, unit, position)| Quantity::Unit {
                tap,
                unit: unit.into(),
                position,
            },
        );
        let direction = (tap, "[a-z0-9_+/-]{1,9}\\.npy", 0u32..4).prop_map(|(tap, file, power)| {
            Quantity::Direction {
                tap,
                file: file.into(),
                power,
            }
        });
        prop_oneof![4 => unit, 1 => direction, 1 => Just(Quantity::L2), 1 => Just(Quantity::Tv)]
    }

    proptest! {
        #[test]
        fn spelling_round_trips(terms in proptest::collection::vec((-1e6f32..1e6, quantity()), 1..5)) {
            let objective = Objective { terms };
            let spelled = objective.to_string();
            prop_assert_eq!(spelled.parse::<Objective>().unwrap(), objective, "{}", spelled);
        }
    }

    #[test]
    fn the_design_examples_read_as_meant() {
        let objective: Objective = "layer4.2.sum:12 + 0.5*layer4.2.sum:40 - 1e-1*tv"
            .parse()
            .unwrap();
        assert_eq!(
            objective.to_string(),
            "layer4.2.sum:12 + 0.5*layer4.2.sum:40 - 0.1*tv"
        );
        let neuron: Objective = "image_block_4/5/Add_6_0:89@3,4".parse().unwrap();
        assert_eq!(neuron.to_string(), "layer4.5.sum:89@3,4");
        let negative: Objective = "-89".parse().unwrap();
        assert_eq!(negative.to_string(), "-89");
    }
}
