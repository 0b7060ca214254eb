//! The layouts in which people hand in weights: towers under any prefix, beside other models, without a projection,
//! in fine-tunes' own terms. `tests/fixtures/weights.py` made `layouts/` and what PyTorch computes from it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use percept::encode::texts;
use percept::model::spec::Source;
use percept::model::weights::downloads::Silent;
use percept::model::weights::{Checkpoint, load};
use percept::model::{Model, Options};
use tempfile::TempDir;

use crate::common::{fixture, json, refused, success};
use crate::encoded::encoded;
use crate::parity::{ACTIVATION_TOLERANCE, GRADIENT_TOLERANCE, assert_largest, assert_norm};

type Tensors = HashMap<String, Tensor>;

fn layout(file: &str) -> PathBuf {
    fixture(&format!("layouts/{file}"))
}

fn tensors(path: &Path) -> Tensors {
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

fn model(path: &Path) -> Model {
    Model::load(path.to_str().unwrap(), Options::default()).unwrap()
}

/// Holds every tap, the image gradients, and both embeddings as far as the model has them.
fn matches_pytorch(model: &Model, expected: &Tensors, what: &str) {
    let input = &expected["input"];
    let has_embedding = model.encoder.find("embedding").is_some();
    let ours = encoded(model, input, &["all"], None);
    let mut compared = 0;
    for (name, theirs) in expected {
        let what = format!("{what}: {name}");
        if name == "act.embedding" && !has_embedding {
            assert!(!ours.contains_key(name), "{what}");
        } else if name.starts_with("act.") {
            assert_largest(&ours[name], theirs, ACTIVATION_TOLERANCE, &what);
            compared += 1;
        }
        let objective = name.strip_prefix("gradient.");
        if let Some(objective) = objective.filter(|_| has_embedding || !name.contains("embedding"))
        {
            let ours = encoded(model, input, &["blocks.1"], Some(objective));
            assert_norm(&ours["gradient"], theirs, GRADIENT_TOLERANCE, &what);
        }
    }
    assert_eq!(compared, model.encoder.taps().len(), "{what}");
    if let Ok(text) = &model.text {
        let ours = text.embed(&expected["text_ids"]).unwrap();
        let theirs = &expected["text_embedding"];
        assert_largest(&ours, theirs, ACTIVATION_TOLERANCE, what);
    }
}

/// Whether a layout has an image embedding, and its text encoder: computed, none, or why it is refused.
type Has = (bool, Result<bool, &'static str>);

const LAYOUTS: [(&str, Has); 10] = [
    ("vision_model.safetensors", (false, Ok(false))),
    ("vision_projection.safetensors", (true, Ok(false))),
    ("shards", (true, Ok(false))),
    ("llava.safetensors", (false, Ok(false))),
    (
        "chinese_clip.safetensors",
        (true, Err("BERT's or RoBERTa's")),
    ),
    ("roberta.safetensors", (true, Err("BERT's or RoBERTa's"))),
    ("coca.safetensors", (false, Err("CoCa"))),
    ("custom_text.safetensors", (true, Ok(true))),
    ("nested.pt", (true, Ok(true))),
    ("script.pt", (true, Ok(true))),
];

#[test]
fn every_layout_matches_pytorch_and_says_what_it_has_not() {
    let expected = tensors(&layout("expected.safetensors"));
    for (file, (has_embedding, text)) in LAYOUTS {
        let model = model(&layout(file));
        assert_eq!(
            model.encoder.find("embedding").is_some(),
            has_embedding,
            "{file}"
        );
        assert_eq!(model.text.is_ok(), text == Ok(true), "{file}");
        matches_pytorch(&model, &expected, file);
        if let Err(why) = text {
            let report = texts(&model, &["a cat".to_owned()]).unwrap_err().report();
            assert!(report.contains(why), "{file}: {report}");
        }
    }
}

#[test]
fn the_configuration_of_a_larger_model_tells_of_the_image_encoder_in_it() {
    let expected = tensors(&layout("expected.safetensors"));
    for (file, kind, inner) in [
        ("chinese_clip", "chinese_clip", "chinese_clip_vision_model"),
        ("llava", "llava", "clip_vision_model"),
    ] {
        let folder = TempDir::new().unwrap();
        let weights = layout(&format!("{file}.safetensors"));
        fs::copy(weights, folder.path().join("model.safetensors")).unwrap();
        let vision = format!(
            r#"{{"model_type": "{inner}", "hidden_size": 64, "num_attention_heads": 1, "num_hidden_layers": 2}}"#
        );
        let config = format!(r#"{{"model_type": "{kind}", "vision_config": {vision}}}"#);
        fs::write(folder.path().join("config.json"), config).unwrap();
        matches_pytorch(&model(folder.path()), &expected, file);
    }
}

#[test]
fn a_fine_tune_in_lengths_and_directions_with_long_clips_positions_matches_pytorch() {
    let expected = tensors(&layout("fine_tune.expected.safetensors"));
    let model = model(&layout("fine_tune.pt"));
    assert!(model.text.is_ok());
    matches_pytorch(&model, &expected, "fine_tune.pt");
}

/// What is saved under other names, and what is said of it.
struct Renamed<'a> {
    base: &'a str,
    /// A name of the base to one of the file; `None` leaves it out.
    name: &'a dyn Fn(&str) -> Option<String>,
    /// Other tensors in the file.
    others: &'a [&'a str],
    says: &'a [&'a str],
}

