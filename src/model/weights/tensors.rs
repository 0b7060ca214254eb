//! From the tensors that lie in files to those of one CLIP, under the names of OpenAI's state dicts.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::choice::{Choice, Facts, Member, Part};
use super::names::{Name, Role};
use super::parametrisation::{fold, join_positions};
use super::remark::remark;
use super::stored::{Opened, Stored};
use super::{Format, huggingface};
use crate::Result;
use crate::backend::cpu::Elements;
use crate::error::bail;

/// The tensors of a CLIP, and how they were found.
pub(super) struct Gathered {
    pub tensors: BTreeMap<String, Tensor>,
    /// The container's, or that of transformers' names.
    pub format: Format,
    /// The container's.
    pub container: Format,
    /// The image tower's prefix, where it is one of several.
    pub prefix: Option<String>,
    /// What was stripped and left out.
    pub remark: Option<String>,
    /// Why there is no text tower, where the files have one.
    pub foreign_text: Option<String>,
}

/// The tensors of the one image tower in these files, or of the one under `prefix`, and of its text tower.
///
/// # Errors
/// When there is no such tower, or one of its tensors cannot be read.
pub(super) fn gather(files: &mut [Opened], prefix: Option<&str>) -> Result<Gathered> {
    let container = files.last().map_or(Format::Safetensors, |file| file.format);
    let plan = plan(files, prefix)?;
    let format = match plan.is_huggingface {
        true => Format::HuggingFace,
        false => container,
    };
    let mut parts: BTreeMap<(String, Role), Tensor> = BTreeMap::new();
    let mut diverged_text = None;
    for (file, wanted) in files.iter_mut().zip(plan.wanted) {
        let places: Vec<usize> = wanted.iter().map(|wanted| wanted.place).collect();
        for (wanted, tensor) in wanted.into_iter().zip(file.decode(&places)?) {
            match (wanted.part, diverged(&wanted.name, &tensor)?) {
                (Part::Image, Some(why)) => bail!(Weights, "{why}"),
                (Part::Text, Some(why)) => diverged_text = diverged_text.or(Some(why)),
                _ => {}
            }
            parts.insert((wanted.name, wanted.role), tensor);
        }
    }
    let mut tensors = fold(parts)?;
    if plan.has_transformers_names {
        tensors = huggingface::to_openai(tensors)?;
    }
    join_positions(&mut tensors)?;
    Ok(Gathered {
        foreign_text: without_embedding(&mut tensors)
            .or(plan.foreign_text)
            .or(diverged_text),
        tensors,
        format,
        container,
        prefix: plan.prefix,
        remark: plan.remark,
    })
}

/// Why a tensor is no weight of any use: it holds a number that is not finite.
fn diverged(name: &str, tensor: &Tensor) -> Result<Option<String>> {
    let values = Elements::<f32>::of(tensor)?;
    let bad = values.iter().find(|value| !value.is_finite());
    Ok(bad.map(|bad| format!("{name} holds {bad}: the file is damaged or the training diverged")))
}

/// A tensor to be read.
struct Wanted {
    /// Its place in its file's list.
    place: usize,
    /// What it, or what it is a part of, is called within the model.
    name: String,
    role: Role,
    part: Part,
}

struct Plan {
    /// For each file.
    wanted: Vec<Vec<Wanted>>,
    is_huggingface: bool,
    has_transformers_names: bool,
    prefix: Option<String>,
    remark: Option<String>,
    foreign_text: Option<String>,
}

fn plan(files: &[Opened], prefix: Option<&str>) -> Result<Plan> {
    let mut found: Vec<(Name, usize, usize)> = Vec::new();
    for (file, opened) in files.iter().enumerate() {
        let names = opened.tensors.iter().enumerate();
        found.extend(names.map(|(place, stored)| (Name::new(&stored.name), file, place)));
    }
    found.sort_by_key(|(name, ..)| name.raw);
    if let Some(pair) = found.windows(2).find(|pair| pair[0].0.raw == pair[1].0.raw) {
        bail!(Weights, "it holds {} twice", pair[0].0.raw);
    }
    let (names, places): (Vec<Name>, Vec<(usize, usize)>) = found
        .into_iter()
        .map(|(name, file, place)| (name, (file, place)))
        .unzip();
    let stored = |index: usize| -> &Stored {
        let (file, place) = places[index];
        &files[file].tensors[place]
    };
    let facts = Facts {
        vocabularies: &vocabularies(files),
        object: files.iter().find_map(|file| file.object.as_deref()),
        is_alias: &|a, b| stored(a).is_alias(stored(b)),
    };
    let choice = Choice::of(&names, prefix, &facts)?;
    let members = choice.members(&names);
    let remark = remark(&choice, &names, &members);
    let mut by_file: Vec<Vec<Wanted>> = files.iter().map(|_| Vec::new()).collect();
    let mut taken = BTreeMap::new();
    for Member { index, name, part } in members {
        let Name { raw, role, .. } = names[index];
        if let Some(other) = taken.insert((name.clone(), role), raw) {
            bail!(Weights, "it holds {name} twice, as {other} and as {raw}");
        }
        let (file, place) = places[index];
        by_file[file].push(Wanted {
            place,
            name,
            role,
            part,
        });
    }
    Ok(Plan {
        wanted: by_file,
        is_huggingface: choice.is_huggingface(),
        has_transformers_names: choice.has_transformers_names(),
        prefix: choice.prefix,
        remark,
        foreign_text: choice.foreign_text,
    })
}

