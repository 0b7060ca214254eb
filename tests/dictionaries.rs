//! Dictionaries of directions: files that NumPy and safetensors wrote, and the pictures that come of their rows.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use candle_core::{DType, Device, Tensor};
use ndarray::Array2;
use percept::input::arrays::ArrayFile;
use percept::input::vectors::Vectors;
use percept::model::{Model, Options};
use percept::objective::{Bound, Sources};
use percept::recipe::Request;
use tempfile::TempDir;

use crate::common::{self, fixture, refused, success};

static MINI: LazyLock<Model> = LazyLock::new(|| Model::load("mini", Options::default()).unwrap());

/// The channels of the tap that directions are tried at.
const CHANNELS: usize = 768;

/// The row of the dictionary that `fixtures/dictionaries.py` writes; a quarter of whole numbers.
fn row(index: usize) -> [f64; 3] {
    [0, 1, 2].map(|k| ((7 * index + 3 * k) % 11) as f64 / 4.0 - 1.25)
}

fn dictionary(file: &str, name: Option<&str>) -> percept::Result<Vectors> {
    let path = fixture("dictionaries").join(file);
    Vectors::of(ArrayFile::open(&path)?.array(name)?, 3)
}

#[track_caller]
fn holds_the_rows(file: &str, name: Option<&str>, scale: f64) {
    let vectors = dictionary(file, name).unwrap();
    assert_eq!(vectors.count(), 5, "{file} {name:?}");
    for index in 0..5 {
        let expected = row(index).map(|x| x * scale);
        assert_eq!(vectors.get(index).unwrap(), expected, "{file} {name:?}");
    }
    let report = vectors.get(5).unwrap_err().report();
    assert!(
        report.contains("holds 5 vectors, there is no row 5"),
        "{report}"
    );
}

#[test]
fn numpy_s_arrays_are_read_in_every_type_and_order() {
    let floats = ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"].map(|kind| (kind, 1.0));
    let whole = ["i1", "<i2", ">i4", "<i8"].map(|kind| (kind, 4.0));
    for (kind, scale) in floats.into_iter().chain(whole) {
        for order in ["rows.C", "rows.F", "columns.C", "columns.F"] {
            let name = format!("{kind}.{order}");
            holds_the_rows("stored.npz", Some(&name), scale);
            holds_the_rows("compressed.npz", Some(&name), scale);
        }
    }
    for file in ["version1.npy", "version2.npy", "version3.npy", "one.npz"] {
        holds_the_rows(file, None, 1.0);
    }
    for file in ["vector.npy", "vector-of-axes.npy"] {
        let vectors = dictionary(file, None).unwrap();
        assert_eq!(vectors.count(), 1, "{file}");
        assert_eq!(vectors.get(0).unwrap(), row(2), "{file}");
    }
}

#[test]
fn a_sparse_autoencoder_s_decoder_is_read_in_every_type_and_orientation() {
    for kind in ["float16", "bfloat16", "float32", "float64"] {
        for name in ["W_dec", "decoder.weight"] {
            holds_the_rows("sae.safetensors", Some(&format!("{kind}.{name}")), 1.0);
        }
    }
}

#[test]
fn which_of_several_arrays_is_asked_for_by_name() {
    let report = |file: &str, name: Option<&str>| dictionary(file, name).err().unwrap().report();
    let unnamed = report("sae.safetensors", None);
    for words in [
        "holds 9 arrays, b_dec, bfloat16.W_dec",
        "sae.safetensors#b_dec",
    ] {
        assert!(unnamed.contains(words), "{unnamed}");
    }
    let misspelled = report("sae.safetensors", Some("float32.W_deck"));
    assert!(
        misspelled.contains("did you mean float32.W_dec?"),
        "{misspelled}"
    );
    let named = report("version1.npy", Some("W_dec"));
    assert!(named.contains("leave out #W_dec"), "{named}");
    let fits = dictionary("sae.safetensors", Some("b_dec")).unwrap();
    assert_eq!(fits.count(), 1);
}

/// `n` vectors for a tap of the embedded model, without anything random in them.
fn vectors(n: usize) -> Array2<f32> {
    Array2::from_shape_fn((n, CHANNELS), |(r, k)| ((r * 31 + k) as f32 * 0.7).sin())
}

