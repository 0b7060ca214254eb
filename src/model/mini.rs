//! What the units of the embedded model's last block answer to, measured when it was trained.

use std::sync::LazyLock;

use candle_core::Device;
use candle_core::safetensors::SliceSafetensors;
use serde::{Deserialize, Serialize};

/// The concepts that the model knows, in the order that the measurements refer to.
const CONCEPTS: &str = include_str!("mini/concepts.json");

/// For drawings, line art and words a tensor (units, 5): places in the list of concepts, -1 where a unit
/// answers to nothing.
const UNITS: &[u8] = include_bytes!("mini/units.safetensors");

/// The taps whose channels are the measured units.
const TAPS: [&str; 3] = ["layer4", "layer4.0", "layer4.0.sum"];

/// The concepts that a unit answers to most strongly, best first, over the art and the fonts
/// that the model was trained on; none of a kind that it answers to not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// To drawings in colour.
    pub drawings: Vec<String>,
    /// To one-coloured drawings.
    pub line_art: Vec<String>,
    /// To printed words.
    pub words: Vec<String>,
}

/// One concept of the embedded model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Concept {
    /// Its name, lower case; no two are alike.
    pub name: String,
    /// The words that were printed for it in training, best first; none for most long names.
    pub words: Vec<String>,
}

static PARSED: LazyLock<Vec<Concept>> =
    LazyLock::new(|| serde_json::from_str(CONCEPTS).unwrap_or_default());

/// The concepts that the embedded model knows.
pub fn concepts() -> &'static [Concept] {
    &PARSED
}

/// What a unit of the embedded model answers to; `None` outside its last block, and for units whose
/// ReLU never opened.
pub fn answers(tap: &str, channel: usize) -> Option<Answers> {
    if !TAPS.contains(&tap) {
        return None;
    }
    let file = SliceSafetensors::new(UNITS).ok()?;
    let first = |kind: &str| -> Option<Vec<String>> {
        let places = file.load(kind, &Device::Cpu).ok()?.get(channel).ok()?;
        let places = places.to_vec1::<i64>().ok()?.into_iter();
        let known = places.filter_map(|place| usize::try_from(place).ok());
        let names = known.map(|place| concepts().get(place));
        names
            .map(|concept| concept.map(|c| c.name.clone()))
            .collect()
    };
    let answers = Answers {
        drawings: first("drawings")?,
        line_art: first("line_art")?,
        words: first("words")?,
    };
    let is_silent = [&answers.drawings, &answers.line_art, &answers.words]
        .iter()
        .all(|names| names.is_empty());
    (!is_silent).then_some(answers)
}
