//! Which pictures are read, in which order, what the files tell of them, and how they are divided.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ndarray::ArrayD;
use ndarray_npy::NpzReader;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Answer, command, files, fixture, percept, success};

/// Far more than any of these runs takes on a busy machine, and far less than for ever.
const NEVER: Duration = Duration::from_secs(300);

/// Runs the program, which is not to wait for anything.
fn prompt(folder: &Path, arguments: &[&str]) -> Answer {
    let mut child = command(folder, arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > NEVER {
            child.kill().unwrap();
            panic!("it waits");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap().into()
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn picture(name: &str) -> Vec<u8> {
    fs::read(fixture(&format!("pictures/{name}"))).unwrap()
}

/// What a file of either format tells of itself.
fn notes(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap();
    if path.extension().unwrap() == "npz" {
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        let mut member = archive.by_name("percept.json").unwrap();
        member.read_to_string(&mut text).unwrap();
        return serde_json::from_str(&text).unwrap();
    }
    let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    serde_json::from_str(header["__metadata__"]["percept"].as_str().unwrap()).unwrap()
}

fn array(path: &Path, key: &str) -> ArrayD<f32> {
    let file = fs::File::open(path).unwrap();
    NpzReader::new(file).unwrap().by_name(key).unwrap()
}

/// Good pictures among files of every kind that are none.
fn mixed(folder: &Path) -> Vec<&'static str> {
    put(folder, "good.jpg", &picture("baseline-420.jpg"));
    put(folder, "other.png", &picture("palette.png"));
    let whole = picture("progressive-420.jpg");
    put(folder, "cut.jpg", &whole[..whole.len() * 6 / 10]);
    put(folder, "empty.png", b"");
    put(folder, "page.jpg", b"<!DOCTYPE html><title>404</title>");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", folder.join("dangling.png")).unwrap();
        std::os::unix::net::UnixListener::bind(folder.join("socket.png")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(folder.join("pipe.png"))
            .status();
        assert!(made.unwrap().success());
    }
    match cfg!(unix) {
        true => vec![
            "cut.jpg",
            "dangling.png",
            "empty.png",
            "page.jpg",
            "pipe.png",
            "socket.png",
        ],
        false => vec!["cut.jpg", "empty.png", "page.jpg"],
    }
}

#[test]
fn all_bad_pictures_are_named_once_before_anything_is_computed() {
    let folder = TempDir::new().unwrap();
    let bad = mixed(folder.path());
    let pictures: Vec<&str> = ["good.jpg", "other.png"]
        .iter()
        .chain(&bad)
        .copied()
        .collect();
    let rest = [
        "good.jpg",
        "cut.jpg",
        "--out",
        "a.npz",
        "--model",
        "no-such.pt",
    ];
    let answer = prompt(folder.path(), &[&["encode"], &pictures[..], &rest].concat());
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    assert_eq!(answer.stderr.lines().count(), 1, "{}", answer.stderr);
    for name in &bad {
        assert_eq!(
            answer.stderr.matches(name).count(),
            1,
            "{name}: {}",
            answer.stderr
        );
    }
    for word in ["--skip-bad", "cut off", "empty", "no picture"] {
        assert!(answer.stderr.contains(word), "{word}: {}", answer.stderr);
    }
    assert!(!answer.stderr.contains("good.jpg"), "{}", answer.stderr);
    assert!(!folder.path().join("a.npz").exists());
}

#[test]
fn bad_pictures_are_left_out_when_asked_for_and_named() {
    let folder = TempDir::new().unwrap();
    let bad = mixed(folder.path());
    for out in ["a.npz", "a.safetensors"] {
        let answer = prompt(folder.path(), &["encode", ".", "--skip-bad", "--out", out]);
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        for name in &bad {
            assert_eq!(
                answer.stderr.matches(name).count(),
                1,
                "{name}: {}",
                answer.stderr
            );
        }
        let notes = notes(&folder.path().join(out));
        assert_eq!(
            notes["files"],
            serde_json::json!(["./good.jpg", "./other.png"])
        );
        let skipped: Vec<&str> = notes["skipped"]
            .as_array()
            .unwrap()
            .iter()
            .map(|skipped| skipped["file"].as_str().unwrap().trim_start_matches("./"))
            .collect();
        assert_eq!(skipped, bad);
    }
    assert_eq!(
        array(&folder.path().join("a.npz"), "input").shape(),
        [2, 3, 64, 64]
    );
    let none = prompt(
        folder.path(),
        &["encode", "cut.jpg", "--skip-bad", "--out", "b.npz"],
    );
    assert_eq!(none.code, Some(1));
    assert!(!folder.path().join("b.npz").exists());
}

/// A picture that only decoding shows to be damaged.
fn hidden_damage() -> Vec<u8> {
    let mut bytes = picture("rgb-16.png");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    bytes
}

#[test]
fn damage_that_only_decoding_finds_stops_the_run_or_is_left_out() {
    let folder = TempDir::new().unwrap();
    put(folder.path(), "a.png", &picture("palette.png"));
    put(folder.path(), "b.png", &hidden_damage());
    put(folder.path(), "c.png", &picture("grey.png"));
    let arguments = [
        "encode",
        "a.png",
        "b.png",
        "c.png",
        "--out",
        "a.npz",
        "--shard-size",
        "1",
    ];
    let answer = percept(folder.path(), &arguments);
    assert_eq!(answer.code, Some(1));
    for word in ["b.png is damaged", "--skip-bad"] {
        assert!(answer.stderr.contains(word), "{}", answer.stderr);
    }
    success(folder.path(), &[&arguments[..], &["--skip-bad"]].concat());
    for (index, rows) in [1, 0, 1].into_iter().enumerate() {
        let path = folder.path().join(format!("a-0000{index}-of-00003.npz"));
        assert_eq!(array(&path, "input").shape(), [rows, 3, 64, 64]);
        let notes = notes(&path);
        assert_eq!(notes["files"].as_array().unwrap().len(), rows);
        assert_eq!(notes["skipped"].as_array().unwrap().len(), 1 - rows);
        assert_eq!(notes["shard"], serde_json::json!({"index": index, "of": 3}));
    }
}

#[test]
fn a_folder_is_its_pictures_in_order_and_the_notes_say_what_was_done() {
    let folder = TempDir::new().unwrap();
    put(folder.path(), "in/b.JPG", &picture("p3.jpg"));
    put(folder.path(), "in/a/z.webp", &picture("lossy.webp"));
    put(folder.path(), "in/a/.hidden.png", b"");
    put(folder.path(), "in/notes.txt", b"");
    let given = [
        "in",
        "--upright",
        "--colour-managed",
        "--tap",
        "layer4",
        "--gradient",
        "layer4:3",
    ];
    for out in ["a.npz", "a.safetensors"] {
        let arguments = [&["encode"][..], &given, &["--text", "cat", "--out", out]].concat();
        success(folder.path(), &arguments);
        let first = fs::read(folder.path().join(out)).unwrap();
        let notes = notes(&folder.path().join(out));
        assert_eq!(
            notes["files"],
            serde_json::json!(["in/a/z.webp", "in/b.JPG"])
        );
        assert_eq!(notes["percept"], env!("CARGO_PKG_VERSION"));
        assert_eq!(notes["model"]["name"], "mini");
        assert_eq!(notes["model"]["sha256"].as_str().unwrap().len(), 64);
        let done = &notes["preprocessing"];
        assert_eq!(
            (&done["upright"], &done["colour_managed"]),
            (&true.into(), &true.into())
        );
        assert_eq!(done["size"], 64);
        assert_eq!(done["mean"].as_array().unwrap().len(), 3);
        assert_eq!(notes["taps"], serde_json::json!(["layer4"]));
        assert_eq!(notes["gradient"], "layer4:3");
        assert_eq!(notes["texts"], serde_json::json!(["cat"]));
        success(folder.path(), &arguments);
        assert_eq!(fs::read(folder.path().join(out)).unwrap(), first, "{out}");
    }
    let plain = success(folder.path(), &["encode", "in", "--out", "plain.npz"]);
    assert_eq!(plain.code, Some(0));
    let (plain, managed) = (folder.path().join("plain.npz"), folder.path().join("a.npz"));
    assert_ne!(array(&plain, "input"), array(&managed, "input"));
    assert_eq!(notes(&plain)["preprocessing"]["upright"], false);
    let empty = percept(folder.path(), &["encode", ".", "--out", "b.npz"]);
    assert_eq!(empty.code, Some(0), "{}", empty.stderr);
}

#[test]
fn shards_hold_the_rows_of_the_whole_in_order() {
    let folder = TempDir::new().unwrap();
    for index in 0..5u8 {
        let picture = image::RgbImage::from_fn(80, 70, |x, y| {
            image::Rgb([(x * u32::from(index)) as u8, y as u8, index])
        });
        fs::create_dir_all(folder.path().join("in")).unwrap();
        picture
            .save(folder.path().join(format!("in/{index}.png")))
            .unwrap();
    }
    let whole = ["encode", "in", "--tap", "layer4.0.sum", "--quiet"];
    success(
        folder.path(),
        &[&whole[..], &["--out", "whole.npz"]].concat(),
    );
    success(
        folder.path(),
        &[
            &whole[..],
            &["--out", "part.npz", "--shard-size", "2", "--no-input"],
        ]
        .concat(),
    );
    let parts: Vec<String> = files(folder.path())
        .iter()
        .map(|path| path.display().to_string())
        .filter(|name| name.starts_with("part"))
        .collect();
    assert_eq!(
        parts,
        [0, 1, 2].map(|index| format!("part-0000{index}-of-00003.npz"))
    );
    for key in ["act.layer4.0.sum", "image_embedding"] {
        let rows: Vec<ArrayD<f32>> = parts
            .iter()
            .map(|part| array(&folder.path().join(part), key))
            .collect();
        let views: Vec<_> = rows.iter().map(|rows| rows.view()).collect();
        let joined = ndarray::concatenate(ndarray::Axis(0), &views).unwrap();
        assert_eq!(
            joined,
            array(&folder.path().join("whole.npz"), key),
            "{key}"
        );
    }
    let mut archive =
        NpzReader::new(fs::File::open(folder.path().join(&parts[0])).unwrap()).unwrap();
    assert!(
        !archive
            .names()
            .unwrap()
            .iter()
            .any(|name| name.starts_with("input"))
    );
    assert!(
        archive
            .by_name::<ndarray::OwnedRepr<f32>, ndarray::IxDyn>("input")
            .is_err()
    );
}

#[test]
fn pooled_taps_are_one_row_of_channels() {
    let folder = TempDir::new().unwrap();
    put(folder.path(), "a.png", &picture("rgb-16.png"));
    let (rn, vit) = (fixture("rn/openai.pt"), fixture("vit/openai.pt"));
    let (rn, vit) = (rn.to_str().unwrap(), vit.to_str().unwrap());
    let encode = |model: &str, tap: &str, pool: Option<&str>| -> ArrayD<f32> {
        let mut arguments = vec![
            "encode", "a.png", "--model", model, "--tap", tap, "--out", "a.npz",
        ];
        arguments.extend(pool.into_iter().flat_map(|pool| ["--pool", pool]));
        success(folder.path(), &arguments);
        array(&folder.path().join("a.npz"), &format!("act.{tap}"))
    };
    let close = |a: &ArrayD<f32>, b: &[f32]| {
        assert_eq!(a.shape(), [1, b.len()]);
        assert!(
            a.iter()
                .zip(b)
                .all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0))
        );
    };
    let map = encode(rn, "layer2", None);
    let channels = || map.outer_iter().next().unwrap().to_owned();
    let rows = |of: fn(&[f32]) -> f32| -> Vec<f32> {
        let image = channels();
        image
            .outer_iter()
            .map(|cells| of(&cells.iter().copied().collect::<Vec<_>>()))
            .collect()
    };
    let mean = |cells: &[f32]| cells.iter().sum::<f32>() / cells.len() as f32;
    let max = |cells: &[f32]| cells.iter().copied().fold(f32::MIN, f32::max);
    close(&encode(rn, "layer2", Some("mean")), &rows(mean));
    close(&encode(rn, "layer2", Some("max")), &rows(max));

    let tokens = encode(vit, "blocks.1", None);
    let (count, width) = (tokens.shape()[1], tokens.shape()[2]);
    let over = |first: usize, end: usize, of: fn(&[f32]) -> f32| -> Vec<f32> {
        let column = |channel| {
            (first..end)
                .map(|token| tokens[[0, token, channel]])
                .collect::<Vec<_>>()
        };
        (0..width).map(|channel| of(&column(channel))).collect()
    };
    close(
        &encode(vit, "blocks.1", Some("mean")),
        &over(1, count, mean),
    );
    close(&encode(vit, "blocks.1", Some("max")), &over(1, count, max));
    close(&encode(vit, "blocks.1", Some("cls")), &over(0, 1, mean));

    let refused = percept(
        folder.path(),
        &[
            "encode", "a.png", "--model", rn, "--tap", "layer2", "--pool", "cls", "--out", "b.npz",
        ],
    );
    assert_eq!(refused.code, Some(1));
    for word in ["class token", "mean or max"] {
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
}

/// What memory a run of so many pictures takes at most, in MB, and the length of what it writes.
#[cfg(target_os = "linux")]
fn memory(folder: &Path, pictures: usize, out: &str) -> (u64, u64) {
    let repeated = vec!["a.png"; pictures];
    let rest = ["--tap", "all", "--quiet", "--threads", "2", "--out", out];
    let mut child = command(folder, &[&["encode"], &repeated[..], &rest].concat())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        most = most.max(kilobytes.unwrap_or_default() / 1000);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    let length = fs::metadata(folder.join(out)).unwrap().len() / 1_000_000;
    fs::remove_file(folder.join(out)).unwrap();
    (most, length)
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_pictures() {
    let folder = TempDir::new().unwrap();
    put(folder.path(), "a.png", &picture("palette.png"));
    for ending in ["npz", "safetensors"] {
        let out = format!("a.{ending}");
        let (few, _) = memory(folder.path(), 8, &out);
        let (many, length) = memory(folder.path(), 100, &out);
        assert!(length > 80, "a file of {length} MB shows nothing");
        assert!(
            many < few + length / 3,
            "{ending}: {few} MB, then {many} for {length}"
        );
    }
}