fn save(path: &Path, tensors: &Tensors) {
    candle_core::safetensors::save(tensors, path).unwrap();
}

fn renamed(base: &Path, name: impl Fn(&str) -> Option<String>) -> Tensors {
    let own = tensors(base);
    let pairs = own
        .into_iter()
        .filter_map(|(own, tensor)| Some((name(&own)?, tensor)));
    pairs.collect()
}

fn checkpoint(path: &Path) -> Checkpoint {
    load(&Source::Path(path.to_owned()), None, &Silent).unwrap()
}

#[track_caller]
fn assert_same(ours: &BTreeMap<String, Tensor>, theirs: &BTreeMap<String, Tensor>, what: &str) {
    assert!(!ours.is_empty(), "{what}");
    for (name, tensor) in ours {
        let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(
            values(tensor) == values(&theirs[name]),
            "{what}: {name} differs"
        );
    }
}

#[test]
fn towers_are_found_under_any_prefix_and_other_parts_are_left_out() {
    let all = |prefix: &'static str| move |name: &str| Some(format!("{prefix}{name}"));
    let visual = |prefix: &'static str| {
        move |name: &str| Some(format!("{prefix}{}", name.strip_prefix("visual.")?))
    };
    let tiny = |name: &str| {
        Some(match name {
            "logit_scale" => "_logit_scale.module.logit_scale".to_owned(),
            name if name.starts_with("visual.") => format!("_image_encoder.module.{name}"),
            name => format!("_text_encoder.module.{name}"),
        })
    };
    let compiled_blocks =
        |name: &str| Some(name.replace(".resblocks.1.", ".resblocks.1._orig_mod."));
    let (rn, vit) = ("rn/open_clip", "vit/open_clip");
    let cases = [
        Renamed {
            base: rn,
            name: &all("module."),
            others: &[],
            says: &["module.visual.*"],
        },
        Renamed {
            base: vit,
            name: &all("_orig_mod.module."),
            others: &[],
            says: &["_orig_mod.module.visual.*"],
        },
        Renamed {
            base: rn,
            name: &all("clip.net.model."),
            others: &["clip.head.weight"],
            says: &["clip.head.*"],
        },
        Renamed {
            base: vit,
            name: &compiled_blocks,
            others: &[],
            says: &[],
        },
        Renamed {
            base: vit,
            name: &tiny,
            others: &[],
            says: &["_image_encoder.module.visual.*", "_text_encoder.module.*"],
        },
        Renamed {
            base: rn,
            name: &visual("visual.module."),
            others: &[],
            says: &["visual.module.*"],
        },
        Renamed {
            base: rn,
            name: &visual(""),
            others: &["fc.weight", "fc.bias"],
            says: &["2 tensors", "fc.*"],
        },
        Renamed {
            base: vit,
            name: &visual("backbone."),
            others: &["backbone.head.weight"],
            says: &["1 tensor of another part is left out", "backbone.head.*"],
        },
        Renamed {
            base: vit,
            name: &all("embedder.model."),
            others: &[
                "model.diffusion_model.out.2.weight",
                "first_stage_model.decoder.conv_in.bias",
            ],
            says: &["embedder.model.visual.*", "first_stage_model.*", "model.*"],
        },
        Renamed {
            base: rn,
            name: &all(""),
            others: &["classification_head.weight", "classification_head.bias"],
            says: &["2 tensors of other parts are left out (classification_head.*)"],
        },
    ];
    let folder = TempDir::new().unwrap();
    for (index, case) in cases.iter().enumerate() {
        let base = fixture(case.base).join("open_clip_model.safetensors");
        let mut tensors = renamed(&base, case.name);
        for name in case.others {
            tensors.insert(
                (*name).to_owned(),
                Tensor::zeros(2, DType::F16, &Device::Cpu).unwrap(),
            );
        }
        let path = folder.path().join(format!("{index}.safetensors"));
        save(&path, &tensors);
        let (ours, theirs) = (checkpoint(&path), checkpoint(&base));
        let what = format!("case {index}");
        assert_same(&ours.tensors, &theirs.tensors, &what);
        let remark = ours.remark.unwrap_or_default();
        assert_eq!(remark.is_empty(), case.says.is_empty(), "{what}: {remark}");
        assert!(
            case.says.iter().all(|word| remark.contains(word)),
            "{what}: {remark}"
        );
        model(&path);
    }
}

