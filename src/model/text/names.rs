//! Which tensors belong to a text encoder, and to whose.

use crate::encoder::weights::Weights;
use crate::model::weights::family::whose_text;

/// First parts of the names of what is not the image encoder's: OpenAI's, and others' whole towers.
const TEXT: [&str; 9] = [
    "token_embedding",
    "positional_embedding",
    "transformer",
    "ln_final",
    "text_projection",
    "cls_emb",
    "text",
    "text_model",
    "text_encoder",
];

/// Whether a tensor of this name belongs to a text encoder.
pub fn is_text(name: &str) -> bool {
    let first = name.split('.').next().unwrap_or(name);
    TEXT.contains(&first)
}

/// Why the text encoder is not CLIP's own, by the names of its tensors.
pub fn foreign(weights: &Weights) -> Option<String> {
    let own =
        |name: &str| name == "token_embedding.weight" || name.starts_with("transformer.resblocks.");
    let names: Vec<&str> = weights.names().filter(|name| is_text(name)).collect();
    if names.iter().any(|name| own(name)) {
        return None;
    }
    Some(whose_text(&names).unwrap_or_else(|| "it holds no text encoder".to_owned()))
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::*;

    #[test]
    fn families_are_told_by_their_names() {
        for (name, says) in [
            (
                "text.roberta.encoder.layer.0.output.dense.weight",
                "RoBERTa's (it has",
            ),
            ("text.bert.pooler.dense.weight", "BERT's (it has"),
            (
                "text.transformer.embeddings.word_embeddings.weight",
                "BERT's or RoBERTa's",
            ),
            (
                "transformer.encoder.layer.0.output.dense.weight",
                "BERT's or RoBERTa's",
            ),
            (
                "text.encoder.block.0.relative_attention_bias.weight",
                "T5's",
            ),
            (
                "text.tower.weight",
                "another family's (it has the tensor text.tower.weight)",
            ),
            ("logit_scale", "holds no text encoder"),
        ] {
            let number = Tensor::zeros((), DType::F32, &Device::Cpu).unwrap();
            let weights = Weights::new([(name.to_owned(), number)].into(), "weights");
            let reason = foreign(&weights).unwrap();
            assert!(reason.contains(says), "{reason}");
        }
    }
}
