//! What to type instead of a text that names no units.

use super::Model;
use super::find::find;
use crate::encoder::tap::canonical;
use crate::error::{Error, Kind, alike, shorten};

/// What may have been meant by a text that is no objective: all units of a tap, where it is a tap's name or much
/// like one, or the units that answer to it, where it is words.
pub fn instead(model: &Model, text: &str) -> Option<Error> {
    let (encoder, text) = (&model.encoder, text.trim());
    let error = |message: String| Some(Error::new(Kind::Request, message));
    if let Some(id) = encoder.find(&canonical(text)) {
        let tap = encoder.tap(id);
        return error(format!(
            "{tap} is a tap, not a unit: write {tap}:0..{} for its {} units, {tap}:0 for the first; `percept atlas --units {tap}` makes a folder of them",
            tap.channels, tap.channels
        ));
    }
    let names = encoder.taps().iter().map(|tap| tap.name.as_str());
    let name = canonical(text.trim_end_matches(':'));
    let is_name = !name.contains([':', '(', ')', '*', '+', ' ', ',']);
    if is_name && let Some(tap) = alike(&name, names).first() {
        return error(format!(
            "there is no tap {}, and no unit is named: did you mean {tap}:0?",
            shorten(text)
        ));
    }
    if !is_words(text) {
        return None;
    }
    let found = find(model, text).ok()?;
    let first = found.first()?;
    let as_well = found.iter().filter(|unit| unit.how == first.how).count();
    error(format!(
        "\"{}\" is not a unit; {}:{} answers to it{}: `percept find \"{text}\"` tells more",
        shorten(text),
        first.tap,
        first.unit,
        match as_well {
            1 => String::new(),
            _ => format!(" most, of {as_well} that do"),
        }
    ))
}

/// Whether a text is made of words, as names of concepts are.
fn is_words(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '\''))
}