fn written(folder: &TempDir, name: &str, array: &Array2<f32>) -> PathBuf {
    let path = folder.path().join(name);
    ndarray_npy::write_npy(&path, array).unwrap();
    path
}

fn asked(path: &Path, rows: &str) -> Request {
    Request {
        units: vec![format!("direction(layer4.0.sum, {}{rows})", path.display())],
        size: Some(percept::size::Size::square(32)),
        ..Request::default()
    }
}

/// The value of the objective on a fixed picture.
fn value(objective: &str, sources: &Sources) -> f64 {
    let bound = Bound::new(&objective.parse().unwrap(), sources).unwrap();
    let pixels: Vec<f32> = (0..3 * 64 * 64).map(|i| (i as f32 * 0.37).sin()).collect();
    let image = Tensor::from_vec(pixels, (1, 3, 64, 64), &Device::Cpu).unwrap();
    let pass = MINI.encoder.forward(&image, bound.taps()).unwrap();
    bound.evaluate(&MINI.encoder, &pass, None).unwrap().value
}

#[test]
fn a_row_is_worth_what_its_vector_is_by_itself() {
    let folder = TempDir::new().unwrap();
    let all = vectors(4);
    let rows = written(&folder, "rows.npy", &all);
    let columns = written(&folder, "columns.npy", &all.t().to_owned());
    let sources = Sources::new(&MINI);
    for index in 0..4 {
        let one = all.slice(ndarray::s![index..=index, ..]).to_owned();
        let one = written(&folder, &format!("{index}.npy"), &one);
        let spell =
            |path: &Path, rest: &str| format!("direction(layer4.0.sum, {}{rest})", path.display());
        let expected = value(&spell(&one, ", power=2"), &sources);
        for path in [&rows, &columns] {
            let row = spell(path, &format!(", {index}, power=2"));
            assert_eq!(value(&row, &sources), expected, "{row}");
        }
        assert_eq!(value(&spell(&one, ", 0, power=2"), &sources), expected);
    }
}

