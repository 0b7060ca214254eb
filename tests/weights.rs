//! Weight files that PyTorch and its libraries wrote are read alike, whatever their format, and
//! files that are damaged, foreign or hostile are errors that say what was found.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use percept::error::Kind;
use percept::model::conventions::Source as Told;
use percept::model::spec::{Activation, Source};
use percept::model::weights::downloads::Silent;
use percept::model::weights::{Checkpoint, Config, Format, load};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(path)
}

fn load_path(path: impl Into<PathBuf>) -> percept::Result<Checkpoint> {
    load(&Source::Path(path.into()), None, &Silent)
}

fn activation(checkpoint: &Checkpoint) -> Option<Activation> {
    checkpoint.config.activation.map(|told| told.value)
}

/// The report of the error that loading `bytes` as a file called `name` gives.
#[track_caller]
fn refusal(name: &str, bytes: &[u8]) -> String {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let error = load_path(&path).expect_err("the file is unusable");
    assert!(
        error.to_string().contains(name),
        "the error names the file: {error}"
    );
    error.report()
}

#[track_caller]
fn assert_says(report: &str, words: &[&str]) {
    for word in words {
        assert!(report.contains(word), "{word:?} is not in {report:?}");
    }
}

#[track_caller]
fn assert_equal(ours: &BTreeMap<String, Tensor>, theirs: &BTreeMap<String, Tensor>) {
    assert_eq!(
        ours.keys().collect::<Vec<_>>(),
        theirs.keys().collect::<Vec<_>>()
    );
    for (name, tensor) in ours {
        assert_eq!(tensor.dims(), theirs[name].dims(), "{name}");
        assert_eq!(tensor.dtype(), DType::F32, "{name}");
        assert!(tensor.is_contiguous(), "{name}");
        let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(values(tensor) == values(&theirs[name]), "{name} differs");
    }
}

#[test]
fn every_format_of_a_model_holds_the_same_tensors() {
    for model in ["rn", "vit"] {
        let openai = load_path(fixture(&format!("{model}/openai.pt"))).unwrap();
        assert_eq!(openai.format, Format::TorchScript);
        assert_eq!(openai.config.activation, None);
        for (file, format) in [
            ("state_dict.pt", Format::StateDict),
            ("open_clip.pt", Format::OpenClipCheckpoint),
            ("open_clip", Format::Safetensors),
            ("open_clip/open_clip_model.safetensors", Format::Safetensors),
        ] {
            let path = fixture(&format!("{model}/{file}"));
            let other = load_path(&path).unwrap();
            assert_eq!(other.format, format, "{file}");
            assert_eq!(other.origin, path.display().to_string());
            assert_equal(&other.tensors, &openai.tensors);
        }
    }
    let openai = load_path(fixture("vit/openai.pt")).unwrap();
    let transformers = load_path(fixture("vit/hf")).unwrap();
    assert_eq!(transformers.format, Format::HuggingFace);
    assert_equal(&transformers.tensors, &openai.tensors);
}

#[test]
fn configuration_files_give_activation_and_statistics() {
    for path in [
        "rn/open_clip",
        "rn/open_clip/open_clip_model.safetensors",
        "vit/hf",
    ] {
        let checkpoint = load_path(fixture(path)).unwrap();
        assert_eq!(
            activation(&checkpoint),
            Some(Activation::QuickGelu),
            "{path}"
        );
        let pixels = checkpoint.config.normalisation.unwrap().value;
        let (mean, deviation) = (pixels.mean[0], pixels.deviation[2]);
        assert_eq!((mean, deviation), (0.48145466, 0.275_777_1), "{path}");
    }
    let bare = load_path(fixture("rn/state_dict.pt")).unwrap();
    assert_eq!(bare.config, Config::default());
}

#[test]
fn the_digest_is_that_of_the_file_or_of_the_list_of_files() {
    let sha256 = |bytes: &[u8]| -> String {
        use sha2::Digest;
        sha2::Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    };
    let path = fixture("rn/openai.pt");
    assert_eq!(
        load_path(&path).unwrap().digest,
        sha256(&fs::read(path).unwrap())
    );
    let mut lines = String::new();
    for name in [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ] {
        let digest = sha256(&fs::read(fixture("vit/hf").join(name)).unwrap());
        lines.push_str(&format!("{name} {digest}\n"));
    }
    assert_eq!(
        load_path(fixture("vit/hf")).unwrap().digest,
        sha256(lines.as_bytes())
    );
}

