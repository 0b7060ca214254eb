//! `data.js`: what searching, sorting and the grid of pictures need of every unit, in columns.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::sprites::COLUMNS;
use super::{CHUNK, Chunk};
use crate::atlas::manifest::{Header, sources};
use crate::atlas::numbers::NUMBERS;
use crate::atlas::record::Record;

/// Significant digits of the numbers: they are for sorting and for bars; `units.parquet` has all.
const DIGITS: usize = 5;

/// What the descriptions of numbers call the images that usual responses were measured on.
const REFERENCE: &str = "the reference images";

/// The columns; a unit is its place in them.
#[derive(Serialize)]
pub struct Index<'a> {
    taps: Vec<TapEntry<'a>>,
    units: Vec<usize>,
    numbers: Vec<NumberColumn>,
    /// Each text once; the next four refer to it.
    vocabulary: Vec<&'a str>,
    words: Vec<Vec<usize>>,
    drawings: Vec<Vec<usize>>,
    line_art: Vec<Vec<usize>>,
    labels: Vec<Vec<usize>>,
    /// Places with a content note.
    flags: Vec<(usize, &'a str)>,
    /// Places without a picture.
    unpictured: Vec<usize>,
    /// Places of units that never open on their picture.
    unopened: Vec<usize>,
    sprites: Sprites,
    /// What usual responses were measured on.
    statistics: BTreeSet<&'a str>,
}

#[derive(Serialize)]
struct TapEntry<'a> {
    name: &'a str,
    count: usize,
    /// Of `percept render`; absent where none make these pictures.
    options: Option<&'a [String]>,
    sheets: Vec<&'a str>,
}

#[derive(Serialize)]
struct NumberColumn {
    key: &'static str,
    name: &'static str,
    about: String,
    whole: bool,
    values: Vec<Option<f64>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sprites {
    columns: u32,
    per_sheet: usize,
}

/// Texts, numbered in the order in which they first come.
#[derive(Default)]
struct Vocabulary<'a> {
    texts: Vec<&'a str>,
    places: HashMap<&'a str, usize>,
}

impl<'a> Vocabulary<'a> {
    fn number(&mut self, text: &'a str) -> usize {
        *self.places.entry(text).or_insert_with(|| {
            self.texts.push(text);
            self.texts.len() - 1
        })
    }

    fn column(
        &mut self,
        records: &'a [Record],
        texts: impl Fn(&'a Record) -> Vec<&'a str>,
    ) -> Vec<Vec<usize>> {
        let numbers =
            |texts: Vec<&'a str>| texts.into_iter().map(|text| self.number(text)).collect();
        records.iter().map(texts).map(numbers).collect()
    }
}

impl<'a> Index<'a> {
    /// Of these records; `sheets` has a name for each of `chunks`.
    pub fn new(
        header: &'a Header,
        records: &'a [Record],
        chunks: &[Chunk<'a>],
        sheets: &'a [String],
    ) -> Self {
        let taps = header.taps.iter().map(|tap| {
            let own = chunks
                .iter()
                .zip(sheets)
                .filter(|(chunk, _)| chunk.tap == tap.name);
            TapEntry {
                name: &tap.name,
                count: own.clone().map(|(chunk, _)| chunk.records.len()).sum(),
                options: tap.options.as_deref(),
                sheets: own.map(|(_, sheet)| sheet.as_str()).collect(),
            }
        });
        let mut vocabulary = Vocabulary::default();
        let all = |texts: &'a [String]| texts.iter().map(String::as_str).collect();
        let places = |has: fn(&Record) -> bool| {
            let places = records
                .iter()
                .enumerate()
                .filter(move |(_, record)| has(record));
            places.map(|(place, _)| place).collect()
        };
        let statistics: BTreeSet<&str> = records.iter().flat_map(sources).collect();
        Self {
            taps: taps.filter(|tap| tap.count > 0).collect(),
            units: records.iter().map(|record| record.unit).collect(),
            numbers: numbers(records, &reference(&statistics)),
            words: vocabulary.column(records, |record| all(&record.words)),
            drawings: vocabulary.column(records, |record| all(&record.drawings)),
            line_art: vocabulary.column(records, |record| all(&record.line_art)),
            labels: vocabulary.column(records, |record| {
                record
                    .labels
                    .iter()
                    .map(|(label, _)| label.as_str())
                    .collect()
            }),
            flags: records
                .iter()
                .enumerate()
                .filter_map(|(place, record)| Some((place, record.flag.as_deref()?)))
                .collect(),
            unpictured: places(|record| record.face().is_none()),
            unopened: places(|record| record.opened() == Some(false)),
            sprites: Sprites {
                columns: COLUMNS,
                per_sheet: CHUNK,
            },
            vocabulary: vocabulary.texts,
            statistics,
        }
    }
}

/// The images that usual responses were measured on, by name where they have one.
fn reference(statistics: &BTreeSet<&str>) -> String {
    match statistics.is_empty() {
        true => REFERENCE.to_owned(),
        false => Vec::from_iter(statistics.iter().copied()).join(", or "),
    }
}

/// Those that any unit has; what they are measured against is called by its name.
fn numbers(records: &[Record], reference: &str) -> Vec<NumberColumn> {
    let column = |number: &crate::atlas::numbers::Number| NumberColumn {
        key: number.key,
        name: number.name,
        about: number.about.replace(REFERENCE, reference),
        whole: number.whole,
        values: records
            .iter()
            .map(|record| (number.get)(record).and_then(rounded))
            .collect(),
    };
    let columns = NUMBERS.iter().map(column);
    columns
        .filter(|column| column.values.iter().any(Option::is_some))
        .collect()
}

/// To [`DIGITS`] significant digits; numbers that are not finite are absent.
fn rounded(value: f64) -> Option<f64> {
    let text = format!("{value:.*e}", DIGITS - 1);
    text.parse().ok().filter(|value: &f64| value.is_finite())
}