/// Once it was opened nothing is read from its place again: it is not there.
#[test]
fn five_hundred_rows_open_and_hash_their_file_once() {
    let folder = TempDir::new().unwrap();
    let path = written(&folder, "d.npy", &vectors(512));
    let expected = percept::input::digest(&path).unwrap();
    let sources = Sources::new(&MINI);
    let file = sources.file(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let recipes = asked(&path, ", 0..512").resolve(&sources).unwrap();
    assert_eq!(recipes.len(), 512);
    let digest: *const str = file.digest();
    for (index, recipe) in recipes.iter().enumerate() {
        let spelled = format!("direction(layer4.0.sum, {}, {index})", path.display());
        assert_eq!(recipe.objective.to_string(), spelled);
        assert_eq!(recipe.files[&path], expected);
        recipe.check(&sources).unwrap();
        recipe.job(&sources).unwrap();
    }
    let again = sources.file(&path).unwrap();
    assert!(Arc::ptr_eq(&again, &file));
    assert!(std::ptr::eq(again.digest(), digest));
}

#[test]
fn rows_are_named_in_files_and_sidecars_and_replayed() {
    let folder = TempDir::new().unwrap();
    written(&folder, "d.npy", &vectors(6));
    let fixed = ["--quiet", "--steps", "2", "--size", "32", "--scale", "1"];
    let units = "direction(layer4.0.sum, d.npy, 1,4..6, power=1)";
    success(
        folder.path(),
        &[&["render", units, "--out", "."], &fixed[..]].concat(),
    );
    for index in [1, 4, 5] {
        let stem = format!("mini-direction_layer4.0.sum__d.npy__{index}__power_1_-32px-2steps-s0");
        let sidecar = fs::read_to_string(folder.path().join(format!("{stem}.json"))).unwrap();
        let spelled = format!("\"direction(layer4.0.sum, d.npy, {index}, power=1)\"");
        assert!(sidecar.contains(&spelled), "{sidecar}");
        success(
            folder.path(),
            &["replay", &format!("{stem}.png"), "--quiet"],
        );
    }
    assert_eq!(common::files(folder.path()).len(), 1 + 3 * 4);
    written(&folder, "d.npy", &vectors(7));
    let stem = "mini-direction_layer4.0.sum__d.npy__1__power_1_-32px-2steps-s0.png";
    let replay = common::command(folder.path(), &["replay", stem])
        .output()
        .unwrap();
    let said = String::from_utf8(replay.stderr).unwrap();
    assert!(said.contains("is not the file"), "{said}");
}

#[test]
fn a_long_path_leaves_the_row_in_the_name() {
    let folder = TempDir::new().unwrap();
    let long = folder.path().join("a".repeat(90));
    fs::create_dir(&long).unwrap();
    ndarray_npy::write_npy(long.join("d.npy"), &vectors(2)).unwrap();
    let units = format!("direction(layer4.0.sum, {}/d.npy, 0..2)", long.display());
    let fixed = [
        "--quiet", "--steps", "1", "--size", "16", "--scale", "1", "--out", ".",
    ];
    success(&long, &[&["render", units.as_str()], &fixed[..]].concat());
    let files = common::files(&long);
    let count = |end: &str| {
        files
            .iter()
            .filter(|file| file.to_string_lossy().contains(end))
            .count()
    };
    assert_eq!(
        (count("-0-16px-1steps"), count("-1-16px-1steps")),
        (2, 2),
        "{files:?}"
    );
}

#[test]
fn what_a_dictionary_does_not_hold_is_refused() {
    let folder = TempDir::new().unwrap();
    let many = written(&folder, "many.npy", &vectors(6));
    let one = written(&folder, "one.npy", &vectors(1));
    let narrow = written(&folder, "narrow.npy", &Array2::zeros((6, 5)));
    let flat = written(&folder, "flat.npy", &Array2::zeros((24, 32)));
    let none = written(&folder, "none.npy", &Array2::zeros((0, CHANNELS)));
    for (path, rest, words) in [
        (&many, "", &["6 vectors", "many.npy, 0)", "0..6"][..]),
        (&many, ", 6", &["6 vectors", "no row 6", "count from 0"]),
        (&many, ", 0..7", &["6 vectors", "no row 6"]),
        (&many, ", 2,9", &["no row 9"]),
        (&many, ", -1", &["\"-1\" is neither a row", "ROW"]),
        (&many, ", 3..3", &["\"3..3\" is neither a row", "ROW"]),
        (&many, ", 0..3) - 0.1*tv", &["several rows"]),
        (
            &one,
            ", 2",
            &["one vector", "no row 2", "one.npy, power=2)"],
        ),
        (
            &narrow,
            ", 0",
            &["[6, 5]", "768 units of layer4.0.sum", "(n, 768)"],
        ),
        (&flat, "", &["[24, 32]", "(768, n)"]),
        (&none, ", 0", &["0 vectors"]),
    ] {
        let end = if rest.ends_with("tv") { "" } else { ")" };
        let text = format!("direction(layer4.0.sum, {}{rest}{end}", path.display());
        refused(&["render", &text], words);
    }
    let rows = format!("direction(layer4.0.sum, {}, 0..2)", many.display());
    refused(
        &["atlas", "--units", &rows],
        &["made of whole units", "percept render"],
    );
}

/// A bad row is its own picture's failure.
#[test]
fn a_row_that_is_not_finite_stops_no_other() {
    let folder = TempDir::new().unwrap();
    let mut array = vectors(3);
    array[[1, 5]] = f32::NAN;
    written(&folder, "d.npy", &array);
    let units = "direction(layer4.0.sum, d.npy, 0..3)";
    let fixed = [
        "--quiet", "--steps", "1", "--size", "16", "--scale", "1", "--out", ".",
    ];
    let run = common::command(folder.path(), &[&["render", units], &fixed[..]].concat());
    let output = { run }.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    for words in [
        "row 1 of d.npy holds a number that is not finite",
        "1 of 3 pictures",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(common::files(folder.path()).len(), 1 + 2 * 2);
}

#[test]
fn a_square_dictionary_is_said_to_be_read_by_rows() {
    let folder = TempDir::new().unwrap();
    written(&folder, "square.npy", &vectors(CHANNELS));
    let units = "direction(layer4.0.sum, square.npy, 5)";
    let fixed = ["--steps", "1", "--size", "16", "--scale", "1"];
    let answer = success(folder.path(), &[&["render", units], &fixed[..]].concat());
    assert!(
        answer.stderr.contains("square.npy is square"),
        "{}",
        answer.stderr
    );
    let sources = Sources::new(&MINI);
    let vectors_of_it = sources.vectors(&folder.path().join("square.npy"), None, CHANNELS);
    let expected = vectors(CHANNELS).row(5).mapv(f64::from).to_vec();
    assert_eq!(vectors_of_it.unwrap().get(5).unwrap(), expected);
}

/// 48 GiB that the disk does not hold: whoever read all of it would not come back.
#[cfg(unix)]
#[test]
fn a_row_of_a_huge_file_is_read_without_the_others() {
    let folder = TempDir::new().unwrap();
    let rows = 16 << 20;
    let header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {CHANNELS}), }}");
    let header = format!("{header:<117}\n");
    let head = [
        b"\x93NUMPY\x01\x00",
        &(header.len() as u16).to_le_bytes()[..],
        header.as_bytes(),
    ]
    .concat();
    let path = folder.path().join("huge.npy");
    fs::write(&path, &head).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len((head.len() + rows * CHANNELS * 4) as u64)
        .unwrap();
    let array = ArrayFile::open(&path).unwrap().array(None).unwrap();
    let vectors = Vectors::of(array, CHANNELS).unwrap();
    assert_eq!(vectors.count(), rows);
    assert_eq!(vectors.get(rows - 1).unwrap(), [0.0; CHANNELS]);
}