#[test]
fn the_embedded_model_needs_no_file() {
    let mini = load(&Source::Embedded, None, &Silent).unwrap();
    assert_eq!(mini.format, Format::Embedded);
    assert_eq!(activation(&mini), Some(Activation::QuickGelu));
    assert_eq!(mini.otherwise, Told::Published);
    assert_eq!(mini.tensors["visual.layer1.0.conv1.weight"].dims()[0], 24);
}

#[test]
fn content_decides_over_the_extension() {
    let folder = TempDir::new().unwrap();
    for (file, name) in [
        ("rn/openai.pt", "weights.safetensors"),
        ("rn/open_clip/open_clip_model.safetensors", "weights"),
    ] {
        let path = folder.path().join(name);
        fs::copy(fixture(file), &path).unwrap();
        assert!(load_path(&path).is_ok(), "{file} as {name}");
    }
}

#[test]
fn a_single_file_in_transformers_naming_is_read_with_the_config_beside_it() {
    let checkpoint = load_path(fixture("vit/hf")).unwrap();
    let folder = TempDir::new().unwrap();
    let shards = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ];
    let mut merged = std::collections::HashMap::new();
    for shard in shards {
        let path = fixture("vit/hf").join(shard);
        merged.extend(candle_core::safetensors::load(path, &candle_core::Device::Cpu).unwrap());
    }
    let path = folder.path().join("anything.st");
    candle_core::safetensors::save(&merged, &path).unwrap();
    let alone = load_path(&path).unwrap();
    assert_eq!(
        (alone.format, activation(&alone)),
        (Format::HuggingFace, None)
    );
    assert_equal(&alone.tensors, &checkpoint.tensors);
    fs::write(
        folder.path().join("config.json"),
        r#"{"model_type": "clip", "vision_config": {"hidden_act": "gelu"}}"#,
    )
    .unwrap();
    assert_eq!(
        activation(&load_path(&path).unwrap()),
        Some(Activation::Gelu)
    );
}

#[test]
fn a_compressed_archive_is_read_too() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("packed.pt");
    let packed = rezip("rn/state_dict.pt", CompressionMethod::Deflated);
    fs::write(&path, packed).unwrap();
    let stored = load_path(fixture("rn/state_dict.pt")).unwrap();
    assert_equal(&load_path(&path).unwrap().tensors, &stored.tensors);
}

#[test]
fn truncated_files_are_errors() {
    for file in [
        "rn/openai.pt",
        "rn/state_dict.pt",
        "rn/open_clip.pt",
        "rn/open_clip/open_clip_model.safetensors",
    ] {
        let bytes = fs::read(fixture(file)).unwrap();
        let spread = (0..60).map(|step| bytes.len() * step / 60);
        let ends = (0..12).chain(bytes.len() - 40..bytes.len()).chain(spread);
        for length in ends {
            refusal("cut.pt", &bytes[..length]);
        }
    }
    let folder = TempDir::new().unwrap();
    copy_folder(&fixture("vit/hf"), folder.path());
    let shard = folder.path().join("model-00002-of-00002.safetensors");
    let bytes = fs::read(&shard).unwrap();
    for length in (0..bytes.len()).step_by(bytes.len() / 30) {
        fs::write(&shard, &bytes[..length]).unwrap();
        let report = load_path(folder.path()).unwrap_err().report();
        assert_says(&report, &["model-00002-of-00002.safetensors"]);
    }
}

#[test]
fn files_of_other_kinds_are_called_by_their_name() {
    for (bytes, words) in [
        (&b"\xff\xd8\xff\xe0\0\x10JFIF\0"[..], &["JPEG"][..]),
        (b"<!DOCTYPE html><html><body>Sign in", &["web page"]),
        (b"", &["empty"]),
        (
            b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
            &["before version 1.6", "torch.save"],
        ),
    ] {
        assert_says(&refusal("RN50.pt", bytes), words);
    }
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("readme.txt", SimpleFileOptions::default())
        .unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    assert_says(&refusal("x.pt", &bytes), &["zip archive", "data.pkl"]);
}

#[test]
fn a_safetensors_header_of_absurd_length_is_an_error() {
    for length in [1 << 60, u64::MAX, 100_000_001, 3] {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"{\"a\":{}}");
        assert_says(&refusal("x.safetensors", &bytes), &["header"]);
    }
}

