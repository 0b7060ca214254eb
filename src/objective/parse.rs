//! The spelling of objectives, read.
//!
//! ```text
//! objective = ["-"] term { ("+" | "-") term }
//! term      = [number "*"] (unit | NAME ["(" ARGUMENTS ")"])
//! unit      = [TAP ":"] NUMBER ["@" (ROW "," COLUMN | "centre")]
//! ```

use std::str::FromStr;

use super::Objective;
use super::term::{NAMES, Term, usage};
use super::unit::{Unit, parse_address};
use crate::error::{Error, Result, bail, did_you_mean, shorten};

impl FromStr for Objective {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut terms = Vec::new();
        for (sign, term) in split_terms(text)? {
            let (weight, term) = parse_term(term).map_err(|error| in_objective(text, error))?;
            terms.push((sign * weight, term));
        }
        Ok(Self { terms })
    }
}

fn in_objective(text: &str, error: Error) -> Error {
    error.context(format!("cannot read the objective \"{}\"", shorten(text)))
}

/// Splits at the `+` and `-` between terms: those outside parentheses and quotes that follow a whole term,
/// not an operator or a number's exponent.
pub(super) fn split_terms(text: &str) -> Result<Vec<(f32, &str)>> {
    let mut terms = Vec::new();
    let (mut sign, mut start, mut depth) = (1.0, 0, 0usize);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (index, character) in text.char_indices() {
        if is_quoted {
            is_quoted = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
            continue;
        }
        match character {
            '"' if opens_text(&text[..index]) => is_quoted = true,
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

/// Whether a quote after `before` is a text's.
fn opens_text(before: &str) -> bool {
    before.trim_end().ends_with("text(")
}

/// Whether `before` ends in a number's `e`, as in `1e-3`.
fn is_exponent(before: &str) -> bool {
    let Some(mantissa) = before.strip_suffix(['e', 'E']) else {
        return false;
    };
    !mantissa.is_empty() && mantissa.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn parse_term(term: &str) -> Result<(f32, Term)> {
    // A * in parentheses belongs to a term's arguments.
    let before = term.find('(').unwrap_or(term.len());
    if let Some((weight, _)) = term[..before].split_once('*') {
        let term = term[weight.len() + 1..].trim();
        let weight = weight.trim();
        return match weight.parse::<f32>() {
            Ok(value) if value.is_finite() => Ok((value, parse_unweighted(term)?)),
            _ => bail!(
                Request,
                "\"{}\" before the * is not a number",
                shorten(weight)
            ),
        };
    }
    Ok((1.0, parse_unweighted(term)?))
}

fn parse_unweighted(text: &str) -> Result<Term> {
    let (name, arguments) = match text.split_once('(') {
        Some((name, rest)) => (name, Some(rest)),
        None => (text, None),
    };
    let closed = arguments.map(|rest| rest.strip_suffix(')'));
    if let (Some(usage), None | Some(None)) = (usage(name), closed) {
        let what = match arguments {
            None => "has nothing in parentheses",
            Some(rest) if rest.contains(")*") => "has its number behind it: write the number first",
            Some(_) => "has no closing parenthesis",
        };
        bail!(Request, "\"{}\" {what}; {usage}", shorten(text));
    }
    if let Some(term) = Term::named(name, closed.flatten())? {
        return Ok(term);
    }
    let (tap, units, position) = parse_address(text)?;
    match units.parse() {
        Ok(channel) => Ok(Term::Unit(Unit {
            tap,
            channel,
            position,
        })),
        Err(_) => bail!(
            Request,
            "\"{}\" is not a unit: write TAP:NUMBER, such as layer4.0.sum:12, or a bare number for the model's default tap{}",
            shorten(text),
            did_you_mean(name, NAMES)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DeepDream, Direction, Position, Text};
    use super::*;
    use proptest::prelude::*;

    fn term() -> impl Strategy<Value = Term> {
        let position = prop_oneof![
            Just(Position::Mean),
            Just(Position::Centre),
            (0usize..99, 0usize..99).prop_map(|(row, column)| Position::Cell { row, column }),
        ];
        let tap =
            "(layer[1-4](\\.[0-9]{1,2}(\\.sum|\\.conv1)?)?|blocks\\.[0-9]{1,2}(\\.mlp)?|embedding)";
        let unit = (proptest::option::of(tap), any::<u16>(), position).prop_map(
            |(tap, channel, position)| {
                Term::Unit(Unit {
                    tap,
                    channel: channel.into(),
                    position,
                })
            },
        );
        let array = proptest::option::of("[A-Za-z0-9_.#/=]{1,9}");
        let row = proptest::option::of(0usize..9999);
        let direction = (tap, "[a-z0-9_+*#\"/-]{1,9}\\.np[yz]", array, row, 0u32..4).prop_map(
            |(tap, file, array, row, power)| {
                Term::Direction(Direction {
                    tap,
                    array: array.filter(|_| file.ends_with('z')),
                    file: file.into(),
                    row,
                    power,
                })
            },
        );
        let deepdream = tap.prop_map(|tap| Term::DeepDream(DeepDream { tap }));
        let text = any::<String>().prop_map(|text| Term::Text(Text { text }));
        prop_oneof![
            4 => unit,
            1 => direction,
            1 => deepdream,
            2 => text,
            1 => Just(Term::L2),
            1 => Just(Term::Tv)
        ]
    }

    proptest! {
        #[test]
        fn spelling_round_trips(terms in proptest::collection::vec((-1e6f32..1e6, term()), 1..5)) {
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
