//! `config.json` of transformers: of a whole CLIP, or of its image encoder alone.

use serde_json::Value;

use super::{Config, HUGGINGFACE, Section, epsilon, text};
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
/// When it describes another kind of model, a value is of the wrong kind, or percept does not compute its image encoder.
pub(in super::super) fn huggingface(json: &Value) -> Result<Config> {
    let (vision, language) = towers(json)?;
    let [heads, width] = VISION;
    let asked_width = vision.whole("hidden_size")?;
    let width = asked_width.unwrap_or(width);
    let heads = vision.whole("num_attention_heads")?.unwrap_or(heads);
    if heads == 0 || !width.is_multiple_of(heads) {
        bail!(
            Weights,
            "{HUGGINGFACE} asks for hidden_size {width} and num_attention_heads {heads}, which cannot share it: take the \
             file that was published with the weights"
        );
    }
    let vision_epsilon = epsilon(
        vision.get("layer_norm_eps"),
        HUGGINGFACE,
        &vision.name("layer_norm_eps"),
    )?;
    let source = Source::File(HUGGINGFACE);
    Ok(Config {
        activation: activation(vision)?.map(|activation| Known::new(activation, source)),
        usual_activation: Some(Known::new(Activation::QuickGelu, source)),
        declared: Declared {
            vision_head_width: Some(width / heads),
            vision_width: asked_width,
            vision_depth: vision.whole("num_hidden_layers")?,
            vision_epsilon: Some(vision_epsilon.unwrap_or(EPSILON)),
            text: text::huggingface(language),
        },
        declared_by: Some(source),
        ..Config::default()
    })
}

/// The settings of the image encoder and of the text encoder; those of the text encoder may be an error of its own.
fn towers(json: &Value) -> Result<(Section<'_>, Result<Section<'_>>)> {
    let file = Section::new(json, HUGGINGFACE, "")?;
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
        return Ok((file, Section::new(&Value::Null, HUGGINGFACE, "")));
    }
    // Where both are there, the older key says everything, what it leaves open included.
    let part = |older: [&'static str; 2], newer: [&'static str; 2]| {
        let [key, path] = match json[older[0]].is_null() {
            true => newer,
            false => older,
        };
        file.inner(key, path)
    };
    let vision = part(
        ["vision_config_dict", "vision_config_dict."],
        ["vision_config", "vision_config."],
    )?;
    let text = part(
        ["text_config_dict", "text_config_dict."],
        ["text_config", "text_config."],
    );
    Ok((vision, text))
}

/// Whether these settings of a larger model's part are those of a CLIP's image encoder.
fn is_inner(vision: &Value) -> bool {
    let kind = vision["model_type"].as_str();
    kind.is_some_and(|kind| INNER.contains(&kind))
}

/// The image encoder's activation, where the file says it.
fn activation(vision: Section) -> Result<Option<Activation>> {
    let Some(name) = vision.text("hidden_act")? else {
        return Ok(None);
    };
    match name.parse() {
        Ok(activation) => Ok(Some(activation)),
        Err(_) => bail!(
            Weights,
            "{HUGGINGFACE} asks for the activation {name:?}: percept has quick_gelu and gelu"
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ops::gelu::Gelu;

    fn vision_activation(json: Value) -> Result<Activation> {
        let config = huggingface(&json)?;
        let told = config.activation.or(config.usual_activation);
        Ok(told.unwrap().value)
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
            json!({"hidden_size": "64"}),
            json!({"num_attention_heads": 24.5}),
            json!({"num_hidden_layers": true}),
            json!("base"),
        ] {
            let report = huggingface(&json!({ "vision_config": vision })).unwrap_err();
            assert!(report.report().contains(HUGGINGFACE));
        }
        let written = json!({"hidden_size": 64.0, "num_attention_heads": 2.0});
        let config = huggingface(&json!({ "vision_config": written })).unwrap();
        assert_eq!(config.declared.vision_head_width, Some(32));
        let text = huggingface(&json!({"vision_config": {}, "text_config": 7})).unwrap();
        assert!(
            text.declared
                .text
                .refusal
                .unwrap()
                .contains("text_config 7")
        );
    }
}
