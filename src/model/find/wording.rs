//! Words of a query in the words of an answer: capitals, plurals and punctuation do not matter.

use std::fmt;

use serde::Serialize;

/// How a query is found in an answer, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Match {
    /// Every word of it is a word there.
    Word,
    /// Every word of it is a word there or begins one.
    Prefix,
    /// Every word of it is somewhere there.
    Part,
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Word => "word",
            Self::Prefix => "prefix",
            Self::Part => "part",
        })
    }
}

/// Plurals that no rule makes.
const IRREGULAR: [(&str, &str); 8] = [
    ("children", "child"),
    ("feet", "foot"),
    ("geese", "goose"),
    ("men", "man"),
    ("mice", "mouse"),
    ("people", "person"),
    ("teeth", "tooth"),
    ("women", "woman"),
];

/// The words that are looked for, each in all forms that it may be found in.
pub struct Wording(Vec<Vec<String>>);

impl Wording {
    /// The words of a text; none of a text without letters and digits.
    pub fn of(text: &str) -> Self {
        Self(words(text).map(|word| forms(&word)).collect())
    }

    /// How many words.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How the words are found in a text, and how many words that has.
    pub fn find(&self, text: &str) -> Option<(Match, usize)> {
        let there: Vec<Vec<String>> = words(text).map(|word| forms(&word)).collect();
        let found = self.0.iter().map(|wanted| {
            let each = there.iter().filter_map(|word| compare(wanted, word));
            each.min()
        });
        let worst = found.collect::<Option<Vec<Match>>>()?.into_iter().max()?;
        Some((worst, there.len()))
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// A word and what it may be the plural of.
fn forms(word: &str) -> Vec<String> {
    let mut forms = vec![word.to_owned()];
    let irregular = IRREGULAR.iter().find(|(plural, _)| *plural == word);
    forms.extend(irregular.map(|(_, singular)| (*singular).to_owned()));
    let endings = [
        ("ies", "y"),
        ("ves", "f"),
        ("ves", "fe"),
        ("es", ""),
        ("s", ""),
    ];
    for (plural, singular) in endings {
        match word.strip_suffix(plural) {
            // "As", "bus" and "glass" are no plurals.
            Some(stem) if stem.len() > 1 && !(plural == "s" && stem.ends_with(['s', 'u'])) => {
                forms.push(format!("{stem}{singular}"));
            }
            _ => {}
        }
    }
    forms
}

fn compare(wanted: &[String], word: &[String]) -> Option<Match> {
    let any = |fits: &dyn Fn(&String) -> bool| wanted.iter().any(fits);
    // What is there is compared as it is written: "car" begins "cars", and not "cari".
    let written = &word[0];
    if any(&|form| word.contains(form)) {
        Some(Match::Word)
    } else if any(&|form| written.starts_with(form)) {
        Some(Match::Prefix)
    } else if any(&|form| written.contains(form)) {
        Some(Match::Part)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(query: &str, text: &str) -> Option<Match> {
        Wording::of(query).find(text).map(|(how, _)| how)
    }

    #[test]
    fn a_word_is_told_from_a_beginning_and_a_part() {
        assert_eq!(found("truck", "pickup truck"), Some(Match::Word));
        assert_eq!(found("pick", "pickup truck"), Some(Match::Prefix));
        assert_eq!(found("truck", "star struck"), Some(Match::Part));
        assert_eq!(found("truck", "tram car"), None);
        assert_eq!(found("ray", "x-ray"), Some(Match::Word));
    }

    #[test]
    fn the_worst_of_several_words_counts() {
        assert_eq!(found("Truck  PICKUP", "pickup truck"), Some(Match::Word));
        assert_eq!(found("pick truck", "pickup truck"), Some(Match::Prefix));
        assert_eq!(found("pickup car", "pickup truck"), None);
        assert_eq!(found("", "pickup truck"), None);
        assert_eq!(found("?!", "pickup truck"), None);
    }

    #[test]
    fn plurals_are_the_same_word() {
        for (plural, singular) in [
            ("trucks", "truck"),
            ("cherries", "cherry"),
            ("buses", "bus"),
            ("glasses", "glass"),
            ("wolves", "wolf"),
            ("knives", "knife"),
            ("faces", "face"),
            ("mice", "mouse"),
        ] {
            assert_eq!(found(plural, singular), Some(Match::Word), "{plural}");
            assert_eq!(found(singular, plural), Some(Match::Word), "{plural}");
        }
        for (a, b) in [("bus", "bu"), ("glass", "glas"), ("as", "a")] {
            assert_ne!(found(a, b), Some(Match::Word), "{a}");
        }
    }
}