#[test]
fn transformers_towers_are_found_inside_larger_models() {
    let expected = tensors(&fixture("vit/expected.safetensors"));
    let folder = TempDir::new().unwrap();
    for prefix in ["model.vision_tower.vision_tower.", "cond.", "clip."] {
        let mut tensors = Tensors::new();
        for shard in [
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
        ] {
            let own = fixture("vit/hf").join(shard);
            tensors.extend(renamed(&own, |name| Some(format!("{prefix}{name}"))));
        }
        let path = folder.path().join("larger.safetensors");
        save(&path, &tensors);
        let model = model(&path);
        let ours = encoded(&model, &expected["input"], &["all"], None);
        for (name, theirs) in expected.iter().filter(|(name, _)| name.starts_with("act.")) {
            assert_largest(&ours[name], theirs, ACTIVATION_TOLERANCE, name);
        }
        assert!(model.text.is_ok(), "{prefix}");
    }
}

#[test]
fn a_tower_alone_needs_no_projection_in_any_naming() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("alone.safetensors");
    let older = |name: &str| Some(format!("vision_model.{name}"));
    save(&path, &renamed(&layout("vision_model.safetensors"), older));
    let expected = tensors(&layout("expected.safetensors"));
    let found = model(&path);
    assert_eq!((found.remark.as_deref(), found.text.is_err()), (None, true));
    matches_pytorch(&found, &expected, "vision_model.*");
    let unprojected = |name: &str| {
        let is_kept = name.starts_with("visual.") && name != "visual.proj";
        is_kept.then(|| name.to_owned())
    };
    save(
        &path,
        &renamed(&layout("custom_text.safetensors"), unprojected),
    );
    matches_pytorch(&model(&path), &expected, "visual.*");
}

/// Two towers in one file: the fixture's, and one that differs from it.
fn two_towers(folder: &Path) -> PathBuf {
    let base = layout("custom_text.safetensors");
    let mut both = renamed(&base, |name| Some(format!("model.{name}")));
    for (name, tensor) in renamed(&base, |name| Some(format!("ema.{name}"))) {
        both.insert(name, (tensor * 0.5).unwrap());
    }
    let path = folder.join("two.safetensors");
    save(&path, &both);
    path
}

