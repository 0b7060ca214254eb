//! Relatives of CLIP that percept does not compute, by the names of their tensors.

use super::names::Name;
use super::towers::{Tower, shared};

/// What a refusal ends with.
pub(super) const SUPPORTED: &str = "percept computes CLIP's own image encoders, ModifiedResNets and vision \
     transformers, as OpenAI, open_clip and transformers (CLIPModel, CLIPVisionModel) save them";

/// Entries of SigLIP 2's vocabulary, which is Gemma's; SigLIP's have 32,000 and 250,000.
const SIGLIP2_VOCABULARY: usize = 256_000;

/// Names, and the shapes of token tables, by which families are told.
pub(super) struct Marks<'a> {
    names: Vec<String>,
    /// Rows of each table of tokens.
    vocabularies: &'a [usize],
}

impl<'a> Marks<'a> {
    pub fn new<'n>(names: impl Iterator<Item = &'n Name<'n>>, vocabularies: &'a [usize]) -> Self {
        Self {
            names: names.map(Name::plain).collect(),
            vocabularies,
        }
    }

    /// The first name that contains one of these, if there is one.
    fn any(&self, marks: &[&str]) -> Option<&str> {
        let is_marked = |name: &&String| marks.iter().any(|mark| name.contains(mark));
        self.names.iter().find(is_marked).map(String::as_str)
    }

    /// The family whose image encoder this is, and the name that tells.
    pub fn family(&self) -> Option<(&'static str, &str)> {
        let by = |family, marks: &[&str]| Some((family, self.any(marks)?));
        let siglip = match self.vocabularies.contains(&SIGLIP2_VOCABULARY) {
            true => "a SigLIP 2",
            false => "a SigLIP",
        };
        let has_class_token = self.any(&["cls_token"]).is_some();
        by(
            "a MobileCLIP",
            &[
                "token_mixer.",
                "conv_kxk.",
                "patch_embed.backbone.0.conv.",
                "text_encoder.embedding_layer.",
            ],
        )
        .or_else(|| by("a ConvNeXt-CLIP", &[".conv_dw.", ".dwconv."]))
        .or_else(|| by("a Perception Encoder (PE)", &["attn_pool.probe"]))
        .or_else(|| by(siglip, &["head.probe"]))
        .or_else(|| {
            let family = if has_class_token {
                "a Perception Encoder (PE)"
            } else {
                siglip
            };
            by(family, &["trunk.attn_pool."])
        })
        .or_else(|| {
            by("an EVA-CLIP", &["attn.q_bias"]).or_else(|| {
                let split = by("an EVA-CLIP", &["blocks.0.attn.q_proj."]);
                split.filter(|_| has_class_token)
            })
        })
        .or_else(|| by("a ViTamin", &["patch_embed.backbone.stem."]))
        .or_else(|| {
            by(
                "one of timm's image encoders",
                &["visual.trunk.", "patch_embed.proj."],
            )
        })
    }
}

/// First parts of the names of text encoders, where they leave those of the image encoder beside them.
const TEXT: [&str; 6] = [
    "text",
    "text_model",
    "text_encoder",
    "transformer",
    "bert",
    "roberta",
];

/// Parts of names that tell whose a text encoder is, the surest first.
const TEXT_FAMILIES: [(&str, &str); 5] = [
    ("roberta", "RoBERTa's"),
    ("bert.", "BERT's"),
    ("word_embeddings", "BERT's or RoBERTa's"),
    ("relative_attention_bias", "T5's"),
    ("encoder.layer.", "BERT's or RoBERTa's"),
];

/// Whose the text encoder beside an image encoder is, where it is not CLIP's own.
pub(super) fn foreign_text(names: &[Name], image: &Tower) -> Option<String> {
    let is_text = |name: &&Name| {
        let first = name.raw.split('.').nth(shared(name.raw, &image.prefix));
        image.own(name).is_none() && first.is_some_and(|first| TEXT.contains(&first))
    };
    let names: Vec<&str> = names.iter().filter(is_text).map(|name| name.raw).collect();
    whose_text(&names)
}

/// Whose a text encoder with tensors of these names is, which is not CLIP's own; none without names.
pub(in crate::model) fn whose_text(names: &[&str]) -> Option<String> {
    let by_family = |&(part, family): &(&str, &'static str)| {
        let name = names.iter().find(|name| name.contains(part))?;
        Some((*name, family))
    };
    let known = TEXT_FAMILIES.iter().find_map(by_family);
    let (name, whose) = known.or_else(|| Some((*names.first()?, "another family's")))?;
    Some(format!(
        "its text encoder is {whose} (it has the tensor {name}), and percept computes CLIP's own"
    ))
}