#[test]
fn a_published_name_demands_the_published_file() {
    let bytes = fs::read(fixture("rn/openai.pt")).unwrap();
    let report = refusal("RN50x4.pt", &bytes);
    assert_says(&report, &["sha256", "7e526bd135e4", "rename it"]);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("RN50x4.pt");
    fs::copy(fixture("rn/state_dict.pt"), &path).unwrap();
    assert!(
        load_path(&path).is_ok(),
        "a state dict is no copy of OpenAI's archive"
    );
}

#[test]
fn weights_that_are_not_finite_are_errors_that_name_the_tensor() {
    let name = "visual.layer1.0.conv1.weight";
    let path = fixture("rn/open_clip/open_clip_model.safetensors");
    let mut bytes = fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let json: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let start = json[name]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[8 + header + start..][..2].copy_from_slice(&0x7e00u16.to_le_bytes());
    assert_says(&refusal("x.safetensors", &bytes), &[name, "NaN"]);
}

#[test]
fn a_pickle_that_asks_for_code_is_refused_by_name() {
    let evil = b"\x80\x02cos\nsystem\n(X\x04\0\0\0true\x85R.";
    assert_says(
        &refusal("x.pt", &archive(b"\x80\x02cos\nsystem\n.")),
        &["os.system"],
    );
    assert!(refusal("x.pt", &archive(evil)).contains("data.pkl"));
    let called = b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.";
    assert_says(
        &refusal("x.pt", &archive(called)),
        &["os.system", "reads data only"],
    );
    let as_weight = b"\x80\x02}X\x0a\0\0\0state_dict}X\x01\0\0\0wcos\nsystem\n)Rss.";
    assert_says(
        &refusal("x.pt", &archive(as_weight)),
        &["os.system", "reads data only"],
    );
    let as_model = b"\x80\x02}X\x05\0\0\0modelcopen_clip.model\nCLIP\n)\x81s.";
    assert_says(
        &refusal("x.pt", &archive(as_model)),
        &["open_clip.model.CLIP", "state_dict()"],
    );
}

#[test]
fn hostile_pickles_are_errors() {
    let nested = |open: &[u8], middle: &[u8], close: &[u8], depth: usize| {
        let mut pickle = b"\x80\x02".to_vec();
        pickle.extend(open.repeat(depth));
        pickle.extend(middle);
        pickle.extend(close.repeat(depth));
        pickle.push(b'.');
        pickle
    };
    let modules = {
        let open = b"c__torch__\nM\n)\x81}X\x01\0\0\0a";
        nested(open, b"N", b"sb", 100_000)
    };
    assert_says(&refusal("x.pt", &archive(&modules)), &["nest deeper"]);
    // Each module holds the next twice: 2^60 paths through 60 objects.
    let doubled = nested(
        b"c__torch__\nM\n)\x81}(X\x01\0\0\0a",
        b"N",
        b"q\0X\x01\0\0\0bh\0ub",
        60,
    );
    assert_says(&refusal("x.pt", &archive(&doubled)), &["attributes"]);
    let cycle = b"\x80\x02c__torch__\nM\n)\x81q\0}X\x01\0\0\0ah\0sb.";
    assert_says(&refusal("x.pt", &archive(cycle)), &["nest deeper"]);
    let newer = b"\x80\x04\x95\0\0\0\0\0\0\0\0}.";
    assert_says(
        &refusal("x.pt", &archive(newer)),
        &["protocol 4", "torch.save"],
    );
    for pickle in [
        nested(b"(", b"", b"t", 400_000),
        nested(b"]", b"]", b"a", 400_000),
        nested(b"N", b"", b"", 1_100_000),
        nested(b"(", b"", b"", 3_000_000),
        b"\x80\x02X\xff\xff\xff\xffshort.".to_vec(),
        b"\x80\x02h\x07.".to_vec(),
        b"\x80\x02N)R.".to_vec(),
        b"\x80\x02(N(1.".to_vec(),
        b"\x80\x02)a.".to_vec(),
        b"\x80\x02]".to_vec(),
        b".".to_vec(),
        Vec::new(),
    ] {
        refusal("x.pt", &archive(&pickle));
    }
}

