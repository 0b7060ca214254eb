//! From the tensor names of Hugging Face's transformers to OpenAI's.
//!
//! Three things differ besides names: query, key and value projections are stored apart, and the
//! two projections into the joint space are stored transposed.

use std::collections::BTreeMap;

use candle_core::Tensor;

use crate::Result;
use crate::error::{Context, bail};

/// Names outside the transformers' blocks, without `.weight` and `.bias` where the same parameter
/// has both.
const TOP: [(&str, &str); 10] = [
    (
        "text_model.embeddings.token_embedding.weight",
        "token_embedding.weight",
    ),
    (
        "text_model.embeddings.position_embedding.weight",
        "positional_embedding",
    ),
    (
        "text_model.embeddings.position_embedding_res.weight",
        "positional_embedding_res",
    ),
    (
        "text_model.embeddings.position_embedding_res",
        "positional_embedding_res",
    ),
    ("text_model.final_layer_norm.", "ln_final."),
    (
        "vision_model.embeddings.class_embedding",
        "visual.class_embedding",
    ),
    ("vision_model.embeddings.patch_embedding.", "visual.conv1."),
    (
        "vision_model.embeddings.position_embedding.weight",
        "visual.positional_embedding",
    ),
    ("vision_model.pre_layrnorm.", "visual.ln_pre."),
    ("vision_model.post_layernorm.", "visual.ln_post."),
];

const TRANSPOSED: [(&str, &str); 2] = [
    ("visual_projection.weight", "visual.proj"),
    ("text_projection.weight", "text_projection"),
];

const TOWERS: [(&str, &str); 2] = [
    ("text_model.encoder.layers.", "transformer.resblocks."),
    (
        "vision_model.encoder.layers.",
        "visual.transformer.resblocks.",
    ),
];

const IN_BLOCK: [(&str, &str); 5] = [
    ("layer_norm1.", "ln_1."),
    ("layer_norm2.", "ln_2."),
    ("mlp.fc1.", "mlp.c_fc."),
    ("mlp.fc2.", "mlp.c_proj."),
    ("self_attn.out_proj.", "attn.out_proj."),
];

/// The parts of a block's input projection, in the order in which OpenAI stacks them.
const STACKED: [&str; 3] = [
    "self_attn.q_proj.",
    "self_attn.k_proj.",
    "self_attn.v_proj.",
];

