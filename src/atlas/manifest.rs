//! `manifest.json`: what an atlas is of, and what it holds.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::Record;
use crate::error::{Error, Kind, Result};
use crate::input::sha256;
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
    /// The options with which `percept render` makes the pictures of its units; `None` where none do.
    #[serde(default)]
    pub options: Option<Vec<String>>,
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
    /// The files that were published with it, by name.
    pub files: &'a Files,
}

/// What was published, by its path in the atlas' folder with `/` between the parts.
pub type Files = BTreeMap<String, FileEntry>;

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
    /// Units that never open on their picture.
    pub never_opened: usize,
    /// Units with a content note.
    pub flagged: usize,
}

/// A file of the atlas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its SHA-256.
    pub sha256: String,
    /// Its size.
    pub bytes: usize,
}

impl FileEntry {
    /// Of a file that holds this.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            sha256: sha256(bytes),
            bytes: bytes.len(),
        }
    }
}

/// What a manifest says of the files that were published with it.
#[derive(Debug)]
pub enum Listed {
    /// What they are.
    Files(Files),
    /// The version of percept that wrote it listed only some.
    Some(Files),
}

/// What publishing needs of a manifest, and what tells one from another file of this name.
#[derive(Deserialize)]
struct Stored {
    schema: u32,
    #[serde(rename = "percept")]
    _percept: String,
    #[serde(rename = "model")]
    _model: IgnoredAny,
    #[serde(rename = "counts")]
    _counts: IgnoredAny,
    files: Files,
    digest: Option<String>,
}

impl<'a> Manifest<'a> {
    /// Of these records, with the files that are published with it.
    pub fn new(header: &'a Header, records: &'a [Record], files: &'a Files) -> Self {
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

    /// The file's text; its last key is the digest of all the others.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Digested<'a> {
            #[serde(flatten)]
            manifest: &'a Manifest<'a>,
            digest: String,
        }

        let failed =
            |source| Error::new(Kind::Internal, "cannot write a manifest").caused_by(source);
        let text = serde_json::to_string(self).map_err(failed)?;
        let value: Value = serde_json::from_str(&text).map_err(failed)?;
        let digested = Digested {
            manifest: self,
            digest: sha256(value.to_string().as_bytes()),
        };
        let text = serde_json::to_string_pretty(&digested).map_err(failed)?;
        Ok(text + "\n")
    }
}

/// What a manifest lists; none where the text is not a manifest as percept wrote it.
pub fn listed(text: &[u8]) -> Option<Listed> {
    let mut value: Value = serde_json::from_slice(text).ok()?;
    let Stored {
        schema,
        files,
        digest,
        ..
    } = Stored::deserialize(&value).ok()?;
    if schema != SCHEMA {
        return None;
    }
    let Some(digest) = digest else {
        return Some(Listed::Some(files));
    };
    value.as_object_mut()?.remove("digest");
    (digest == sha256(value.to_string().as_bytes())).then_some(Listed::Files(files))
}

/// What the selectivity of a unit's pictures refers to.
pub fn sources(record: &Record) -> impl Iterator<Item = &str> {
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
            never_opened: with(|r| r.opened() == Some(false)),
            flagged: with(|r| r.flag.is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::Activation;

    fn text() -> String {
        let header = Header {
            model: ModelEntry {
                name: "mini".to_owned(),
                sha256: "0".repeat(64),
                activation: Activation::QuickGelu,
                prefix: None,
                conventions: None,
            },
            recipe: serde_json::json!({ "lr": 0.1, "decay": 1.0, "steps": 3 }),
            taps: Vec::new(),
        };
        let files = Files::from([("index.html".to_owned(), FileEntry::of(b"page"))]);
        Manifest::new(&header, &[], &files).to_json().unwrap()
    }

    #[test]
    fn a_manifest_is_known_by_its_digest() {
        let text = text();
        let Some(Listed::Files(files)) = listed(text.as_bytes()) else {
            panic!("{text}");
        };
        assert_eq!(files["index.html"], FileEntry::of(b"page"));
        let changed = text.replace("\"bytes\": 4", "\"bytes\": 5");
        assert_ne!(changed, text);
        assert!(listed(changed.as_bytes()).is_none());
        for foreign in ["", "[]", "{\"name\": \"web\", \"icons\": []}"] {
            assert!(listed(foreign.as_bytes()).is_none());
        }
    }

    #[test]
    fn a_manifest_without_a_digest_is_a_former_versions() {
        let mut value: Value = serde_json::from_str(&text()).unwrap();
        value.as_object_mut().unwrap().remove("digest");
        let former = listed(value.to_string().as_bytes());
        assert!(matches!(former, Some(Listed::Some(_))));
    }
}
