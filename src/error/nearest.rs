//! What was probably meant by a name that there is not.

use std::collections::HashSet;

use strsim::jaro_winkler;

/// The similarity, of at most 1, from which on one name is taken for another's misspelling: `layer4.0.sums`
/// and `layer4.0.sum` have 0.98, `RN5O` and `RN50` 0.88, `blocks.1` and `embedding` 0.41.
const LIKE: f64 = 0.85;

/// The names that are much like `text`, whatever their capitals, the most alike first; of names that are
/// equally alike the last first.
pub(crate) fn alike<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let text = text.to_lowercase();
    let similarity = |name: &str| jaro_winkler(&text, &name.to_lowercase());
    let names = names.into_iter().map(|name| (similarity(name), name));
    let mut alike: Vec<(f64, &str)> = names
        .filter(|(similarity, _)| *similarity >= LIKE)
        .collect();
    alike.reverse();
    alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let mut seen = HashSet::new();
    let names = alike.into_iter().map(|(_, name)| name);
    names.filter(|name| seen.insert(*name)).collect()
}

/// The end of a message: `; did you mean RN50?`, or nothing.
pub(crate) fn did_you_mean<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    match alike(text, names).first() {
        Some(name) => format!("; did you mean {name}?"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelling_is_told_from_another_word() {
        let names = ["layer1", "layer4.0", "layer4.0.sum", "embedding"];
        for (text, name) in [
            ("layer4.0.sums", "layer4.0.sum"),
            ("Layer4.0.Sum", "layer4.0.sum"),
            ("embeding", "embedding"),
        ] {
            assert_eq!(alike(text, names).first(), Some(&name));
        }
        for text in ["blocks.1", "truck", ""] {
            assert!(alike(text, names).is_empty(), "{text}");
        }
        assert_eq!(did_you_mean("embeding", names), "; did you mean embedding?");
        assert_eq!(did_you_mean("truck", names), "");
        assert_eq!(
            alike("layer9", ["layer1", "layer4", "layer4"]),
            ["layer4", "layer1"]
        );
    }
}
