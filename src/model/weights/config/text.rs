//! What configurations say of text towers. What percept cannot compute is no error here: it is the reason why
//! the model embeds no texts.

use serde_json::Value;

use super::size;
use crate::encoder::architecture::{DeclaredText, Pooling};
use crate::model::spec::Activation;

/// Reads the `text_cfg` of an `open_clip_config.json`, with the defaults of open_clip's `CLIPTextCfg`.
pub(super) fn open_clip(text: &Value) -> DeclaredText {
    if !text.is_object() {
        return DeclaredText::default();
    }
    let epsilon = text["norm_kwargs"].get("eps");
    let pooling = match text["pool_type"].as_str().unwrap_or("argmax") {
        "argmax" => Ok(Pooling::Largest),
        "eos" => Ok(Pooling::Number(text["eos_id"].as_i64().unwrap_or(2))),
        "first" => Ok(Pooling::First),
        "last" => Ok(Pooling::Last),
        other => Err(asks("pool_type", &other.into())),
    };
    let unknown = open_clip_refusal(text);
    DeclaredText {
        heads: size(&text["heads"]).or(Some(8)),
        depth: size(&text["layers"]).or(Some(12)),
        gelu: None,
        epsilon: epsilon.and_then(Value::as_f64),
        sees_all: text["no_causal_mask"].as_bool() == Some(true),
        projected: Some(text["proj_type"] != "none"),
        tokenizer: open_clip_tokenizer(text),
        refusal: unknown.or(pooling.as_ref().err().cloned()),
        pooling: pooling.ok(),
    }
}

/// The first setting that makes another tower of it.
fn open_clip_refusal(text: &Value) -> Option<String> {
    if let Some(name) = named(&text["hf_model_name"]) {
        return Some(format!(
            "its text encoder is transformers' {name}, and percept computes CLIP's own"
        ));
    }
    let usual = |key: &str, value: &Value| match key {
        "embed_cls" | "qk_norm" | "scaled_cosine_attn" | "scale_heads" | "scale_attn_inner"
        | "scale_attn" | "scale_fc" => value == false,
        "block_type" => value == "default",
        "proj_type" => value == "linear" || value == "none",
        "ls_init_value" => false,
        "act_kwargs" => value.as_object().is_some_and(serde_json::Map::is_empty),
        "norm_kwargs" => value.as_object().is_some_and(|settings| {
            settings
                .iter()
                .all(|(name, value)| name == "eps" && value.is_f64())
        }),
        _ => true,
    };
    let settings = text.as_object()?;
    let mut unusual = settings
        .iter()
        .filter(|(key, value)| !value.is_null() && !usual(key, value));
    unusual.next().map(|(key, value)| asks(key, value))
}

/// A name, which open_clip also leaves empty where there is none.
fn named(value: &Value) -> Option<&str> {
    value.as_str().filter(|name| !name.is_empty())
}

/// The tokenizer that is asked for, where it is not open_clip's own with its usual cleaning.
fn open_clip_tokenizer(text: &Value) -> Option<String> {
    if let Some(name) = named(&text["hf_tokenizer_name"]) {
        return Some(name.to_owned());
    }
    // What is done with long texts is no matter: percept refuses them.
    let usual = |(key, value): (&String, &Value)| match key.as_str() {
        "clean" => value == "lower",
        "context_length" | "reduction_mask" => true,
        _ => value.is_null(),
    };
    let settings = text["tokenizer_kwargs"].as_object()?;
    (!settings.iter().all(usual)).then(|| format!("open_clip's with {}", text["tokenizer_kwargs"]))
}

/// Reads the `text_config` of a `config.json`, with the defaults of transformers' `CLIPTextConfig`.
pub(super) fn huggingface(text: &Value) -> DeclaredText {
    if !text.is_object() {
        return DeclaredText::default();
    }
    let mut refusal = None;
    let kind = &text["model_type"];
    if kind.is_string() && kind != "clip_text_model" {
        refusal = Some(format!(
            "its text encoder is a {kind}, and percept computes CLIP's own"
        ));
    }
    let activation = match &text["hidden_act"] {
        Value::Null => Ok(Activation::QuickGelu),
        Value::String(name) => name
            .parse()
            .map_err(|_| asks("hidden_act", &text["hidden_act"])),
        other => Err(asks("hidden_act", other)),
    };
    let pooling = match text.get("eos_token_id") {
        // Configurations of that time have a wrong number, and transformers looks for the largest.
        Some(id) if id == 2 => Ok(Pooling::Largest),
        None => Ok(Pooling::Number(49407)),
        Some(id) => id
            .as_i64()
            .map(Pooling::Number)
            .ok_or_else(|| asks("eos_token_id", id)),
    };
    let epsilon = match &text["layer_norm_eps"] {
        Value::Null => Ok(None),
        given => given
            .as_f64()
            .map(Some)
            .ok_or_else(|| asks("layer_norm_eps", given)),
    };
    let refusals = [
        refusal,
        activation.as_ref().err().cloned(),
        pooling.as_ref().err().cloned(),
        epsilon.as_ref().err().cloned(),
    ];
    DeclaredText {
        heads: size(&text["num_attention_heads"]).or(Some(8)),
        depth: size(&text["num_hidden_layers"]).or(Some(12)),
        gelu: activation.ok().map(Activation::gelu),
        epsilon: epsilon.ok().flatten(),
        pooling: pooling.ok(),
        sees_all: false,
        projected: Some(true),
        tokenizer: None,
        refusal: refusals.into_iter().flatten().next(),
    }
}

