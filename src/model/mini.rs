//! What the units of the embedded model's last block answer to, measured when it was trained.

use std::collections::HashMap;
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

static ANSWERS: LazyLock<Vec<Option<Answers>>> =
    LazyLock::new(|| read_answers().unwrap_or_default());

/// The concept of this name.
pub fn concept(name: &str) -> Option<&'static Concept> {
    static PLACES: LazyLock<HashMap<&str, usize>> = LazyLock::new(|| {
        let names = concepts().iter().map(|concept| concept.name.as_str());
        names
            .enumerate()
            .map(|(place, name)| (name, place))
            .collect()
    });
    concepts().get(*PLACES.get(name)?)
}

/// What each unit of a tap of the embedded model answers to, nothing where its ReLU never opened; `None`
/// outside the last block.
pub fn answered(tap: &str) -> Option<&'static [Option<Answers>]> {
    TAPS.contains(&tap).then(|| ANSWERS.as_slice())
}

fn read_answers() -> Option<Vec<Option<Answers>>> {
    let file = SliceSafetensors::new(UNITS).ok()?;
    let kind = |name: &str| -> Option<Vec<Vec<i64>>> {
        file.load(name, &Device::Cpu).ok()?.to_vec2().ok()
    };
    let [drawings, line_art, words] = [kind("drawings")?, kind("line_art")?, kind("words")?];
    let names = |places: &[i64]| -> Option<Vec<String>> {
        let known = places
            .iter()
            .filter_map(|&place| usize::try_from(place).ok());
        let names = known.map(|place| concepts().get(place));
        names.map(|concept| Some(concept?.name.clone())).collect()
    };
    let of_unit = |((drawings, line_art), words): ((&Vec<i64>, &Vec<i64>), &Vec<i64>)| {
        let answers = Answers {
            drawings: names(drawings)?,
            line_art: names(line_art)?,
            words: names(words)?,
        };
        let all = [&answers.drawings, &answers.line_art, &answers.words];
        Some((!all.iter().all(|names| names.is_empty())).then_some(answers))
    };
    let units = drawings.iter().zip(&line_art).zip(&words);
    units.map(of_unit).collect()
}
