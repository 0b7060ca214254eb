//! What configurations say of text towers. What percept cannot compute is no error here: it is the reason why
//! the model embeds no texts.

use serde_json::Value;

use super::{Section, epsilon, is_off};
use crate::encoder::architecture::{DeclaredText, Pooling};
use crate::error::{Kind, bail};
use crate::model::spec::Activation;
use crate::{Error, Result};

/// Reads the `text_cfg` of an `open_clip_config.json`, with the defaults of open_clip's `CLIPTextCfg`.
pub(super) fn open_clip(text: Result<Section>) -> DeclaredText {
    or_refused(text.and_then(of_open_clip))
}

/// Reads the `text_config` of a `config.json`, with the defaults of transformers' `CLIPTextConfig`.
pub(super) fn huggingface(text: Result<Section>) -> DeclaredText {
    or_refused(text.and_then(of_huggingface))
}

/// What was read, or why texts are refused.
fn or_refused(read: Result<DeclaredText>) -> DeclaredText {
    read.unwrap_or_else(|error| DeclaredText {
        refusal: Some(error.report()),
        ..DeclaredText::default()
    })
}

fn of_open_clip(text: Section) -> Result<DeclaredText> {
    if text.is_absent() {
        return Ok(DeclaredText::default());
    }
    check_open_clip(text)?;
    let norm = text.inner("norm_kwargs", "norm_kwargs.")?;
    Ok(DeclaredText {
        heads: text.whole("heads")?.or(Some(8)),
        depth: text.whole("layers")?.or(Some(12)),
        gelu: None,
        epsilon: epsilon(norm.get("eps"), text.file, &norm.name("eps"))?,
        sees_all: text.is_on("no_causal_mask")? == Some(true),
        projected: Some(text.text("proj_type")? != Some("none")),
        tokenizer: open_clip_tokenizer(text)?,
        refusal: None,
        pooling: Some(open_clip_pooling(text)?),
    })
}

fn open_clip_pooling(text: Section) -> Result<Pooling> {
    match (
        text.text("pool_type")?.unwrap_or("argmax"),
        text.whole("eos_id")?,
    ) {
        ("argmax", _) => Ok(Pooling::Largest),
        ("eos", Some(number)) => Ok(Pooling::Number(number as i64)),
        // There is no usual number: open_clip refuses it as well.
        ("eos", None) => bail!(
            Weights,
            "the configuration of its text encoder asks for pool_type \"eos\" and has no eos_id: add the number of the \
             token that ends a text"
        ),
        ("first", _) => Ok(Pooling::First),
        ("last", _) => Ok(Pooling::Last),
        (other, _) => Err(unsupported("pool_type", &other.into())),
    }
}

/// Refuses a setting that makes another tower of it.
fn check_open_clip(text: Section) -> Result<()> {
    if let Some(name) = named(text, "hf_model_name")? {
        bail!(
            Weights,
            "its text encoder is transformers' {name}, and percept computes CLIP's own"
        );
    }
    let usual = |key: &str, value: &Value| match key {
        "embed_cls" | "qk_norm" | "scaled_cosine_attn" | "scale_heads" | "scale_attn_inner"
        | "scale_attn" | "scale_fc" => is_off(value),
        "text_arch" => value == "clip",
        "block_type" => value == "default",
        "proj_type" => value == "linear" || value == "none",
        "ls_init_value" => false,
        "act_kwargs" => value.as_object().is_some_and(serde_json::Map::is_empty),
        "norm_kwargs" => value
            .as_object()
            .is_some_and(|settings| settings.keys().all(|name| name == "eps")),
        _ => true,
    };
    match text.entries().find(|(key, value)| !usual(key, value)) {
        Some((key, value)) => Err(unsupported(key, value)),
        None => Ok(()),
    }
}

/// A name, which open_clip also leaves empty where there is none.
fn named<'j>(text: Section<'j>, key: &str) -> Result<Option<&'j str>> {
    Ok(text.text(key)?.filter(|name| !name.is_empty()))
}

/// The tokenizer that is asked for, where it is not open_clip's own with its usual cleaning.
fn open_clip_tokenizer(text: Section) -> Result<Option<String>> {
    if let Some(name) = named(text, "hf_tokenizer_name")? {
        return Ok(Some(name.to_owned()));
    }
    // What is done with long texts is no matter: percept refuses them.
    let usual = |(key, value): (&str, &Value)| match key {
        "clean" => value == "lower",
        "context_length" | "reduction_mask" => true,
        _ => false,
    };
    let mut settings = text
        .inner("tokenizer_kwargs", "tokenizer_kwargs.")?
        .entries();
    let is_usual = settings.all(usual);
    Ok((!is_usual).then(|| format!("open_clip's with {}", text.get("tokenizer_kwargs"))))
}