#[test]
fn tensors_cannot_claim_more_than_the_file_holds() {
    let tensor = |key: &str, shape: &[u8], strides: &[u8]| {
        let mut pickle =
            b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n"
                .to_vec();
        pickle.extend([b"X\x01\0\0\0", key.as_bytes(), b"X\x03\0\0\0cpuK\x01tQK\0("].concat());
        pickle.extend([shape, b"t(", strides, b"t\x89Nt"].concat());
        pickle
    };
    // The tensor in every place of the names by which a vision transformer is found.
    let dict = |tensor: Vec<u8>| {
        let mut pickle = b"\x80\x02}".to_vec();
        for name in [
            "class_embedding",
            "ln_pre.weight",
            "transformer.resblocks.0.ln_1.bias",
        ] {
            pickle.extend([b"X", &[name.len() as u8, 0, 0, 0][..], name.as_bytes()].concat());
            pickle.extend([&tensor[..], b"Rs"].concat());
        }
        pickle.push(b'.');
        pickle
    };
    for (key, shape, strides, says) in [
        (
            "0",
            &b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7f"[..],
            &b"K\0K\0K\0"[..],
            "add up",
        ),
        ("0", b"K\x11", b"K\x00", "larger"),
        ("0", b"K\x02", b"K\x10", "past"),
        ("0", b"K\x02", b"K\x01K\x01", "strides"),
        ("0", b"J\xff\xff\xff\xff", b"K\x01", "storage"),
        (
            "0",
            b"K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01",
            b"K\x01",
            "storage",
        ),
        ("9", b"K\x01", b"K\x01", "data/9"),
    ] {
        let report = refusal("x.pt", &archive(&dict(tensor(key, shape, strides))));
        assert_says(&report, &[says]);
    }
    // One storage of 64 bytes, read as a new tensor 1,000 times over.
    let mut many = b"\x80\x02}".to_vec();
    for index in 0..1000 {
        many.extend(format!("X\x0a\0\0\0visual.{index:03}").bytes());
        many.extend(tensor("0", b"K\x10", b"K\x01"));
        many.extend(b"Rs");
    }
    many.push(b'.');
    let packed = zipped(
        &[("a/data.pkl", &many), ("a/data/0", &[0; 64])],
        CompressionMethod::Deflated,
    );
    assert_says(&refusal("x.pt", &packed), &["times its size"]);
}

/// A pickled dictionary of these keys, all with the value that `value` pickles.
fn pickled(keys: impl IntoIterator<Item = String>, value: &[u8]) -> Vec<u8> {
    let mut pickle = b"}(".to_vec();
    for key in keys {
        pickle.push(b'X');
        pickle.extend((key.len() as u32).to_le_bytes());
        pickle.extend([key.as_bytes(), value].concat());
    }
    pickle.push(b'u');
    pickle
}

