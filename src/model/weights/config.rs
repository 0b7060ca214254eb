//! What the JSON files beside weights say about a model.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use crate::encoder::architecture::Declared;
use crate::error::{Kind, bail};
use crate::model::spec::Activation;
use crate::{Error, Result};

/// Mean and standard deviation of each colour, as the image encoder expects them to be taken out.
pub(super) type Normalisation = ([f32; 3], [f32; 3]);

/// Bytes of a JSON file beside weights; the index of the largest model on the hub has 2 MB.
const MAX_JSON: u64 = 16 << 20;

/// The constant of layer normalisation in every CLIP.
const EPSILON: f64 = 1e-5;

/// Settings that the weights do not carry themselves.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Config {
    pub activation: Option<Activation>,
    pub normalisation: Option<Normalisation>,
    pub declared: Declared,
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
        bail!(Weights, "{} has more than {MAX_JSON} bytes", path.display());
    }
    serde_json::from_slice(&text).map_err(|error| {
        let message = format!("{} is not the JSON file that it should be", path.display());
        Error::new(Kind::Weights, message).caused_by(error)
    })
}

/// Reads an `open_clip_config.json`. Where it does not mention QuickGELU, open_clip uses GELU.
pub(super) fn open_clip(json: &Value) -> Result<Config> {
    let quick = &json["model_cfg"]["quick_gelu"];
    let activation = match quick.as_bool().unwrap_or(false) {
        true => Activation::QuickGelu,
        false => Activation::Gelu,
    };
    let preprocess = &json["preprocess_cfg"];
    let normalisation = normalisation(&preprocess["mean"], &preprocess["std"])?;
    let (vision, text) = (
        &json["model_cfg"]["vision_cfg"],
        &json["model_cfg"]["text_cfg"],
    );
    for (part, key, usual) in [(vision, "pool_type", "tok"), (text, "pool_type", "argmax")] {
        let asked = part[key].as_str().unwrap_or(usual);
        if asked != usual {
            bail!(
                Weights,
                "open_clip_config.json asks for the {key} {asked:?}: percept has {usual:?}"
            );
        }
    }
    if text["no_causal_mask"].as_bool() == Some(true) {
        bail!(
            Weights,
            "open_clip_config.json asks for a text tower without a causal mask, which percept has not"
        );
    }
    Ok(Config {
        activation: Some(activation),
        normalisation,
        declared: Declared {
            vision_head_width: size(&vision["head_width"]),
            vision_depth: size(&vision["layers"]),
            text_heads: size(&text["heads"]),
            text_depth: size(&text["layers"]),
        },
    })
}

/// A whole number, where there is one.
fn size(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

/// Reads the towers' depths and heads from a `config.json` of transformers.
pub(super) fn huggingface_declared(json: &Value) -> Result<Declared> {
    let (vision, text) = (&json["vision_config"], &json["text_config"]);
    for part in [vision, text] {
        let epsilon = part["layer_norm_eps"].as_f64().unwrap_or(EPSILON);
        if epsilon != EPSILON {
            bail!(
                Weights,
                "config.json asks for layer_norm_eps {epsilon}: percept computes with {EPSILON}"
            );
        }
    }
    let width = size(&vision["hidden_size"]);
    let heads = size(&vision["num_attention_heads"]).filter(|&heads| heads > 0);
    Ok(Declared {
        vision_head_width: width.zip(heads).map(|(width, heads)| width / heads),
        vision_depth: size(&vision["num_hidden_layers"]),
        text_heads: size(&text["num_attention_heads"]),
        text_depth: size(&text["num_hidden_layers"]),
    })
}

/// Reads the activation from a `config.json` of transformers; its default is QuickGELU.
pub(super) fn huggingface_activation(json: &Value) -> Result<Activation> {
    let kind = &json["model_type"];
    if !kind.is_null() && kind != "clip" {
        bail!(
            Weights,
            "config.json describes a model of type {kind}: percept reads \"clip\""
        );
    }
    match &json["vision_config"]["hidden_act"] {
        Value::Null => Ok(Activation::QuickGelu),
        Value::String(name) => match name.parse() {
            Ok(activation) => Ok(activation),
            Err(_) => bail!(
                Weights,
                "config.json asks for the activation {name:?}: percept has quick_gelu and gelu"
            ),
        },
        other => bail!(Weights, "config.json asks for the activation {other}"),
    }
}

/// Reads the colour statistics from a `preprocessor_config.json`.
pub(super) fn preprocessor(json: &Value) -> Result<Option<Normalisation>> {
    normalisation(&json["image_mean"], &json["image_std"])
}

fn normalisation(mean: &Value, std: &Value) -> Result<Option<Normalisation>> {
    if mean.is_null() && std.is_null() {
        return Ok(None);
    }
    let usable = triple(mean)
        .zip(triple(std))
        .filter(|(_, std)| std.iter().all(|&std| std > 0.));
    match usable {
        Some(normalisation) => Ok(Some(normalisation)),
        None => bail!(
            Weights,
            "the image statistics are mean {mean} and standard deviation {std}: three numbers each \
             were expected, and deviations above zero"
        ),
    }
}

fn triple(value: &Value) -> Option<[f32; 3]> {
    let numbers: Option<Vec<f32>> = value
        .as_array()?
        .iter()
        .map(|number| Some(number.as_f64()? as f32).filter(|number| number.is_finite()))
        .collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn open_clip_means_gelu_unless_it_says_otherwise() {
        let config = open_clip(&json!({"model_cfg": {}})).unwrap();
        assert_eq!(
            config,
            Config {
                activation: Some(Activation::Gelu),
                normalisation: None,
                declared: Declared::default(),
            }
        );
        let config = open_clip(&json!({
            "model_cfg": {"quick_gelu": true},
            "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [1, 1, 1]},
        }))
        .unwrap();
        assert_eq!(config.activation, Some(Activation::QuickGelu));
        assert_eq!(config.normalisation, Some(([0.5; 3], [1.; 3])));
    }

    #[test]
    fn transformers_means_quick_gelu_unless_it_says_otherwise() {
        let activation = |json: Value| huggingface_activation(&json);
        assert_eq!(activation(json!({})).unwrap(), Activation::QuickGelu);
        let gelu = json!({"model_type": "clip", "vision_config": {"hidden_act": "gelu"}});
        assert_eq!(activation(gelu).unwrap(), Activation::Gelu);
        assert!(activation(json!({"vision_config": {"hidden_act": "relu"}})).is_err());
        assert!(activation(json!({"vision_config": {"hidden_act": 3}})).is_err());
        let report = activation(json!({"model_type": "siglip"}))
            .unwrap_err()
            .report();
        assert!(report.contains("siglip"), "{report}");
    }

    #[test]
    fn statistics_that_cannot_be_are_errors() {
        for (mean, std) in [
            (json!([0.5, 0.5]), json!([1, 1, 1])),
            (json!([0.5, 0.5, 0.5]), json!([1, 0, 1])),
            (json!([0.5, 0.5, 0.5]), json!(null)),
            (json!([1e300, 0.5, 0.5]), json!([1, 1, 1])),
            (json!("0.5"), json!([1, 1, 1])),
        ] {
            assert!(preprocessor(&json!({"image_mean": mean, "image_std": std})).is_err());
        }
        assert_eq!(preprocessor(&json!([])).unwrap(), None);
    }
}