fn of_huggingface(text: Section) -> Result<DeclaredText> {
    if text.is_absent() {
        return Ok(DeclaredText::default());
    }
    if let Some(kind) = text
        .text("model_type")?
        .filter(|&kind| kind != "clip_text_model")
    {
        bail!(
            Weights,
            "its text encoder is a {kind}, and percept computes CLIP's own"
        );
    }
    let activation = match text.text("hidden_act")?.map(str::parse) {
        None => Activation::QuickGelu,
        Some(Ok(activation)) => activation,
        Some(Err(_)) => return Err(unsupported("hidden_act", text.get("hidden_act"))),
    };
    let own = epsilon(
        text.get("layer_norm_eps"),
        text.file,
        &text.name("layer_norm_eps"),
    )?;
    Ok(DeclaredText {
        heads: text.whole("num_attention_heads")?.or(Some(8)),
        depth: text.whole("num_hidden_layers")?.or(Some(12)),
        gelu: Some(activation.gelu()),
        epsilon: own,
        pooling: Some(huggingface_pooling(text)?),
        sees_all: false,
        projected: Some(true),
        tokenizer: None,
        refusal: None,
    })
}

fn huggingface_pooling(text: Section) -> Result<Pooling> {
    const KEY: &str = "eos_token_id";
    match text.whole(KEY)? {
        // Configurations of that time have a wrong number, and transformers looks for the largest.
        Some(2) => Ok(Pooling::Largest),
        Some(number) => Ok(Pooling::Number(number as i64)),
        // To transformers null is a number that no token has.
        None if text.has(KEY) => Err(unsupported(KEY, &Value::Null)),
        None => Ok(Pooling::Number(49407)),
    }
}

fn unsupported(key: &str, value: &Value) -> Error {
    let message = format!(
        "the configuration of its text encoder asks for {key} {value}, which percept does not support"
    );
    Error::new(Kind::Weights, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{HUGGINGFACE, OPEN_CLIP};
    use super::*;
    use crate::ops::gelu::Gelu;

    fn open_clip(text: &Value) -> DeclaredText {
        super::open_clip(Section::new(text, OPEN_CLIP, "text_cfg."))
    }

    fn huggingface(text: &Value) -> DeclaredText {
        super::huggingface(Section::new(text, HUGGINGFACE, "text_config."))
    }

    #[test]
    fn defaults_are_those_of_the_programs_that_wrote_it() {
        let usual = open_clip(&json!({"width": 64}));
        assert_eq!((usual.heads, usual.depth), (Some(8), Some(12)));
        assert_eq!(usual.pooling, Some(Pooling::Largest));
        assert_eq!((usual.refusal, usual.tokenizer), (None, None));
        let written = open_clip(&json!({"heads": 4.0, "no_causal_mask": 1, "qk_norm": 0}));
        assert_eq!((written.heads, written.sees_all), (Some(4), true));
        let ended = open_clip(&json!({"pool_type": "eos", "eos_id": 7}));
        assert_eq!(ended.pooling, Some(Pooling::Number(7)));
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
            (json!({"text_arch": "modern"}), "text_arch \"modern\""),
            (json!({"pool_type": "eos"}), "has no eos_id"),
            (
                json!({"pool_type": "eos", "eos_id": "end"}),
                "text_cfg.eos_id",
            ),
            (json!({"pool_type": 3}), "text_cfg.pool_type 3"),
            (json!({"heads": "8"}), "text_cfg.heads \"8\""),
            (json!({"no_causal_mask": "yes"}), "text_cfg.no_causal_mask"),
            (json!({"hf_model_name": 3}), "text_cfg.hf_model_name 3"),
            (json!({"tokenizer_kwargs": "lower"}), "tokenizer_kwargs"),
            (json!({"norm_kwargs": {"eps": 7}}), "norm_kwargs.eps 7"),
            (json!("usual"), "text_cfg \"usual\""),
        ] {
            let refusal = open_clip(&text).refusal.expect("a reason");
            assert!(refusal.contains(says), "{refusal}");
        }
        for (text, says) in [
            (json!({"model_type": "bert"}), "bert"),
            (json!({"hidden_act": "gelu_new"}), "gelu_new"),
            (json!({"hidden_act": 3}), "hidden_act 3"),
            (json!({"eos_token_id": [1, 2]}), "eos_token_id [1,2]"),
            (json!({"num_attention_heads": "8"}), "num_attention_heads"),
            (json!({"model_type": 3}), "model_type 3"),
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