/// A pickled tensor of one number.
const NUMBER: &[u8] =
    b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n\
    X\x01\0\0\x000X\x03\0\0\0cpuK\x01tQK\0(K\x01t(K\x01t\x89NtR";

#[test]
fn names_are_counted_before_memory_is_taken_for_them() {
    // One dictionary that stands in 500 places: kilobytes of keys make hundreds of megabytes of names.
    let shared = |key: &str| {
        let own = pickled((0..500).map(|index| format!("{key}{index:03}")), b"h\0");
        let places = pickled((0..500).map(|index| format!("{index:03}")), b"h\x01");
        let entries = [
            [b"X\x01\0\0\0a", NUMBER, b"q\0s"].concat(),
            [b"X\x01\0\0\0b", &own[..], b"q\x01s"].concat(),
            [b"X\x01\0\0\0c", &places[..], b"s"].concat(),
        ];
        archive(&[b"\x80\x02}", &entries.concat()[..], b"."].concat())
    };
    for (key, says) in [
        ("x".repeat(400), "33554432 bytes"),
        ("x.".repeat(200), "parts"),
        ("x".repeat(600), "characters"),
    ] {
        let file = shared(&key);
        assert!(file.len() < 600_000);
        assert_says(&refusal("x.pt", &file), &[says, "state_dict()"]);
    }
    let file = |header: String| {
        let length = (header.len() as u64).to_le_bytes();
        [&length[..], header.as_bytes(), &[0; 4]].concat()
    };
    let named = |name: String| {
        file(format!(
            r#"{{"{name}":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#
        ))
    };
    for (name, says) in [
        (".".repeat(100), "parts"),
        ("x".repeat(600), "characters"),
        (".".repeat(40_000_000), "its header has"),
    ] {
        assert_says(
            &refusal("x.safetensors", &named(name)),
            &[says, "save the weights alone"],
        );
    }
}

/// A TorchScript archive with tensors by which an image encoder is found in it, and this code.
fn script(names: [&str; 3], code: &[(&str, &[u8])]) -> Vec<u8> {
    let state = pickled(names.map(str::to_owned), NUMBER);
    let pickle = [b"\x80\x02c__torch__\nM\n)\x81".as_slice(), &state, b"b."].concat();
    let data: [(&str, &[u8]); 2] = [("a/data.pkl", &pickle), ("a/data/0", &[0; 64])];
    zipped(&[&data, code].concat(), CompressionMethod::Stored)
}

const TRANSFORMERS: [&str; 3] = [
    "vision_model.embeddings.class_embedding",
    "vision_model.pre_layrnorm.weight",
    "vision_model.encoder.layers.0.layer_norm1.bias",
];

#[test]
fn an_archive_stands_for_itself_whatever_its_names_are() {
    let folder = TempDir::new().unwrap();
    let config = r#"{"model_type": "clip", "vision_config": {"hidden_act": "quick_gelu"}}"#;
    fs::write(folder.path().join("config.json"), config).unwrap();
    let code: [(&str, &[u8]); 1] = [("a/code/__torch__/m.py", b"return torch.gelu(x)")];
    let path = folder.path().join("traced.pt");
    fs::write(&path, script(TRANSFORMERS, &code)).unwrap();
    let traced = load_path(&path).unwrap();
    assert_eq!(traced.format, Format::HuggingFace);
    let told = traced.config.activation.unwrap();
    assert_eq!((told.value, told.source), (Activation::Gelu, Told::Code));
    assert_eq!(traced.config.declared, Config::default().declared);
    // One that bears the name of OpenAI's is none of theirs.
    let report = refusal("RN50x4.pt", &script(TRANSFORMERS, &code));
    assert_says(&report, &["sha256", "rename it"]);
}

#[test]
fn the_files_of_an_archives_code_are_limited_together() {
    let part = vec![b'#'; 4 << 20];
    let names = [
        "a/code/1.py",
        "a/code/2.py",
        "a/code/3.py",
        "a/code/4.py",
        "a/code/5.py",
    ];
    let code = names.map(|name| (name, part.as_slice()));
    assert_says(
        &refusal("x.pt", &script(TRANSFORMERS, &code)),
        &["a/code/", "too many", "state_dict()"],
    );
}

#[test]
fn a_configuration_overrules_a_name_where_it_says_anything() {
    let folder = TempDir::new().unwrap();
    let from = fixture("rn/open_clip");
    let told = |name: &str, quick: Option<serde_json::Value>| {
        let own = folder.path().join(name);
        fs::create_dir_all(&own).unwrap();
        copy_folder(&from, &own);
        let path = own.join("open_clip_config.json");
        let mut json: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let model = json["model_cfg"].as_object_mut().unwrap();
        model.remove("quick_gelu");
        model.extend(quick.map(|quick| ("quick_gelu".to_owned(), quick)));
        fs::write(path, json.to_string()).unwrap();
        let told = load_path(own).unwrap().config.activation.unwrap();
        (told.value, told.source)
    };
    let file = Told::File("open_clip_config.json");
    let (quick, gelu) = (Activation::QuickGelu, Activation::Gelu);
    for (name, said, expected) in [
        ("vit-b-32-noquickgelu", Some(false), (gelu, file)),
        ("vit-b-32-quickgelu", Some(true), (quick, file)),
        ("vit-b-32-quickgelu", None, (quick, Told::Name)),
        ("resnet50_clip.openai", Some(true), (quick, file)),
        ("resnet50_clip.openai", None, (quick, Told::Name)),
        ("CLIP-ViT-B-32-laion2B", None, (gelu, file)),
        ("vit_base_clip.laion400m_e32", Some(true), (quick, file)),
    ] {
        assert_eq!(told(name, said.map(Into::into)), expected, "{name}");
    }
}

#[test]
fn flipped_bytes_in_the_pickle_never_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("flipped.pt");
    for (file, rounds) in [
        ("rn/openai.pt", 1500),
        ("rn/state_dict.pt", 1000),
        ("rn/open_clip.pt", 1000),
    ] {
        let bytes = fs::read(fixture(file)).unwrap();
        let (start, length) = pickle_range(&bytes);
        for _ in 0..rounds {
            let mut damaged = bytes.clone();
            for _ in 0..random.random_range(1..4) {
                damaged[start + random.random_range(0..length)] ^= random.random_range(1..=255u8);
            }
            fs::write(&path, &damaged).unwrap();
            if let Err(error) = load_path(&path) {
                assert_eq!(error.kind(), Kind::Weights, "{}", error.report());
            }
        }
    }
}

#[test]
fn flipped_bytes_in_headers_never_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("flipped");
    let safetensors = fs::read(fixture("rn/open_clip/open_clip_model.safetensors")).unwrap();
    let header = u64::from_le_bytes(safetensors[..8].try_into().unwrap()) as usize;
    let archive = fs::read(fixture("rn/state_dict.pt")).unwrap();
    let directory = archive.len() - 20_000;
    for (bytes, range) in [
        (&safetensors, 0..header + 8),
        (&archive, directory..archive.len()),
    ] {
        for _ in 0..800 {
            let mut damaged = bytes.clone();
            damaged[random.random_range(range.clone())] ^= random.random_range(1..=255u8);
            fs::write(&path, &damaged).unwrap();
            if let Err(error) = load_path(&path) {
                assert_eq!(error.kind(), Kind::Weights, "{}", error.report());
            }
        }
    }
}