/// Rows of the tables of tokens.
fn vocabularies(files: &[Opened]) -> Vec<usize> {
    let tensors = files.iter().flat_map(|file| &file.tensors);
    let is_table = |stored: &&Stored| {
        let name = stored.name.as_str();
        name.ends_with("token_embedding.weight") || name.ends_with("word_embeddings.weight")
    };
    let rows = |stored: &Stored| stored.layout.shape.first().copied();
    tensors.filter(is_table).filter_map(rows).collect()
}

/// Drops a text tower that has no image embedding to be compared with, and says why.
fn without_embedding(tensors: &mut BTreeMap<String, Tensor>) -> Option<String> {
    let has = |name: &str| tensors.contains_key(name);
    let projects = |name: &&str| has(name);
    let projections = [
        "visual.proj",
        "visual.attnpool.c_proj.weight",
        "text_projection",
        "text_projection.weight",
    ];
    let why = if has("visual.attn_pool.query") {
        "its image encoder pools by attention, as a CoCa's, which percept does not compute"
    } else if !projections.iter().any(projects) {
        "its image encoder has no projection into an embedding"
    } else {
        return None;
    };
    let count = tensors.len();
    tensors.retain(|name, _| name.starts_with("visual."));
    (tensors.len() < count).then(|| why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::stored::Place;
    use super::super::view::{Dtype, Layout};
    use super::*;

    /// Numbers that are nowhere the same.
    static NUMBERS: [u8; 400] = [0; 400];

    /// A file of single numbers under these names.
    fn file(names: &[&str]) -> Opened<'static> {
        let stored = |(name, number): (&&str, &'static [u8; 4])| Stored {
            name: (*name).to_owned(),
            layout: Layout::contiguous(Dtype::F32, &[1]),
            place: Place::Bytes(number),
        };
        let numbers = NUMBERS.as_chunks().0;
        Opened {
            format: Format::Safetensors,
            tensors: names.iter().zip(numbers).map(stored).collect(),
            archive: None,
            object: None,
        }
    }

    const VIT: [&str; 6] = [
        "class_embedding",
        "conv1.weight",
        "ln_pre.weight",
        "ln_post.weight",
        "proj",
        "transformer.resblocks.0.ln_1.weight",
    ];

    fn under(prefix: &str) -> Vec<String> {
        VIT.iter().map(|own| format!("{prefix}{own}")).collect()
    }

    fn gathered(names: &[String], prefix: Option<&str>) -> Result<Gathered> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        gather(&mut [file(&names)], prefix)
    }

    #[test]
    fn a_tower_is_found_under_any_prefix_and_the_rest_is_left_out() {
        for prefix in [
            "",
            "visual.",
            "a.b.visual.",
            "module.visual.module.",
            "_image.x.",
        ] {
            let mut names = under(prefix);
            names.push("lm_head.weight".to_owned());
            let gathered = gathered(&names, None).unwrap();
            let expected: Vec<String> = under("visual.");
            assert!(
                expected
                    .iter()
                    .all(|name| gathered.tensors.contains_key(name)),
                "{prefix}"
            );
            assert_eq!(gathered.tensors.len(), VIT.len(), "{prefix}");
            assert!(gathered.remark.unwrap().contains("lm_head.*"), "{prefix}");
        }
    }

    #[test]
    fn a_number_that_is_not_finite_is_an_error_that_names_its_tensor() {
        static NUMBERS: [[u8; 4]; 3] = [
            f32::NAN.to_le_bytes(),
            f32::INFINITY.to_le_bytes(),
            f32::NEG_INFINITY.to_le_bytes(),
        ];
        let names = under("visual.");
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for number in &NUMBERS {
            let mut damaged = file(&names);
            damaged.tensors[4].place = Place::Bytes(number);
            let error = gather(&mut [damaged], None).err().unwrap().report();
            assert!(error.contains("visual.proj holds "), "{error}");
        }
    }

    #[test]
    fn of_several_towers_a_prefix_chooses() {
        let names = [
            under("model.visual."),
            under("ema.visual."),
            under("ema.old.visual."),
        ]
        .concat();
        let refusal = |prefix| match gathered(&names, prefix) {
            Ok(_) => panic!("{prefix:?} chooses none"),
            Err(error) => error.report(),
        };
        for prefix in ["model.visual.*", "ema.visual.*", "ema.old.visual.*"] {
            assert!(refusal(None).contains(prefix));
        }
        assert!(refusal(None).contains("--prefix ema.old.visual"));
        assert!(refusal(Some("ema")).contains("2 image encoders"));
        assert!(refusal(Some("mod")).contains("no image encoder lies under"));
        for prefix in ["model", "model.visual", "model.visual.", "ema.old"] {
            assert!(gathered(&names, Some(prefix)).is_ok(), "{prefix}");
        }
    }

    #[test]
    fn a_tower_that_is_registered_twice_is_one() {
        let names = [under("model.visual."), under("visual.")].concat();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut twice = file(&names);
        assert!(gather(&mut [file(&names)], None).is_err());
        for index in 0..VIT.len() {
            let Place::Bytes(bytes) = twice.tensors[index].place else {
                panic!("the file has no entries");
            };
            twice.tensors[VIT.len() + index].place = Place::Bytes(bytes);
        }
        assert_eq!(gather(&mut [twice], None).unwrap().prefix, None);
    }

    #[test]
    fn settings_counters_and_masks_are_no_weights() {
        let mut names = under("visual.");
        for name in [
            "module.input_resolution",
            "vocab_size",
            "visual.bn1.num_batches_tracked",
            "visual.transformer.resblocks.0.attn_mask",
            "text_model.embeddings.position_ids",
            "attn_mask",
        ] {
            names.push(name.to_owned());
        }
        let gathered = gathered(&names, None).unwrap();
        assert_eq!((gathered.tensors.len(), gathered.remark), (VIT.len(), None));
    }
}