/// Renames every tensor; a name that transformers does not use stays as it is.
pub(super) fn to_openai(tensors: BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>> {
    let mut renamed = BTreeMap::new();
    let mut stacks: BTreeMap<String, [Option<Tensor>; 3]> = BTreeMap::new();
    for (name, tensor) in tensors {
        let (openai, tensor) = match place(&name) {
            Place::Part(stack, part) => {
                stacks.entry(stack).or_default()[part] = Some(tensor);
                continue;
            }
            Place::Transposed(openai) => (openai, transpose(&name, &tensor)?),
            Place::Same(openai) => (openai, tensor),
        };
        insert(&mut renamed, openai, tensor)?;
    }
    for (name, parts) in stacks {
        let stacked = stack(&name, parts)?;
        insert(&mut renamed, name, stacked)?;
    }
    Ok(renamed)
}

enum Place {
    Same(String),
    Transposed(String),
    /// One of the three parts of a stacked projection.
    Part(String, usize),
}

fn place(name: &str) -> Place {
    if let Some((_, openai)) = TRANSPOSED.iter().find(|(own, _)| *own == name) {
        return Place::Transposed((*openai).to_owned());
    }
    for (tower, openai) in TOWERS {
        let Some((block, rest)) = name
            .strip_prefix(tower)
            .and_then(|rest| rest.split_once('.'))
        else {
            continue;
        };
        for (part, own) in STACKED.iter().enumerate() {
            if let Some(kind) = rest.strip_prefix(own) {
                return Place::Part(format!("{openai}{block}.attn.in_proj_{kind}"), part);
            }
        }
        if let Some(rest) = replace_prefix(&IN_BLOCK, rest) {
            return Place::Same(format!("{openai}{block}.{rest}"));
        }
    }
    Place::Same(replace_prefix(&TOP, name).unwrap_or_else(|| name.to_owned()))
}

fn replace_prefix(table: &[(&str, &str)], name: &str) -> Option<String> {
    table
        .iter()
        .find_map(|(own, openai)| Some(format!("{openai}{}", name.strip_prefix(own)?)))
}

fn insert(tensors: &mut BTreeMap<String, Tensor>, name: String, tensor: Tensor) -> Result<()> {
    if tensors.contains_key(&name) {
        bail!(
            Weights,
            "it holds {name} twice, under OpenAI's name and under that of transformers"
        );
    }
    tensors.insert(name, tensor);
    Ok(())
}

fn transpose(name: &str, tensor: &Tensor) -> Result<Tensor> {
    if tensor.rank() != 2 {
        bail!(
            Weights,
            "{name} has shape {:?}: a matrix was expected",
            tensor.dims()
        );
    }
    Ok(tensor.t()?.contiguous()?)
}

fn stack(name: &str, parts: [Option<Tensor>; 3]) -> Result<Tensor> {
    let [Some(query), Some(key), Some(value)] = parts else {
        bail!(
            Weights,
            "the query, key or value projection that belongs in {name} is missing"
        );
    };
    let parts = [query, key, value];
    if parts
        .iter()
        .any(|part| part.rank() == 0 || part.dims() != parts[0].dims())
    {
        let shapes = parts.map(|part| part.dims().to_vec());
        bail!(
            Weights,
            "the query, key and value projections of {name} have shapes {shapes:?}"
        );
    }
    Tensor::cat(&parts, 0).context(|| format!("cannot stack {name}"))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use crate::error::Kind;

    use super::*;

    fn matrix(first: f32) -> Tensor {
        Tensor::arange(first, first + 6., &Device::Cpu)
            .unwrap()
            .reshape((2, 3))
            .unwrap()
    }

    fn convert(tensors: &[(&str, f32)]) -> Result<BTreeMap<String, Tensor>> {
        to_openai(
            tensors
                .iter()
                .map(|&(name, first)| (name.to_owned(), matrix(first)))
                .collect(),
        )
    }

    #[test]
    fn names_of_every_kind_are_translated() {
        for (own, openai) in [
            ("logit_scale", "logit_scale"),
            ("vision_model.pre_layrnorm.weight", "visual.ln_pre.weight"),
            (
                "vision_model.embeddings.patch_embedding.weight",
                "visual.conv1.weight",
            ),
            (
                "vision_model.encoder.layers.11.mlp.fc1.bias",
                "visual.transformer.resblocks.11.mlp.c_fc.bias",
            ),
            (
                "text_model.encoder.layers.0.layer_norm2.weight",
                "transformer.resblocks.0.ln_2.weight",
            ),
            (
                "text_model.embeddings.position_embedding.weight",
                "positional_embedding",
            ),
            (
                "text_model.embeddings.position_embedding_res",
                "positional_embedding_res",
            ),
            ("text_model.final_layer_norm.bias", "ln_final.bias"),
            ("vision_model.head.probe", "vision_model.head.probe"),
        ] {
            let converted = convert(&[(own, 0.)]).unwrap();
            assert_eq!(converted.keys().collect::<Vec<_>>(), [openai]);
        }
    }

    #[test]
    fn projections_are_transposed_and_stacked() {
        let converted = convert(&[
            ("visual_projection.weight", 0.),
            ("vision_model.encoder.layers.0.self_attn.v_proj.weight", 20.),
            ("vision_model.encoder.layers.0.self_attn.k_proj.weight", 10.),
            ("vision_model.encoder.layers.0.self_attn.q_proj.weight", 0.),
        ])
        .unwrap();
        let projection = converted["visual.proj"].to_vec2::<f32>().unwrap();
        assert_eq!(projection, [[0., 3.], [1., 4.], [2., 5.]]);
        let stacked = &converted["visual.transformer.resblocks.0.attn.in_proj_weight"];
        let first: Vec<f32> = stacked
            .to_vec2()
            .unwrap()
            .iter()
            .map(|row| row[0])
            .collect();
        assert_eq!(first, [0., 3., 10., 13., 20., 23.]);
    }

    #[test]
    fn parts_that_do_not_fit_are_errors() {
        let block = "vision_model.encoder.layers.0.self_attn";
        let error = convert(&[(&format!("{block}.q_proj.weight"), 0.)]).unwrap_err();
        assert!(
            error.report().contains("in_proj_weight is missing"),
            "{}",
            error.report()
        );
        let error = convert(&[("visual_projection.weight", 0.), ("visual.proj", 0.)]).unwrap_err();
        assert!(
            error.report().contains("visual.proj twice"),
            "{}",
            error.report()
        );
        let scalar = Tensor::new(1f32, &Device::Cpu).unwrap();
        for name in [
            "text_projection.weight".to_owned(),
            format!("{block}.k_proj.bias"),
        ] {
            let error = to_openai(BTreeMap::from([(name, scalar.clone())])).unwrap_err();
            assert_eq!(error.kind(), Kind::Weights);
        }
    }
}
