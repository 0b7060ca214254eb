//! Where among a file's names towers lie: found by what CLIP's towers call their parameters, whatever stands
//! before.

use std::collections::BTreeMap;

use super::names::Name;
use crate::Result;
use crate::error::bail;

/// Places in one file that are looked at; a file that holds more towers than this was made to be slow.
const MAX_TOWERS: usize = 64;

/// How a tower calls its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Naming {
    /// Names that this tower has and its counterpart has not, or not all of; two of them make a tower.
    marks: &'static [&'static str],
    /// How names begin that an image tower cannot be without, those of its blocks, and a text tower's tokens.
    trunk: &'static str,
    /// Whether all that lies under its prefix is its own; that of a text tower is often the whole model's.
    owns_prefix: bool,
    /// What the first part of its own names can be.
    parts: &'static [&'static str],
    /// How the names of the layer normalisation before its blocks begin, where it has one.
    pub norm: Option<&'static str>,
    /// What stands before its names where it is the only model of a file.
    pub home: &'static str,
}

/// OpenAI's ModifiedResNet.
const RESNET: Naming = Naming {
    marks: &[
        "attnpool.positional_embedding",
        "attnpool.c_proj.weight",
        "conv2.weight",
        "conv3.weight",
    ],
    trunk: "layer1.",
    parts: &[
        "conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "layer1", "layer2", "layer3", "layer4",
        "attnpool",
    ],
    owns_prefix: true,
    norm: None,
    home: "visual.",
};

/// OpenAI's vision transformer; the two poolings by attention are CoCa's.
const VIT: Naming = Naming {
    marks: &[
        "class_embedding",
        "conv1.weight",
        "ln_pre.weight",
        "ln_post.weight",
    ],
    trunk: "transformer.resblocks.",
    parts: &[
        "class_embedding",
        "positional_embedding",
        "conv1",
        "ln_pre",
        "transformer",
        "ln_post",
        "proj",
        "attn_pool",
        "attn_pool_contrastive",
    ],
    owns_prefix: true,
    norm: Some("ln_pre."),
    home: "visual.",
};

/// The vision transformer of transformers.
pub(super) const TRANSFORMERS_VIT: Naming = Naming {
    marks: &[
        "embeddings.class_embedding",
        "embeddings.patch_embedding.weight",
        "pre_layrnorm.weight",
        "post_layernorm.weight",
    ],
    trunk: "encoder.layers.",
    parts: &["embeddings", "pre_layrnorm", "encoder", "post_layernorm"],
    owns_prefix: true,
    norm: Some("pre_layrnorm."),
    home: "vision_model.",
};

/// Towers that see.
pub(super) const IMAGE: [&Naming; 3] = [&RESNET, &VIT, &TRANSFORMERS_VIT];

/// OpenAI's text transformer.
const TEXT_OPENAI: Naming = Naming {
    marks: &[
        "token_embedding.weight",
        "positional_embedding",
        "ln_final.weight",
        "text_projection",
    ],
    trunk: "token_embedding.",
    owns_prefix: false,
    parts: &[
        "token_embedding",
        "positional_embedding",
        "positional_embedding_res",
        "transformer",
        "ln_final",
        "text_projection",
        "cls_emb",
    ],
    norm: None,
    home: "",
};

/// The text transformer of transformers.
pub(super) const TEXT_TRANSFORMERS: Naming = Naming {
    marks: &[
        "embeddings.token_embedding.weight",
        "embeddings.position_embedding.weight",
        "final_layer_norm.weight",
    ],
    trunk: "embeddings.token_embedding.",
    owns_prefix: false,
    parts: &["embeddings", "encoder", "final_layer_norm"],
    norm: None,
    home: "text_model.",
};

/// Towers that read.
pub(super) const TEXT: [&Naming; 2] = [&TEXT_OPENAI, &TEXT_TRANSFORMERS];

/// Heads that people put on an image encoder; they change nothing before them.
const HEADS: [&str; 4] = ["head", "fc", "classifier", "classification_head"];

/// A tower that was found.
#[derive(Debug, Clone)]
pub(super) struct Tower {
    /// What stands before each of its names, with the dot.
    pub prefix: String,
    pub naming: &'static Naming,
}

impl Tower {
    /// The name of one of its tensors within it; `None` for what lies elsewhere, or is a head. What lies within and
    /// is no part of such a tower keeps its name, so that it is missed by nobody.
    pub fn own(&self, name: &Name) -> Option<String> {
        let own = name.after(&self.prefix)?;
        let first = own.split('.').next().unwrap_or_default();
        let is_part = self.naming.parts.contains(&first);
        let is_inside =
            self.naming.owns_prefix && !self.prefix.is_empty() && !HEADS.contains(&first);
        (is_part || is_inside).then_some(own)
    }

    /// Whether a name is one that its trunk begins.
    pub fn is_trunk(&self, name: &Name) -> bool {
        let own = name.after(&self.prefix);
        own.is_some_and(|own| own.starts_with(self.naming.trunk))
    }

    /// The prefix as `--prefix` takes it.
    pub fn spelled(&self) -> &str {
        match self.prefix.trim_end_matches('.') {
            "" => "''",
            prefix => prefix,
        }
    }
}

/// The towers of these namings, by prefix.
///
/// # Errors
/// When there are absurdly many.
pub(super) fn find(names: &[Name], namings: &'static [&'static Naming]) -> Result<Vec<Tower>> {
    let mut marked: BTreeMap<(&str, usize), u32> = BTreeMap::new();
    for name in names {
        for (index, naming) in namings.iter().enumerate() {
            for (bit, mark) in naming.marks.iter().enumerate() {
                if let Some(prefix) = name.before(mark) {
                    *marked.entry((prefix, index)).or_default() |= 1 << bit;
                }
            }
        }
    }
    marked.retain(|_, marks| marks.count_ones() >= 2);
    if marked.len() > MAX_TOWERS {
        bail!(Weights, "it holds more than {MAX_TOWERS} models");
    }
    let towers = marked.into_keys().map(|(prefix, index)| Tower {
        prefix: prefix.to_owned(),
        naming: namings[index],
    });
    let stands =
        |tower: &Tower| !tower.naming.owns_prefix || names.iter().any(|name| tower.is_trunk(name));
    Ok(towers.filter(stands).collect())
}

/// How many parts two prefixes share at their beginning.
pub(super) fn shared(a: &str, b: &str) -> usize {
    let parts = a.split_terminator('.').zip(b.split_terminator('.'));
    parts.take_while(|(a, b)| a == b).count()
}
