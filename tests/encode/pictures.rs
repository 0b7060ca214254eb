//! Picture files of every kind, as Pillow reads them, and damaged ones, which are errors.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use image::RgbImage;
use percept::input::picture::{Reading, check, read};
use percept::model::preprocess::Fit;
use tempfile::TempDir;

use crate::common::fixture;

/// Levels of 256 by which decoders may differ where a format leaves rounding open (an inverse
/// cosine transform, a conversion of inks), and by which a conversion of colours by other
/// arithmetic does.
const LEVELS: u8 = 3;

/// The same for inks, whose profile is a table: littlecms interpolates in tetrahedra, percept
/// along each ink.
const LEVELS_BY_TABLE: u8 = 8;

const PLAIN: Reading = Reading {
    upright: false,
    colour_managed: false,
};

fn tensors(path: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(fixture(path), &Device::Cpu).unwrap()
}

fn expected() -> HashMap<String, Tensor> {
    tensors("pictures/expected.safetensors")
}

fn rgb(tensor: &Tensor) -> RgbImage {
    let (height, width, _) = tensor.dims3().unwrap();
    let levels = tensor.flatten_all().unwrap().to_vec1().unwrap();
    RgbImage::from_raw(width as u32, height as u32, levels).unwrap()
}

/// The largest difference of two pictures in levels.
#[track_caller]
fn difference(ours: &RgbImage, theirs: &RgbImage, name: &str) -> u8 {
    assert_eq!(ours.dimensions(), theirs.dimensions(), "{name}");
    let pairs = ours.as_raw().iter().zip(theirs.as_raw());
    pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

fn file(name: &str) -> PathBuf {
    fixture(&format!("pictures/{name}"))
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(fixture("pictures"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".safetensors"))
        .collect();
    names.sort();
    names
}

#[test]
fn every_kind_of_picture_is_what_pillow_makes_of_it() {
    let expected = expected();
    let mut off = Vec::new();
    for name in names() {
        check(&file(&name)).unwrap();
        let ours = read(&file(&name), PLAIN).unwrap_or_else(|error| panic!("{}", error.report()));
        let levels = difference(&ours, &rgb(&expected[&name]), &name);
        let exact = name.ends_with(".bmp") || name.starts_with("palette") || name.starts_with("l");
        if levels > if exact { 0 } else { LEVELS } {
            off.push(format!("{name}: {levels}"));
        }
    }
    assert!(off.is_empty(), "off by levels: {off:?}");
}

#[test]
fn orientations_are_applied_when_asked_for() {
    let expected = expected();
    let upright = Reading {
        upright: true,
        ..PLAIN
    };
    for name in names()
        .iter()
        .filter(|name| name.starts_with("orientation"))
    {
        let ours = read(&file(name), upright).unwrap();
        let theirs = rgb(&expected[&format!("upright.{name}")]);
        let levels = difference(&ours, &theirs, name);
        assert!(levels <= LEVELS, "{name}: off by {levels} levels");
    }
}

#[test]
fn profiles_are_converted_when_asked_for() {
    let expected = expected();
    let managed = Reading {
        colour_managed: true,
        ..PLAIN
    };
    let mut converted = 0;
    for name in names() {
        let Some(theirs) = expected.get(&format!("managed.{name}")) else {
            continue;
        };
        let ours = read(&file(&name), managed).unwrap_or_else(|error| panic!("{}", error.report()));
        let levels = difference(&ours, &rgb(theirs), &name);
        let most = if name.starts_with("cmyk") {
            LEVELS_BY_TABLE
        } else {
            LEVELS
        };
        assert!(levels <= most, "{name}: off by {levels} levels");
        let plain = difference(&read(&file(&name), PLAIN).unwrap(), &rgb(theirs), &name);
        assert!(plain > 10, "{name}: the profile does nothing");
        converted += 1;
    }
    assert_eq!(converted, 6);
}

#[test]
fn a_broken_profile_is_an_error_where_it_would_be_used() {
    let managed = Reading {
        colour_managed: true,
        ..PLAIN
    };
    for name in ["broken-profile.png", "broken-profile.jpg"] {
        let error = read(&file(name), managed).unwrap_err().report();
        for word in [name, "profile", "--colour-managed"] {
            assert!(error.contains(word), "{error}");
        }
    }
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_picture_that_is_cut_off_anywhere_is_an_error() {
    let folder = TempDir::new().unwrap();
    let mut taken = Vec::new();
    for name in names() {
        let whole = fs::read(file(&name)).unwrap();
        let intact = read(&file(&name), PLAIN).unwrap();
        for hundredths in (1..100).chain([100]) {
            let length = whole.len() * hundredths / 100 - usize::from(hundredths == 100);
            let path = written(folder.path(), &name, &whole[..length]);
            if read(&path, PLAIN).is_ok_and(|picture| picture != intact) {
                taken.push(format!("{name} at {length} of {}", whole.len()));
            }
        }
    }
    assert!(taken.is_empty(), "{taken:#?}");
}

/// Codes fall in step again after damage, and where by chance as many blocks come out as before,
/// nothing shows it: this share of damages is found at least.
const FOUND: f64 = 0.9;

#[test]
fn damaged_entropy_coded_data_are_an_error() {
    let folder = TempDir::new().unwrap();
    let damages: [fn(&mut Vec<u8>, usize); 4] = [
        |bytes, at| drop(bytes.drain(at..at + 100)),
        |bytes, at| {
            let again = bytes[at..at + 100].to_vec();
            bytes.splice(at..at, again);
        },
        |bytes, at| bytes[at..at + 100].fill(0),
        |bytes, at| bytes[at..at + 2].copy_from_slice(&[0xff, 0xd9]),
    ];
    let (mut all, mut found) = (0, 0);
    for name in ["noise.jpg", "noise-progressive.jpg"] {
        let whole = fs::read(file(name)).unwrap();
        let start = whole
            .windows(2)
            .position(|pair| pair == [0xff, 0xda])
            .unwrap()
            + 16;
        for damage in damages {
            for part in 0..40 {
                let mut bytes = whole.clone();
                damage(&mut bytes, start + (whole.len() - start - 110) * part / 40);
                let path = written(folder.path(), "damaged.jpg", &bytes);
                all += 1;
                if let Err(error) = read(&path, PLAIN) {
                    assert!(error.to_string().contains("damaged.jpg is"), "{error}");
                    found += 1;
                }
            }
        }
    }
    println!("{found} of {all}");
    assert!(
        f64::from(found) >= FOUND * f64::from(all),
        "{found} of {all}"
    );
}

#[test]
fn a_jpeg_ends_with_its_marker_and_what_is_appended_is_ignored() {
    let folder = TempDir::new().unwrap();
    let whole = fs::read(file("noise.jpg")).unwrap();
    let intact = read(&file("noise.jpg"), PLAIN).unwrap();
    let appended = [&whole[..], &[7; 100_000], b"\xff\xd8 another"].concat();
    let path = written(folder.path(), "appended.jpg", &appended);
    check(&path).unwrap();
    assert!(read(&path, PLAIN).unwrap() == intact);
    for length in [whole.len() - 1, whole.len() - 2, whole.len() * 6 / 10] {
        let path = written(folder.path(), "cut.jpg", &whole[..length]);
        for error in [check(&path).unwrap_err(), read(&path, PLAIN).unwrap_err()] {
            assert!(error.to_string().contains("cut.jpg is cut off"), "{error}");
        }
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), bit);
    !bytes.iter().fold(!0, byte)
}

/// A file that claims another size, as its format does.
fn claiming(name: &str, width: u32, height: u32) -> Vec<u8> {
    let mut bytes = fs::read(file(name)).unwrap();
    let big = |value: u32| (value as u16).to_be_bytes();
    let little = |value: u32| (value as u16).to_le_bytes();
    match name.rsplit('.').next().unwrap() {
        "jpg" => {
            let frame = |pair: &[u8]| pair == [0xff, 0xc0] || pair == [0xff, 0xc2];
            let at = bytes.windows(2).position(frame).unwrap() + 5;
            bytes[at..at + 4].copy_from_slice(&[big(height), big(width)].concat());
        }
        "png" => {
            bytes[16..24].copy_from_slice(&[width.to_be_bytes(), height.to_be_bytes()].concat());
            let sum = crc32(&bytes[12..29]);
            bytes[29..33].copy_from_slice(&sum.to_be_bytes());
        }
        "gif" => bytes[6..10].copy_from_slice(&[little(width), little(height)].concat()),
        _ => bytes[18..26].copy_from_slice(&[width.to_le_bytes(), height.to_le_bytes()].concat()),
    }
    bytes
}

#[test]
fn a_size_that_cannot_be_is_refused_before_memory_is_taken() {
    let folder = TempDir::new().unwrap();
    for name in [
        "noise.jpg",
        "noise-progressive.jpg",
        "rgb-16.png",
        "palette.gif",
        "rgb.bmp",
    ] {
        let path = written(folder.path(), name, &claiming(name, 12_000, 12_000));
        for error in [check(&path).unwrap_err(), read(&path, PLAIN).unwrap_err()] {
            let error = error.report();
            for word in [name, "12000x12000", "too few"] {
                assert!(error.contains(word), "{error}");
            }
        }
        let path = written(folder.path(), name, &claiming(name, 20_001, 20_000));
        let error = check(&path).unwrap_err().report();
        assert!(error.contains("at most 400 million"), "{error}");
    }
}

#[test]
fn pictures_are_resized_and_cut_as_torchvision_does() {
    let expected = tensors("preprocess.safetensors");
    for (height, width) in [(64, 64), (97, 64), (53, 131), (301, 200), (40, 41)] {
        let get = |name: &str| rgb(&expected[&format!("{height}x{width}.{name}")]);
        assert!(
            Fit::CLIP.square(&get("picture"), 64).unwrap() == get("square"),
            "{height}x{width}"
        );
    }
}

#[test]
fn hard_edges_and_every_shape_are_resized_to_pillows_very_levels() {
    let expected = tensors("pictures/resized.safetensors");
    let mut cases = 0;
    for (name, given) in &expected {
        let Some(name) = name.strip_suffix(".picture") else {
            continue;
        };
        let side = name.rsplit('-').next().unwrap().parse().unwrap();
        let theirs = rgb(&expected[&format!("{name}.square")]);
        let ours = Fit::CLIP.square(&rgb(given), side).unwrap();
        let pairs = ours.as_raw().iter().zip(theirs.as_raw());
        let largest = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert_eq!(largest, 0, "{name}: off by {largest} levels");
        cases += 1;
    }
    assert_eq!(cases, 28);
}