#[test]
fn missing_files_and_empty_folders_say_what_to_do() {
    let error = load_path("/nowhere/RN50.pt").unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert_says(&error.report(), &["/nowhere/RN50.pt"]);
    let folder = TempDir::new().unwrap();
    let report = load_path(folder.path()).unwrap_err().report();
    assert_says(
        &report,
        &[
            "holds no weights",
            "open_clip_model.safetensors",
            "pytorch_model.bin",
        ],
    );
}

#[test]
fn an_index_must_name_shards_that_lie_beside_it() {
    let folder = TempDir::new().unwrap();
    copy_folder(&fixture("vit/hf"), folder.path());
    let index = folder.path().join("model.safetensors.index.json");
    for (text, says) in [
        (
            r#"{"weight_map": {"a": "gone.safetensors"}}"#,
            "gone.safetensors, which is missing",
        ),
        (
            r#"{"weight_map": {"a": "../model-00001-of-00002.safetensors"}}"#,
            "no file beside it",
        ),
        (
            r#"{"weight_map": {"a": "/etc/passwd"}}"#,
            "no file beside it",
        ),
        (r#"{"weight_map": {"a": ".."}}"#, "no file beside it"),
        (r#"{"weight_map": {"a": ""}}"#, "no file beside it"),
        (r#"{"weight_map": {"a": 3}}"#, "no file beside it"),
        (r#"{"weight_map": {}}"#, "lists no weights"),
        ("[1, 2", "not the JSON file"),
    ] {
        fs::write(&index, text).unwrap();
        let error = load_path(folder.path()).unwrap_err();
        assert_eq!(error.kind(), Kind::Weights);
        assert_says(&error.report(), &["model.safetensors.index.json", says]);
        let fixes = ["download it again", "put it there too"];
        assert!(fixes.iter().any(|fix| error.report().contains(fix)));
    }
}

#[test]
fn a_config_of_another_kind_of_model_is_an_error() {
    let folder = TempDir::new().unwrap();
    copy_folder(&fixture("vit/hf"), folder.path());
    fs::write(
        folder.path().join("config.json"),
        r#"{"model_type": "siglip"}"#,
    )
    .unwrap();
    assert_says(
        &load_path(folder.path()).unwrap_err().report(),
        &["siglip", "clip"],
    );
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A PyTorch archive with this data.pkl and a storage of 64 zero bytes.
fn archive(pickle: &[u8]) -> Vec<u8> {
    let entries = [("a/data.pkl", pickle), ("a/data/0", &[0; 64])];
    zipped(&entries, CompressionMethod::Stored)
}

fn zipped(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let options = SimpleFileOptions::default().compression_method(method);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A fixture's archive with every entry packed by `method`.
fn rezip(file: &str, method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipArchive::new(Cursor::new(fs::read(fixture(file)).unwrap())).unwrap();
    let mut entries = Vec::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        entries.push((entry.name().unwrap().into_owned(), bytes));
    }
    let entries: Vec<_> = entries
        .iter()
        .map(|(name, bytes)| (&name[..], &bytes[..]))
        .collect();
    zipped(&entries, method)
}

/// Where an archive's data.pkl lies in its bytes, and how long it is.
fn pickle_range(bytes: &[u8]) -> (usize, usize) {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    for index in 0..zip.len() {
        let entry = zip.by_index(index).unwrap();
        if entry.name().unwrap().ends_with("data.pkl") {
            return (entry.data_start().unwrap() as usize, entry.size() as usize);
        }
    }
    panic!("the fixture has no data.pkl");
}