fn asks(key: &str, value: &Value) -> String {
    format!("the configuration of its text encoder asks for {key} {value}, which percept has not")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ops::gelu::Gelu;

    #[test]
    fn defaults_are_those_of_the_programs_that_wrote_it() {
        let usual = open_clip(&json!({"width": 64}));
        assert_eq!((usual.heads, usual.depth), (Some(8), Some(12)));
        assert_eq!(usual.pooling, Some(Pooling::Largest));
        assert_eq!((usual.refusal, usual.tokenizer), (None, None));
        let usual = huggingface(&json!({"hidden_size": 64}));
        assert_eq!(usual.pooling, Some(Pooling::Number(49407)));
        assert_eq!(usual.gelu, Some(Gelu::Quick));
        assert_eq!(usual.refusal, None);
        assert_eq!(open_clip(&json!(null)), DeclaredText::default());
        assert_eq!(huggingface(&json!(null)), DeclaredText::default());
    }

    #[test]
    fn settings_of_another_tower_are_reasons() {
        for (text, says) in [
            (json!({"hf_model_name": "roberta-base"}), "roberta-base"),
            (json!({"embed_cls": true}), "embed_cls true"),
            (json!({"ls_init_value": 0.1}), "ls_init_value 0.1"),
            (
                json!({"act_kwargs": {"approximate": "tanh"}}),
                "approximate",
            ),
            (json!({"norm_kwargs": {"eps": 1e-6, "bias": false}}), "bias"),
            (json!({"pool_type": "none"}), "pool_type \"none\""),
            (json!({"qk_norm": true}), "qk_norm true"),
            (json!({"proj_type": "mlp"}), "proj_type"),
        ] {
            let refusal = open_clip(&text).refusal.expect("a reason");
            assert!(refusal.contains(says), "{refusal}");
        }
        for (text, says) in [
            (json!({"model_type": "bert"}), "bert"),
            (json!({"hidden_act": "gelu_new"}), "gelu_new"),
            (json!({"hidden_act": 3}), "hidden_act 3"),
            (json!({"eos_token_id": [1, 2]}), "eos_token_id [1,2]"),
            (json!({"eos_token_id": null}), "eos_token_id null"),
            (json!({"layer_norm_eps": "small"}), "layer_norm_eps"),
        ] {
            let refusal = huggingface(&text).refusal.expect("a reason");
            assert!(refusal.contains(says), "{refusal}");
        }
    }

    #[test]
    fn settings_that_change_nothing_are_none() {
        let text = json!({
            "act_kwargs": {}, "norm_kwargs": null, "ls_init_value": null, "qk_norm": false,
            "hf_model_name": "", "hf_tokenizer_name": "", "block_type": "default", "proj_type": "none", "pad_id": 0, "output_tokens": true,
            "tokenizer_kwargs": {"clean": "lower", "reduction_mask": "simple"},
        });
        let read = open_clip(&text);
        assert_eq!((read.refusal, read.tokenizer), (None, None));
        assert_eq!(read.projected, Some(false));
    }

    #[test]
    fn other_tokenizers_are_named() {
        for (text, says) in [
            (
                json!({"hf_tokenizer_name": "bert-base-uncased"}),
                "bert-base-uncased",
            ),
            (
                json!({"tokenizer_kwargs": {"clean": "canonicalize"}}),
                "canonicalize",
            ),
            (
                json!({"tokenizer_kwargs": {"bpe_path": "other.gz"}}),
                "other.gz",
            ),
        ] {
            let tokenizer = open_clip(&text).tokenizer.expect("a name");
            assert!(tokenizer.contains(says), "{tokenizer}");
        }
    }
}
