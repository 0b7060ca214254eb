//! Atlases of made-up units.

use std::f32::consts::PI;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use image::{Rgb, RgbImage};
use percept::ascent::quality::{Quality, Selectivity};
use percept::atlas::manifest::{Header, Tap};
use percept::atlas::publish::publish;
use percept::atlas::record::{Moments, Near, Picture, Record, Shows};
use percept::model::mini;
use percept::model::spec::Activation;
use percept::recipe::ModelEntry;

/// Distinct pictures; units share them.
const PICTURES: usize = 96;

pub const LARGE: &str = "layer4.5.sum";
pub const SMALL: &str = "layer3.0.conv1";

pub fn header() -> Header {
    let tap = |name: &str, units| Tap {
        name: name.to_owned(),
        units,
        options: Some(["--model", "weights/RN50x4.pt"].map(str::to_owned).to_vec()),
    };
    Header {
        model: ModelEntry {
            name: "weights/RN50x4.pt".to_owned(),
            sha256: "0".repeat(64),
            activation: Activation::QuickGelu,
            prefix: None,
            conventions: None,
        },
        recipe: serde_json::json!({ "preset": "lucid", "steps": 512, "size": 288 }),
        taps: vec![tap(LARGE, 12000), tap(SMALL, 320)],
    }
}

/// Numbers in [0, 1) without a pattern, the same on every run.
pub fn noise(index: usize, salt: usize) -> f64 {
    let mixed = (index as u64 + 1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add((salt as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9));
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 40) as f64 / f64::from(1u32 << 24)
}

fn paint(index: usize, side: u32) -> RgbImage {
    let r = |salt| noise(index, salt) as f32;
    RgbImage::from_fn(side, side, |x, y| {
        let (x, y) = (x as f32 / side as f32 - 0.5, y as f32 / side as f32 - 0.5);
        let angle = y.atan2(x) * (2.0 + (r(1) * 6.0).floor());
        let radius = (x * x + y * y).sqrt() * (10.0 + 20.0 * r(2));
        let wave = (radius * 2.0 + angle + 3.0 * (x * 9.0 * r(3)).sin()).sin();
        let fall = (-4.0 * (x * x + y * y)).exp();
        Rgb([0, 1, 2].map(|channel| {
            let hue = (2.0 * PI * (r(4) + channel as f32 / 3.0 + 0.15 * wave)).cos();
            let level = 0.5 + 0.42 * fall * wave * hue + 0.12 * hue;
            (255.0 * level.clamp(0.0, 1.0)) as u8
        }))
    })
}

/// A picture on the disk.
pub struct Painted {
    pub file: String,
    sha256: String,
    side: u32,
}

/// Writes the pictures that all made-up units share.
pub fn paint_pictures(folder: &Path, side: u32) -> Vec<Painted> {
    fs::create_dir_all(folder.join("pictures/shared")).unwrap();
    (0..PICTURES)
        .map(|index| {
            let file = format!("pictures/shared/{index}.png");
            paint(index, side).save(folder.join(&file)).unwrap();
            let sha256 = percept::input::digest(&folder.join(&file)).unwrap();
            Painted { file, sha256, side }
        })
        .collect()
}

fn quality(index: usize, salt: usize, of: usize) -> Quality {
    let clean = 3.0 + 9.0 * noise(index, salt);
    let share = 0.5 + 0.5 * noise(index, salt + 1);
    Quality {
        activation: Some(clean),
        opened: Some(true),
        clean,
        robust_mean: clean * share,
        robust_sd: 0.1 + noise(index, salt + 2),
        robust_draws: 16,
        robust_ratio: Some(share),
        selectivity: Some(Selectivity {
            z: 2.0 + 6.0 * noise(index, salt + 3) + 4.0 * noise(index, salt + 4),
            rank: 1 + (noise(index, salt + 5).powi(6) * of as f64) as usize,
            of,
            statistics: "32 images of 1/f noise".to_owned(),
        }),
        spectrum_slope: Some(-0.6 - noise(index, salt + 6)),
    }
}

/// One unit, complete.
pub fn record(tap: &str, unit: usize, pictures: &[Painted], of: usize) -> Record {
    let concepts = mini::concepts();
    let words = |salt: usize, count: usize| -> Vec<String> {
        (0..count)
            .map(|place| {
                let at = noise(unit, salt + 31 * place) * concepts.len() as f64;
                concepts[at as usize].name.clone()
            })
            .collect()
    };
    let picture = |shows: Shows, variant: u32, salt: usize| {
        let at = (noise(unit, salt) * pictures.len() as f64) as usize;
        let Painted { file, sha256, side } = &pictures[at];
        Picture {
            shows,
            variant,
            seed: 0,
            file: file.clone(),
            sha256: sha256.clone(),
            width: *side,
            quality: quality(unit, salt, of),
        }
    };
    let near = |salt: usize| {
        (0..6)
            .map(|place| Near {
                unit: (noise(unit, salt + place) * of as f64) as usize,
                similarity: 0.9 - 0.1 * place as f32 - 0.05 * noise(unit, salt) as f32,
            })
            .collect()
    };
    Record {
        tap: tap.to_owned(),
        unit,
        pictures: vec![
            picture(Shows::Positive, 0, 100),
            picture(Shows::Positive, 1, 200),
            picture(Shows::Negative, 0, 300),
            picture(Shows::Facet("face".to_owned()), 0, 400),
        ],
        statistics: Some(Moments {
            mean: noise(unit, 500) - 0.5,
            sd: 0.2 + noise(unit, 501),
        }),
        words: words(1000, 5),
        drawings: words(2000, 5),
        line_art: words(3000, 5),
        labels: (0..4)
            .zip(words(4000, 4))
            .map(|(place, label)| {
                (
                    label,
                    0.5 - 0.1 * place as f32 - 0.05 * noise(unit, 600) as f32,
                )
            })
            .collect(),
        examples: (0..5)
            .map(|place| pictures[(unit + 7 * place) % pictures.len()].file.clone())
            .collect(),
        near_weights: near(700),
        near_responses: near(800),
        flag: None,
    }
}

pub fn records(pictures: &[Painted], large: usize, small: usize) -> Vec<Record> {
    let large = (0..large).map(|unit| record(LARGE, unit, pictures, 12000));
    let small = (0..small).map(|unit| record(SMALL, unit * 3, pictures, 320));
    large.chain(small).collect()
}

/// Units that the tests know by name.
pub const FLAGGED: usize = 89;
pub const UNPICTURED: usize = 9001;
pub const NAMED: usize = 7777;

/// An atlas of 10,000 units, made once and kept for whoever wants to look at it.
pub fn ten_thousand() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("atlas-of-10000");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        let pictures = paint_pictures(&folder, 64);
        let mut records = records(&pictures, 9_920, 80);
        records[UNPICTURED].pictures.clear();
        records[NAMED].labels[0].0 = "Ünique zebrafish".to_owned();
        records[NAMED + 1].words[3] = "unique".to_owned();
        let flags = format!("[\"{LARGE}\"]\n{FLAGGED} = \"about a religion\"\n");
        fs::write(folder.join("flags.toml"), flags).unwrap();
        publish(&folder, &header(), &records).unwrap();
        folder
    });
    &FOLDER
}
