//! What the JSON files beside weights say about a model.

mod huggingface;
mod open_clip;
mod preprocessor;
mod section;
mod text;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use crate::encoder::architecture::Declared;
use crate::error::{Kind, bail};
use crate::model::conventions::{Known, Source};
use crate::model::preprocess::{Normalisation, Preprocessing};
use crate::model::spec::Activation;
use crate::{Error, Result};
pub(super) use huggingface::huggingface;
pub(super) use open_clip::open_clip;
pub(super) use preprocessor::{PROCESSORS, preprocessor};
use section::{Section, is_off, whole};

/// The names of the files.
pub(super) const OPEN_CLIP: &str = "open_clip_config.json";
pub(super) const HUGGINGFACE: &str = "config.json";

/// Bytes of a JSON file beside weights; the index of the largest model on the hub has 2 MB.
const MAX_JSON: u64 = 16 << 20;

/// Pixels of a side that a configuration may ask for.
const MAX_SIDE: u64 = 1 << 16;

/// Settings that the weights do not carry themselves, as far as something tells them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// The image encoder's, where something says it; the text encoder's too, where `declared` has no other.
    pub activation: Option<Known<Activation>>,
    /// The activation that a configuration file leaves to the default of whoever wrote it.
    pub usual_activation: Option<Known<Activation>>,
    /// Heads, depths and epsilons.
    pub declared: Declared,
    /// The file that declares them.
    pub declared_by: Option<Source>,
    /// Of the pixels.
    pub normalisation: Option<Known<Normalisation>>,
    /// From a picture to the encoder's square.
    pub preprocessing: Option<Known<Preprocessing>>,
}

/// Reads a JSON file.
pub(super) fn read_json(path: &Path) -> Result<Value> {
    let cannot_read = |error| Error::io("cannot read", path, error);
    let mut text = Vec::new();
    let file = File::open(path).map_err(cannot_read)?;
    file.take(MAX_JSON + 1)
        .read_to_end(&mut text)
        .map_err(cannot_read)?;
    if text.len() as u64 > MAX_JSON {
        bail!(
            Weights,
            "{} has more than {MAX_JSON} bytes, and no such file of a model has: download it again",
            path.display()
        );
    }
    serde_json::from_slice(&text).map_err(|error| {
        let message = format!(
            "{} is not the JSON file that it should be: download it again",
            path.display()
        );
        Error::new(Kind::Weights, message).caused_by(error)
    })
}

/// Pixels of a side; none of 0, or of more than any picture has.
fn pixels(value: &Value) -> Option<u32> {
    let side = whole(value)? as u64;
    (1..=MAX_SIDE).contains(&side).then_some(side as u32)
}

/// A constant of layer normalisation; none where the file leaves it open.
///
/// # Errors
/// When it is no number above 0, or so large that nothing would be normalised.
fn epsilon(value: &Value, file: &str, key: &str) -> Result<Option<f64>> {
    match value {
        Value::Null => Ok(None),
        value => match value.as_f64().filter(|&value| 0.0 < value && value < 1.0) {
            Some(epsilon) => Ok(Some(epsilon)),
            None => bail!(
                Weights,
                "{file} asks for {key} {value} where a number above 0 and below 1 belongs: correct it in the file"
            ),
        },
    }
}

/// Mean and deviation of three channels, under these keys, each a list or one number for all; none where the file leaves both open,
/// CLIP's for the one that it leaves open.
///
/// # Errors
/// When one is no three numbers, or a deviation is not above 0.
fn normalisation(json: Section, keys: [&str; 2]) -> Result<Option<Normalisation>> {
    let [mean, std] = keys.map(|key| json.get(key));
    if mean.is_null() && std.is_null() {
        return Ok(None);
    }
    let or_usual = |value: &Value, usual: [f32; 3]| match value {
        Value::Null => Some(usual),
        value => triple(value),
    };
    let usable = or_usual(mean, Normalisation::CLIP.mean)
        .zip(or_usual(std, Normalisation::CLIP.deviation))
        .filter(|(_, std)| std.iter().all(|&std| std > 0.));
    match usable {
        Some((mean, deviation)) => Ok(Some(Normalisation { mean, deviation })),
        None => bail!(
            Weights,
            "{} asks for {} {mean} and {} {std} where three numbers each belong, and deviations above zero: correct \
             them in the file",
            json.file,
            json.name(keys[0]),
            json.name(keys[1])
        ),
    }
}

fn triple(value: &Value) -> Option<[f32; 3]> {
    let number = |value: &Value| Some(value.as_f64()? as f32).filter(|number| number.is_finite());
    match value.as_array() {
        None => number(value).map(|number| [number; 3]),
        Some(numbers) => {
            let numbers: Option<Vec<f32>> = numbers.iter().map(number).collect();
            numbers?.try_into().ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statistics_are_three_numbers_or_one_for_all() {
        let read = |mean: Value, std: Value| {
            let json = json!({"mean": mean, "std": std});
            normalisation(Section::new(&json, OPEN_CLIP, "").unwrap(), ["mean", "std"])
        };
        for (mean, std) in [
            (json!([0.5, 0.5]), json!([1, 1, 1])),
            (json!([0.5, 0.5, 0.5]), json!([1, 0, 1])),
            (json!([1e300, 0.5, 0.5]), json!([1, 1, 1])),
            (json!("0.5"), json!([1, 1, 1])),
        ] {
            assert!(read(mean, std).is_err());
        }
        assert_eq!(read(json!(null), json!(null)).unwrap(), None);
        let one = read(json!(0.5), json!(null)).unwrap().unwrap();
        assert_eq!(one.mean, [0.5; 3]);
        assert_eq!(one.deviation, Normalisation::CLIP.deviation);
    }

    #[test]
    fn epsilons_are_small_numbers() {
        let read = |value| epsilon(&value, HUGGINGFACE, "layer_norm_eps");
        assert_eq!(read(json!(null)).unwrap(), None);
        assert_eq!(read(json!(1e-6)).unwrap(), Some(1e-6));
        for value in [json!(0), json!(-1e-5), json!(7), json!("1e-5")] {
            assert!(read(value).unwrap_err().report().contains("layer_norm_eps"));
        }
    }
}