#[test]
fn of_two_towers_the_prefix_chooses_and_a_replay_finds_it_again() {
    let folder = TempDir::new().unwrap();
    let path = two_towers(folder.path());
    let file = path.to_str().unwrap();
    refused(
        &["layers", "--model", file],
        &[
            "2 image encoders",
            "ema.visual.*",
            "model.visual.*",
            "--prefix ema.visual",
        ],
    );
    refused(
        &["layers", "--model", file, "--prefix", "other"],
        &["no image encoder", "other", "--prefix ema.visual"],
    );
    let expected = tensors(&layout("expected.safetensors"));
    let of = |prefix: &str| {
        let options = Options {
            prefix: Some(prefix.to_owned()),
            ..Options::default()
        };
        Model::load(file, options).unwrap()
    };
    assert_eq!(of("model").prefix.as_deref(), Some("model.visual"));
    matches_pytorch(&of("model"), &expected, "two.safetensors");
    let other = encoded(&of("ema"), &expected["input"], &["blocks.1"], None);
    let name = "act.blocks.1";
    let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(values(&other[name]) != values(&expected[name]));

    let render = [
        "render",
        "blocks.0.mlp:3",
        "--steps",
        "2",
        "--size",
        "16",
        "--quiet",
        "--model",
        file,
        "--out",
    ];
    let mut pictures = Vec::new();
    for prefix in ["model", "ema.visual."] {
        let out = format!("{}.png", prefix.trim_end_matches('.'));
        success(
            folder.path(),
            &[&render[..], &[&out, "--prefix", prefix]].concat(),
        );
        let sidecar = json(&folder.path().join(&out).with_extension("json"));
        let recorded = format!("{}.visual", prefix.trim_end_matches(".visual."));
        assert_eq!(sidecar["recipe"]["model"]["prefix"], recorded.as_str());
        let answer = success(folder.path(), &["replay", &out]);
        assert!(
            answer.stderr.contains("the same bytes"),
            "{}",
            answer.stderr
        );
        pictures.push(fs::read(folder.path().join(&out)).unwrap());
    }
    assert!(pictures[0] != pictures[1]);
}

#[test]
fn a_number_that_is_not_finite_costs_the_tower_that_it_is_in() {
    let base = layout("custom_text.safetensors");
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("diverged.safetensors");
    let file = path.to_str().unwrap();
    let save_with = |name: &str, number: f64| {
        let mut tensors = tensors(&base);
        let found = tensors.keys().find(|own| own.ends_with(name)).cloned();
        let own = tensors.get_mut(&found.unwrap()).unwrap();
        *own = own.affine(0.0, number).unwrap();
        save(&path, &tensors);
    };
    let expected = tensors(&layout("expected.safetensors"));
    for name in ["token_embedding.weight", "text.ln_final.bias"] {
        save_with(name, f64::INFINITY);
        let model = model(&path);
        matches_pytorch(&model, &expected, name);
        let report = model.texts().err().unwrap().report();
        let says = format!("{} holds inf", name.trim_start_matches("text."));
        assert!(report.contains(&says), "{report}");
    }
    save_with("logit_scale", f64::NAN);
    let diverged = model(&path);
    assert!(diverged.text.is_ok());
    matches_pytorch(&diverged, &expected, "logit_scale");
    save_with("visual.proj", f64::NEG_INFINITY);
    refused(
        &["layers", "--model", file],
        &["visual.proj holds -inf", "training diverged"],
    );
}

