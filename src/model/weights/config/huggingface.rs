//! `config.json` of transformers: of a whole CLIP, or of its image encoder alone.

use serde_json::Value;

use super::{Config, HUGGINGFACE, epsilon, size, text};
use crate::Result;
use crate::encoder::architecture::Declared;
use crate::error::bail;
use crate::model::conventions::{Known, Source};
use crate::model::spec::Activation;

/// Heads and width of an image encoder whose configuration leaves them open: the defaults of transformers.
const VISION: [usize; 2] = [12, 768];

/// Image encoders inside of other models whose settings and defaults are those of CLIP's own.
const INNER: [&str; 4] = [
    "clip_vision_model",
    "chinese_clip_vision_model",
    "altclip_vision_model",
    "clipseg_vision_model",
];

/// The constant of layer normalisation that transformers has by default.
const EPSILON: f64 = 1e-5;

/// Reads a `config.json`. What it leaves open is what transformers' `CLIPVisionConfig` and `CLIPTextConfig` have by
/// default.
///
/// # Errors
/// When it describes another kind of model, or an image encoder that percept does not compute.
pub(in super::super) fn huggingface(json: &Value) -> Result<Config> {
    let (vision, language) = towers(json)?;
    let [heads, width] = VISION;
    let width = size(&vision["hidden_size"]).unwrap_or(width);
    let heads = match size(&vision["num_attention_heads"]).unwrap_or(heads) {
        0 => bail!(Weights, "{HUGGINGFACE} asks for num_attention_heads 0"),
        heads => heads,
    };
    if !width.is_multiple_of(heads) {
        bail!(
            Weights,
            "{HUGGINGFACE} asks for hidden_size {width} and num_attention_heads {heads}, which cannot share it"
        );
    }
    let vision_epsilon = epsilon(&vision["layer_norm_eps"], HUGGINGFACE, "layer_norm_eps")?;
    let source = Source::File(HUGGINGFACE);
    Ok(Config {
        activation: Some(Known::new(activation(vision)?, source)),
        declared: Declared {
            vision_head_width: Some(width / heads),
            vision_width: size(&vision["hidden_size"]),
            vision_depth: size(&vision["num_hidden_layers"]),
            vision_epsilon: Some(vision_epsilon.unwrap_or(EPSILON)),
            text: text::huggingface(language),
        },
        declared_by: Some(source),
        ..Config::default()
    })
}

/// The settings of the image encoder and of the text encoder.
fn towers(json: &Value) -> Result<(&Value, &Value)> {
    let kind = &json["model_type"];
    let is_flat = match kind.as_str() {
        Some("clip_vision_model") => true,
        Some("clip") => false,
        Some(_) if is_inner(&json["vision_config"]) => false,
        None if kind.is_null() => {
            let has = |key: &str| json.get(key).is_some();
            has("hidden_size") && !has("vision_config") && !has("vision_config_dict")
        }
        _ => bail!(
            Weights,
            "{HUGGINGFACE} describes a model of type {kind}: percept reads \"clip\" and \"clip_vision_model\""
        ),
    };
    if is_flat {
        return Ok((json, &Value::Null));
    }
    // Where both are there, the older key says everything, what it leaves open included.
    let part = |older: &str, newer: &str| match &json[older] {
        Value::Null => &json[newer],
        older => older,
    };
    Ok((
        part("vision_config_dict", "vision_config"),
        part("text_config_dict", "text_config"),
    ))
}

/// Whether these settings of a larger model's part are those of a CLIP's image encoder.
fn is_inner(vision: &Value) -> bool {
    let kind = vision["model_type"].as_str();
    kind.is_some_and(|kind| INNER.contains(&kind))
}

/// A tower's activation, by default QuickGELU.
fn activation(tower: &Value) -> Result<Activation> {
    match &tower["hidden_act"] {
        Value::Null => Ok(Activation::QuickGelu),
        Value::String(name) => match name.parse() {
            Ok(activation) => Ok(activation),
            Err(_) => bail!(
                Weights,
                "{HUGGINGFACE} asks for the activation {name:?}: percept has quick_gelu and gelu"
            ),
        },
        other => bail!(Weights, "{HUGGINGFACE} asks for the activation {other}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ops::gelu::Gelu;

    fn vision_activation(json: Value) -> Result<Activation> {
        Ok(huggingface(&json)?.activation.unwrap().value)
    }

    #[test]
    fn transformers_means_quick_gelu_unless_it_says_otherwise() {
        let quick = Activation::QuickGelu;
        assert_eq!(vision_activation(json!({})).unwrap(), quick);
        let gelu = json!({"model_type": "clip", "vision_config": {"hidden_act": "gelu"}});
        assert_eq!(vision_activation(gelu).unwrap(), Activation::Gelu);
        for wrong in [json!("relu"), json!(3)] {
            assert!(vision_activation(json!({"vision_config": {"hidden_act": wrong}})).is_err());
        }
        let siglip = vision_activation(json!({"model_type": "siglip"})).unwrap_err();
        assert!(siglip.report().contains("siglip"), "{}", siglip.report());
        let larger = |inner: &str| {
            let vision = json!({"model_type": inner, "hidden_act": "gelu"});
            vision_activation(json!({"model_type": "llava", "vision_config": vision}))
        };
        assert_eq!(larger("clip_vision_model").unwrap(), Activation::Gelu);
        assert!(larger("siglip_vision_model").is_err());
    }

    #[test]
    fn an_image_encoder_alone_has_its_settings_at_the_top() {
        for kind in [json!("clip_vision_model"), json!(null)] {
            let flat = json!({"model_type": kind, "hidden_size": 64, "num_attention_heads": 2,
                "num_hidden_layers": 3, "hidden_act": "gelu", "layer_norm_eps": 1e-6});
            let config = huggingface(&flat).unwrap();
            assert_eq!(config.activation.unwrap().value, Activation::Gelu);
            assert_eq!(config.declared.vision_head_width, Some(32));
            assert_eq!(config.declared.vision_depth, Some(3));
            assert_eq!(config.declared.vision_epsilon, Some(1e-6));
            assert_eq!(config.declared.text.heads, None);
        }
    }

    #[test]
    fn the_older_key_of_a_composite_configuration_says_everything() {
        let both = json!({
            "vision_config": {"hidden_act": "quick_gelu", "hidden_size": 64, "layer_norm_eps": 1e-3},
            "vision_config_dict": {"hidden_act": "gelu", "hidden_size": 128, "num_attention_heads": 4},
            "text_config_dict": null,
            "text_config": {"hidden_act": "quick_gelu", "num_attention_heads": 7},
        });
        let config = huggingface(&both).unwrap();
        assert_eq!(config.activation.unwrap().value, Activation::Gelu);
        assert_eq!(config.declared.vision_head_width, Some(32));
        assert_eq!(config.declared.vision_epsilon, Some(EPSILON));
        assert_eq!(config.declared.text.gelu, Some(Gelu::Quick));
        assert_eq!(config.declared.text.heads, Some(7));
    }

    #[test]
    fn heads_that_cannot_be_are_errors() {
        for vision in [
            json!({"num_attention_heads": 0}),
            json!({"hidden_size": 64, "num_attention_heads": 3}),
        ] {
            assert!(huggingface(&json!({ "vision_config": vision })).is_err());
        }
    }
}
