//! `manifest.json`: what an atlas is of, and what it holds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::record::Record;
use crate::error::{Error, Kind, Result};
use crate::recipe::ModelEntry;

/// The version of the layouts of `manifest.json` and `units.parquet`. A reader of one version can
/// read whatever has the same number; keys and columns may be added under it.
pub const SCHEMA: u32 = 1;

/// What the units of an atlas share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The weights.
    pub model: ModelEntry,
    /// What the recipes of all pictures share, under the keys of a sidecar's `recipe`.
    pub recipe: serde_json::Value,
    /// The taps whose units are shown, in the order in which they are shown.
    pub taps: Vec<Tap>,
}

/// A tap of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tap {
    /// Its canonical name.
    pub name: String,
    /// Units that it has in the model.
    pub units: usize,
}

/// The file.
#[derive(Debug, Serialize)]
pub struct Manifest<'a> {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of percept that wrote it.
    pub percept: &'static str,
    /// The weights.
    pub model: &'a ModelEntry,
    /// What the recipes share.
    pub recipe: &'a serde_json::Value,
    /// What the selectivity of the pictures refers to.
    pub statistics: BTreeSet<&'a str>,
    /// The taps.
    pub taps: Vec<TapCount<'a>>,
    /// What there is.
    pub counts: Counts,
    /// The files beside it that hold the data, by name.
    pub files: BTreeMap<&'a str, FileEntry>,
}

/// A tap, and how much of it is in the atlas.
#[derive(Debug, Serialize)]
pub struct TapCount<'a> {
    /// Its canonical name.
    pub name: &'a str,
    /// Units that it has in the model.
    pub units: usize,
    /// Units that are in the atlas.
    pub in_atlas: usize,
}

/// How many units have what.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Units.
    pub units: usize,
    /// Pictures by kind.
    pub pictures: BTreeMap<&'static str, usize>,
    /// Units with a statistic of their usual response.
    pub with_statistics: usize,
    /// Units with words, drawings or line art that they answer to.
    pub with_answers: usize,
    /// Units with labels.
    pub with_labels: usize,
    /// Units with example images.
    pub with_examples: usize,
    /// Units with neighbours by weights.
    pub with_near_weights: usize,
    /// Units with neighbours by response.
    pub with_near_responses: usize,
    /// Units with a content note.
    pub flagged: usize,
}

/// A file of the atlas.
#[derive(Debug, Serialize)]
pub struct FileEntry {
    /// Its SHA-256.
    pub sha256: String,
    /// Its size.
    pub bytes: usize,
}

impl<'a> Manifest<'a> {
    /// Of these records, with the data files that go with it.
    pub fn new(
        header: &'a Header,
        records: &'a [Record],
        files: BTreeMap<&'a str, FileEntry>,
    ) -> Self {
        let tap = |tap: &'a Tap| TapCount {
            name: &tap.name,
            units: tap.units,
            in_atlas: records.iter().filter(|r| r.tap == tap.name).count(),
        };
        Self {
            schema: SCHEMA,
            percept: env!("CARGO_PKG_VERSION"),
            model: &header.model,
            recipe: &header.recipe,
            statistics: records.iter().flat_map(sources).collect(),
            taps: header.taps.iter().map(tap).collect(),
            counts: Counts::of(records),
            files,
        }
    }

    /// The file's text.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self).map_err(|source| {
            Error::new(Kind::Internal, "cannot write a manifest").caused_by(source)
        })?;
        Ok(text + "\n")
    }
}

/// What the selectivity of a unit's pictures refers to.
fn sources(record: &Record) -> impl Iterator<Item = &str> {
    let pictures = record.pictures.iter();
    pictures.filter_map(|picture| Some(picture.quality.selectivity.as_ref()?.statistics.as_str()))
}

impl Counts {
    /// Of these records.
    pub fn of(records: &[Record]) -> Self {
        let with = |has: fn(&Record) -> bool| records.iter().filter(|record| has(record)).count();
        let mut pictures = BTreeMap::from(["positive", "negative", "facet"].map(|kind| (kind, 0)));
        for picture in records.iter().flat_map(|record| &record.pictures) {
            *pictures.entry(picture.shows.kind()).or_default() += 1;
        }
        Self {
            units: records.len(),
            pictures,
            with_statistics: with(|r| r.statistics.is_some()),
            with_answers: with(|r| {
                !(r.words.is_empty() && r.drawings.is_empty() && r.line_art.is_empty())
            }),
            with_labels: with(|r| !r.labels.is_empty()),
            with_examples: with(|r| !r.examples.is_empty()),
            with_near_weights: with(|r| !r.near_weights.is_empty()),
            with_near_responses: with(|r| !r.near_responses.is_empty()),
            flagged: with(|r| r.flag.is_some()),
        }
    }
}