#[test]
fn without_a_projection_taps_work_and_an_embedding_is_refused_with_the_reason() {
    let path = layout("vision_model.safetensors");
    let picture = fixture("pictures/rgb.jpg");
    let (file, picture) = (path.to_str().unwrap(), picture.to_str().unwrap());
    let of = ["--model", file, "--activation", "quick-gelu", "--out"];
    let encode = |more: &[&str]| -> Vec<String> {
        let all = [&["encode"], more, &of[..], &["a.safetensors"]].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    let why = ["no embedding", "visual_projection.weight"];
    refused(&encode(&[picture]), &why);
    refused(&encode(&[picture, "--tap", "embedding"]), &why);
    refused(&encode(&[picture, "--gradient", "embedding:3"]), &why);
    refused(&encode(&["--text", "a cat"]), &["text encoder"]);
    let render = [
        "render",
        "embedding:3",
        "--size",
        "16",
        "--model",
        file,
        "--activation",
        "quick-gelu",
    ];
    refused(&render, &why);

    let folder = TempDir::new().unwrap();
    success(folder.path(), &encode(&[picture, "--tap", "all"]));
    let written = tensors(&folder.path().join("a.safetensors"));
    assert!(written.contains_key("act.blocks.1"));
    assert!(!written.contains_key("image_embedding"));
    success(
        folder.path(),
        &[
            &["render", "3", "--steps", "2", "--size", "16"],
            &of[..],
            &["a.png"],
        ]
        .concat(),
    );
}

#[test]
fn what_was_stripped_and_left_out_is_said_once_on_one_line() {
    let path = layout("nested.pt");
    let arguments = [
        "layers",
        "--model",
        path.to_str().unwrap(),
        "--activation",
        "quick-gelu",
    ];
    let folder = TempDir::new().unwrap();
    let said = success(folder.path(), &arguments).stderr;
    let lines = said.lines().filter(|line| line.contains("left out"));
    assert_eq!(lines.count(), 1, "{said}");
    for word in [
        "nested.pt",
        "nets.student.module._orig_mod.visual.*",
        "1 tensor of another part is left out",
        "nets.head.*",
    ] {
        assert!(said.contains(word), "{said}");
    }
    let quiet = [&arguments[..], &["--quiet"]].concat();
    assert_eq!(success(folder.path(), &quiet).stderr, "");
}

#[test]
fn relatives_of_clip_are_refused_by_their_name_with_and_without_a_configuration() {
    let relatives = json(&layout("relatives.json"));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut seen = 0;
    for (family, models) in relatives.as_object().unwrap() {
        for (name, tensors) in models.as_object().unwrap() {
            let zeros = tensors.as_object().unwrap().iter().map(|(name, rows)| {
                let rows = rows.as_u64().unwrap() as usize;
                (
                    name.clone(),
                    Tensor::zeros(rows, DType::F16, &Device::Cpu).unwrap(),
                )
            });
            save(&path, &zeros.collect());
            for config in [None, Some(r#"{"model_type": "other"}"#)] {
                if let Some(config) = config {
                    fs::write(folder.path().join("config.json"), config).unwrap();
                    fs::write(folder.path().join("open_clip_config.json"), config).unwrap();
                }
                let error = Model::load(folder.path().to_str().unwrap(), Options::default());
                let report = error.err().expect(name).report();
                for word in [family, "CLIPVisionModel", "ModifiedResNets"] {
                    assert!(report.contains(word), "{name}: {word} is not in {report}");
                }
            }
            for config in ["config.json", "open_clip_config.json"] {
                fs::remove_file(folder.path().join(config)).unwrap();
            }
            seen += 1;
        }
    }
    assert!(seen > 12, "{seen}");
}

#[test]
fn an_unknown_parametrisation_or_half_of_a_known_one_is_named() {
    let base = layout("vision_projection.safetensors");
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("halved.safetensors");
    let own = "vision_model.encoder.layers.0.mlp.fc1.weight";
    for (new, words) in [
        ("fc1.weight_v", &["fc1.weight", "no length"][..]),
        ("fc1.r", &["fc1.weight", "no direction"]),
        (
            "fc1.parametrizations.weight.original",
            &["fc1.weight", "remove_parametrizations"],
        ),
    ] {
        let new = own.replace("fc1.weight", new);
        save(
            &path,
            &renamed(&base, |name| {
                Some(if name == own {
                    new.clone()
                } else {
                    name.to_owned()
                })
            }),
        );
        refused(&["layers", "--model", path.to_str().unwrap()], words);
    }
}
