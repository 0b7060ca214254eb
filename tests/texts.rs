//! Texts against the programs that CLIPs are used with: tokens of OpenAI's, open_clip's and transformers'
//! tokenizers, and embeddings of text towers of every kind. A tower that percept cannot compute is refused by
//! itself, with the reason. `tests/fixtures/texts.py` made the expected values.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use percept::encode::texts;
use percept::model::spec::Activation;
use percept::model::text::tokens::Tokens;
use percept::model::weights::Format;
use percept::model::{Model, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{fixture, refused, success};
use crate::encoded::encoded;

/// Embeddings in `f32`, relative to the largest value: rounding of sums of a few dozen terms.
const TOLERANCE: f64 = 1e-5;

/// Entries of OpenAI's vocabulary.
const VOCABULARY: usize = 49408;

/// More tokens than any text of the fixture has.
const ENOUGH: usize = 1000;

type Tensors = HashMap<String, Tensor>;

/// A text, and its tokens as OpenAI's tokenizer, open_clip's if it differs, and transformers' have them.
type Row = (String, Vec<i64>, Option<Vec<i64>>, Vec<i64>);

fn expected() -> Tensors {
    candle_core::safetensors::load(fixture("texts/expected.safetensors"), &Device::Cpu).unwrap()
}

fn load(path: &Path) -> Model {
    Model::load(path.to_str().unwrap(), Options::default()).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.flatten_all().unwrap();
    flat.to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

#[track_caller]
fn assert_close(ours: &Tensor, theirs: &Tensor, what: &str) {
    assert_eq!(ours.dims(), theirs.dims(), "{what}");
    let (ours, theirs) = (values(ours), values(theirs));
    let largest = theirs.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let difference = (ours - theirs).abs();
        assert!(
            difference <= TOLERANCE * largest,
            "{what}: {ours}, not {theirs}"
        );
    }
}

fn assert_sees(model: &Model, name: &str) {
    let expected = expected();
    let ours = encoded(model, &expected["input"], &[], None);
    assert_close(
        &ours["image_embedding"],
        &expected[&format!("{name}.image_embedding")],
        name,
    );
}

#[test]
fn tokens_are_those_of_the_program_that_reads_the_format() {
    let rows = fs::read(fixture("texts/strings.json")).unwrap();
    let rows: Vec<Row> = serde_json::from_slice(&rows).unwrap();
    assert!(rows.len() >= 300);
    let of = |format| Tokens::new(format, VOCABULARY).unwrap();
    let (openai, open_clip, transformers) = (
        of(Format::TorchScript),
        of(Format::Safetensors),
        of(Format::HuggingFace),
    );
    for (text, as_openai, as_open_clip, as_transformers) in rows {
        let as_open_clip = as_open_clip.as_ref().unwrap_or(&as_openai);
        for (tokens, theirs) in [
            (&openai, &as_openai),
            (&open_clip, as_open_clip),
            (&transformers, &as_transformers),
        ] {
            assert_eq!(tokens.encode(&text, ENOUGH).unwrap(), *theirs, "{text:?}");
        }
    }
}

#[test]
fn text_towers_of_every_kind_match_pytorch() {
    let expected = expected();
    for name in [
        "eos",
        "last",
        "first",
        "linear",
        "unprojected",
        "epsilon",
        "hf-number",
        "hf-largest",
    ] {
        let model = load(&fixture("texts").join(name));
        let ours = model.texts().unwrap().embed(&expected["ids"]).unwrap();
        let theirs = &expected[&format!("{name}.text_embedding")];
        assert_close(&ours, theirs, name);
        assert_sees(&model, name);
    }
}

#[test]
fn the_activation_of_the_text_tower_is_its_own_unless_it_is_overruled() {
    let expected = expected();
    let text = |activation| {
        let options = Options {
            activation,
            ..Options::default()
        };
        let folder = fixture("texts/hf-number");
        let model = Model::load(folder.to_str().unwrap(), options).unwrap();
        values(&model.texts().unwrap().embed(&expected["ids"]).unwrap())
    };
    assert_eq!(text(None), text(Some(Activation::Gelu)));
    assert_ne!(text(None), text(Some(Activation::QuickGelu)));
}

#[test]
fn a_vocabulary_without_a_tokenizer_refuses_texts_and_takes_tokens() {
    let model = load(&fixture("texts/last"));
    let report = texts(&model, &["a".to_owned()]).unwrap_err().report();
    assert!(
        report.contains("60 entries") && report.contains("49408"),
        "{report}"
    );
    let named = changed("last", |json| {
        json["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "bert-base-uncased".into();
    });
    let report = texts(&load(named.path()), &["a".to_owned()])
        .unwrap_err()
        .report();
    assert!(
        report.contains("another tokenizer (bert-base-uncased)"),
        "{report}"
    );
}

#[test]
fn tokens_that_cannot_be_are_errors() {
    let model = load(&fixture("texts/last"));
    for (ids, says) in [
        (vec![60i64], "not one of this model's 60"),
        (vec![-1], "not one of this model's 60"),
        (vec![0; 9], "has 9 tokens"),
    ] {
        let count = ids.len();
        let ids = Tensor::from_vec(ids, (1, count), &Device::Cpu).unwrap();
        let report = model.texts().unwrap().embed(&ids).unwrap_err().report();
        assert!(report.contains(says), "{report}");
    }
}

/// A copy of an open_clip fixture with something changed in its configuration.
fn changed(name: &str, change: impl Fn(&mut Value)) -> TempDir {
    let folder = TempDir::new().unwrap();
    for file in ["open_clip_config.json", "open_clip_model.safetensors"] {
        fs::copy(
            fixture("texts").join(name).join(file),
            folder.path().join(file),
        )
        .unwrap();
    }
    let path = folder.path().join("open_clip_config.json");
    let mut json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, json.to_string()).unwrap();
    folder
}

/// A copy of a fixture with something changed in its tensors.
fn rewritten(change: impl Fn(&mut Tensors)) -> TempDir {
    let folder = changed("eos", |_| {});
    let path = folder.path().join("open_clip_model.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    change(&mut tensors);
    candle_core::safetensors::save(&tensors, path).unwrap();
    folder
}

/// The model sees, and says why it embeds no texts.
#[track_caller]
fn refuses_texts(folder: &TempDir, words: &[&str]) {
    let model = load(folder.path());
    assert_sees(&model, "eos");
    let report = texts(&model, &["a".to_owned()]).unwrap_err().report();
    for word in ["embeds no texts: ", "what needs none works with it"]
        .iter()
        .chain(words)
    {
        assert!(report.contains(word), "{word:?} is not in: {report}");
    }
}

#[test]
fn a_configuration_that_the_text_tower_cannot_follow_refuses_texts_alone() {
    for (settings, words) in [
        (
            json!({"hf_model_name": "roberta-base"}),
            ["transformers' roberta-base", "CLIP's own"],
        ),
        (
            json!({"embed_cls": true}),
            ["embed_cls true", "percept does not support"],
        ),
        (
            json!({"pool_type": "none"}),
            ["pool_type \"none\"", "percept does not support"],
        ),
        (
            json!({"pool_type": "eos", "eos_id": null}),
            ["pool_type \"eos\"", "no eos_id"],
        ),
        (
            json!({"proj_type": "none"}),
            ["has a text_projection", "proj_type \"none\""],
        ),
        (
            json!({"heads": "2"}),
            ["text_cfg.heads \"2\"", "correct it"],
        ),
        (
            json!({"act_kwargs": {"approximate": "tanh"}}),
            ["act_kwargs", "tanh"],
        ),
        (json!({"heads": 3}), ["16 wide", "3 heads"]),
        (json!({"layers": 3}), ["2 blocks", "asks for 3"]),
    ] {
        let folder = changed("eos", |json| {
            let text = json["model_cfg"]["text_cfg"].as_object_mut().unwrap();
            text.extend(settings.as_object().unwrap().clone());
        });
        refuses_texts(&folder, &words);
    }
}

#[test]
fn tensors_of_another_text_tower_refuse_texts_alone() {
    let number = || Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap();
    let is_text = |name: &str| !name.starts_with("visual.");
    for (others, words) in [
        (
            &["text.transformer.embeddings.word_embeddings.weight"][..],
            ["BERT", "word_embeddings"],
        ),
        (
            &["text.tower.weight", "text.proj.0.weight"],
            ["text encoder", ""],
        ),
        (&[], ["it holds no text encoder", ""]),
    ] {
        let folder = rewritten(|tensors| {
            tensors.retain(|name, _| !is_text(name));
            tensors.insert("logit_scale".to_owned(), number());
            tensors.extend(others.iter().map(|name| ((*name).to_owned(), number())));
        });
        refuses_texts(&folder, &words);
    }
}

#[test]
fn a_text_tower_that_is_incomplete_or_has_more_refuses_texts_alone() {
    let number = || Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap();
    for (removed, words) in [
        (
            "token_embedding.weight",
            ["token_embedding.weight", "incomplete"],
        ),
        (
            "positional_embedding",
            ["positional_embedding", "incomplete"],
        ),
        (
            "transformer.resblocks.1.ln_2.bias",
            ["resblocks.1.ln_2.bias", "incomplete"],
        ),
        (
            "text_projection",
            ["text_projection", "configuration asks for"],
        ),
    ] {
        let folder = rewritten(|tensors| drop(tensors.remove(removed).unwrap()));
        refuses_texts(&folder, &words);
    }
    for added in ["transformer.resblocks.0.ls_1.gamma", "cls_emb"] {
        let folder = rewritten(|tensors| drop(tensors.insert(added.to_owned(), number())));
        refuses_texts(&folder, &[added, "no part of CLIP's own"]);
    }
    let folder = rewritten(|tensors| drop(tensors.insert("ln_final.bias".to_owned(), number())));
    refuses_texts(&folder, &["ln_final.bias", "[4]", "[16]"]);
}

#[test]
fn a_refused_text_encoder_is_said_where_texts_are_given_and_nowhere_else() {
    let folder = changed("eos", |json| {
        json["model_cfg"]["text_cfg"]["hf_model_name"] = "xlm-roberta-base".into();
    });
    let model = folder.path().to_str().unwrap();
    let reason =
        "its text encoder is transformers' xlm-roberta-base, and percept computes CLIP's own";
    let encode = ["encode", "--text", "a", "--out", "a.npz", "--model", model];
    refused(&encode, &["embeds no texts", reason]);
    let place = TempDir::new().unwrap();
    let answer = success(place.path(), &["layers", "--model", model]);
    assert!(!answer.stderr.contains("text"), "{}", answer.stderr);
}

#[test]
fn what_means_the_same_embeds_the_same() {
    let model = Model::load("mini", Options::default()).unwrap();
    let embed = |text: &str| values(&texts(&model, &[text.to_owned()]).unwrap());
    for (written, meant) in [
        ("waste container &amp; trash", "waste container & trash"),
        ("it’s “red”", "it's \"red\""),
        ("a  CAT\n", "a cat"),
        ("ＦＬＡＧ　of Japan", "flag of japan"),
        ("cafÃ©", "café"),
    ] {
        assert_eq!(embed(written), embed(meant), "{written}");
        assert_ne!(embed(written), embed("pizza"));
    }
}

#[test]
fn a_text_that_is_far_too_long_is_refused_before_it_is_cut_into_tokens() {
    for format in [Format::TorchScript, Format::HuggingFace] {
        let tokens = Tokens::new(format, VOCABULARY).unwrap();
        for (long, bytes) in [
            ("xyzw".repeat(200_000), "800000 bytes"),
            ("xyzw".repeat(700), "2800 bytes"),
        ] {
            let report = tokens.encode(&long, 77).unwrap_err().report();
            assert!(report.contains(bytes), "{report}");
            assert!(report.contains("reads 77 tokens: shorten it"), "{report}");
        }
        // Each round of cleaning undoes one of these.
        let nested = format!("&{}", "amp;".repeat(1_500));
        let undone = tokens.encode(&nested, 77);
        assert_eq!(undone.is_ok(), format == Format::TorchScript);
        let spaces = " \n".repeat(100_000);
        assert_eq!(tokens.encode(&spaces, 77).unwrap(), [49406, 49407]);
    }
}
