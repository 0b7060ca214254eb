//! Units by what they are known to answer to.

mod wording;

use serde::Serialize;
pub use wording::Match;
use wording::Wording;

use super::Model;
use super::mini::{self, Answers};
use crate::error::{Result, alike, bail, shorten};

/// What an answer that has other words too counts for. Below 0.6 a unit whose first answer it is would fall
/// behind one whose fifth answers, of all three kinds, are the query alone.
const PARTLY: f64 = 0.75;

/// Names that are offered at most.
const MOST_OFFERED: usize = 3;

/// A unit that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// The tap's canonical name.
    pub tap: String,
    /// The channel.
    pub unit: usize,
    /// How the query is found in the best of the answers below.
    #[serde(rename = "match")]
    pub how: Match,
    /// From 0 to 1: the mean over the three kinds of answers of `1 / place` of the first that is found as well
    /// as the best, three quarters of that where it has other words too, 0 where none is.
    pub score: f64,
    /// What it was found by, at most one of each kind.
    pub by: Vec<Evidence>,
}

/// An answer in which a query is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// What the unit answers to.
    pub kind: Kind,
    /// Which of its answers of this kind, from 1.
    pub place: usize,
    /// The answer.
    pub answer: String,
    /// The word printed for it, where the query is found in that and not in its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub printed: Option<String>,
}

/// What units answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Drawings in colour.
    Drawings,
    /// One-coloured drawings.
    LineArt,
    /// Printed words.
    Words,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Drawings, Self::LineArt, Self::Words];

    fn of(self, answers: &Answers) -> &[String] {
        match self {
            Self::Drawings => &answers.drawings,
            Self::LineArt => &answers.line_art,
            Self::Words => &answers.words,
        }
    }
}

/// The units of a model's default tap whose known answers have all words of `query`, best first: those that have
/// them as whole words before those in which they begin words, and these before others; then by score.
///
/// # Errors
/// When the query has no word, or nothing is known of what the model's units answer to.
pub fn find(model: &Model, query: &str) -> Result<Vec<Found>> {
    let wording = Wording::of(query);
    if wording.len() == 0 {
        bail!(
            Request,
            "\"{}\" has no word to look for: give one, such as truck",
            shorten(query)
        );
    }
    let tap = &model.encoder.tap(model.encoder.default_tap()).name;
    let Some(known) = model.answered(tap) else {
        bail!(
            Request,
            "nothing is known of what the units of {} answer to, only of the embedded model's: `percept atlas --model {} --units {tap}` renders them to look through",
            model.name,
            model.name
        );
    };
    let mut found: Vec<Found> = known
        .iter()
        .enumerate()
        .filter_map(|(unit, answers)| rate(&wording, tap, unit, answers.as_ref()?))
        .collect();
    found.sort_by(|a, b| a.how.cmp(&b.how).then(b.score.total_cmp(&a.score)));
    Ok(found)
}

fn rate(wording: &Wording, tap: &str, unit: usize, answers: &Answers) -> Option<Found> {
    let each = Kind::ALL.map(|kind| best(wording, kind.of(answers)));
    let how = each.iter().flatten().map(|seen| seen.how).min()?;
    let as_well = each.iter().flatten().filter(|seen| seen.how == how);
    let sum: f64 = as_well.map(|seen| seen.weight / seen.place as f64).sum();
    let by = Kind::ALL.into_iter().zip(each);
    let by = by.filter_map(|(kind, seen)| {
        let seen = seen?;
        Some(Evidence {
            kind,
            place: seen.place,
            answer: seen.answer.to_owned(),
            printed: seen.printed.map(str::to_owned),
        })
    });
    Some(Found {
        tap: tap.to_owned(),
        unit,
        how,
        score: sum / Kind::ALL.len() as f64,
        by: by.collect(),
    })
}

/// A query in one of a unit's answers.
struct Seen<'a> {
    how: Match,
    place: usize,
    weight: f64,
    answer: &'a str,
    printed: Option<&'static str>,
}

/// The best of the answers of one kind: the best found, of those the first.
fn best<'a>(wording: &Wording, answers: &'a [String]) -> Option<Seen<'a>> {
    let seen = answers.iter().enumerate().filter_map(|(index, answer)| {
        let in_words = printed(answer)
            .iter()
            .map(|word| (word.as_str(), Some(word.as_str())));
        let texts = [(answer.as_str(), None)].into_iter().chain(in_words);
        let found = texts.filter_map(|(text, printed)| Some((wording.find(text)?, printed)));
        let ((how, words), printed) = found.min_by_key(|((how, words), _)| (*how, *words))?;
        Some(Seen {
            how,
            place: index + 1,
            weight: if words == wording.len() { 1.0 } else { PARTLY },
            answer,
            printed,
        })
    });
    seen.min_by_key(|seen| seen.how)
}

/// The words that were printed for a concept.
fn printed(name: &str) -> &'static [String] {
    mini::concept(name).map_or(&[], |concept| &concept.words)
}

/// Names of answers, or words in them, that a query which finds nothing was probably meant to be; nearest first.
pub fn near(model: &Model, query: &str) -> Vec<String> {
    let tap = &model.encoder.tap(model.encoder.default_tap()).name;
    let known = model.answered(tap).unwrap_or_default().iter().flatten();
    let names = known.flat_map(|answers| Kind::ALL.into_iter().flat_map(|kind| kind.of(answers)));
    let texts = names.flat_map(|name| std::iter::once(name).chain(printed(name)));
    let words = texts.flat_map(|text| std::iter::once(text.as_str()).chain(text.split(' ')));
    let near = alike(query, words).into_iter().take(MOST_OFFERED);
    near.map(str::to_owned).collect()
}