#[test]
fn hostile_files_are_errors() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("d.npy");
    let npy = |header: &str, data: &[u8]| {
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
    };
    let shape =
        |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let deep = format!("{{'descr': {}'<f4'", "[".repeat(40));
    let compressed = fs::read(fixture("dictionaries").join("compressed.npz")).unwrap();
    let stored = fs::read(fixture("dictionaries").join("stored.npz")).unwrap();
    for bytes in [
        npy(&shape("18446744073709551615, 2"), &[0; 24]),
        npy(&shape("4611686018427387904, 3, 4"), &[0; 24]),
        npy(&shape("-1, 3"), &[0; 24]),
        npy(&shape("2.0, 3"), &[0; 24]),
        npy(&shape("0, 4611686018427387904, 4"), &[]),
        npy(
            &shape("0, 4611686018427387904, 4").replace("False", "True"),
            &[],
        ),
        npy(&shape("2, 3"), &[0; 20]),
        npy(&shape("2, 3"), &[0; 28]),
        npy(
            &shape("2, 3").replace("'<f4'", "'<f4', 'descr': '<f4'"),
            &[0; 24],
        ),
        npy(&shape("2, 3").replace("False", "0"), &[0; 24]),
        npy(&deep, &[]),
        npy(&" ".repeat(65_000), &[]),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec(),
        b"\x93NUMPY\x04\x00\x01\x00{".to_vec(),
        b"PK\x03\x04".to_vec(),
        compressed[..compressed.len() / 2].to_vec(),
        stored[stored.len() / 2..].to_vec(),
        [&[255; 8][..], b"{}"].concat(),
        [&2u64.to_le_bytes()[..], b"{}"].concat(),
    ] {
        fs::write(&path, &bytes).unwrap();
        let array = ArrayFile::open(&path).unwrap().array(None);
        let read = array.and_then(|array| array.tensor());
        let report = read.err().map(|error| error.report());
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(90)]).into_owned();
        assert!(
            report.is_some_and(|report| report.contains("d.npy")),
            "{start}"
        );
    }
    assert!(ArrayFile::open(&folder.path().join("none.npy")).is_err());
    for at in (0..compressed.len()).step_by(7) {
        let mut damaged = compressed.clone();
        damaged[at] ^= 0x55;
        fs::write(&path, &damaged).unwrap();
        let _ = ArrayFile::open(&path).unwrap().array(Some("<f4.rows.C"));
    }
    for at in 0..400 {
        let mut damaged = stored.clone();
        damaged[at] ^= 0x55;
        fs::write(&path, &damaged).unwrap();
        if let Ok(array) = ArrayFile::open(&path).unwrap().array(Some("<f2.rows.C")) {
            let _ = array
                .tensor()
                .and_then(|tensor| Ok(tensor.to_dtype(DType::F32)?));
        }
    }
}
