//! Pictures that must not change: of every kind of objective, parameterisation and model, the SHA-256 of their
//! pixels. A change that is meant is a new version of the snapshot, in a commit that does nothing else.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::thread;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::common::{fixture, success};
use crate::needs::{Need, lanes};

/// What is rendered: of which model, and the other arguments.
const PICTURES: [(Model, &str); 24] = [
    (Mini, "117"),
    (Mini, "117 --negative"),
    (Mini, "117 --variants 2 --seed 7"),
    (Mini, "layer4.0.sum:97@centre"),
    (Mini, "layer3:12@1,0 --redirect 3"),
    (Mini, "layer1:5 --size 33"),
    (Mini, "embedding:3 --decay 1.5"),
    (Mini, "layer4.0.sum:5+0.5*layer3:40-2*tv"),
    (Mini, "5-10*l2+0.25*layer2:3 --lr 0.1"),
    (Mini, "tv-l2 --checkpoints 2,5"),
    (Mini, "direction(layer4.0.sum,v.npy)"),
    (Mini, "direction(layer4.0.sum,v.npy,power=2)-0.5*12"),
    (Mini, "direction(layer4.0.sum,v.npy,power=4) --negative"),
    (Mini, "89 --pixel"),
    (Mini, "89 --pixel --size 41 --preset none"),
    (Mini, "317 --preset goh2021"),
    (Mini, "682 --preset none --decay 0.5"),
    (ResNet, "layer4:3"),
    (ResNet, "layer2.0.sum:9@centre --redirect 0"),
    (ResNet, "embedding:11 --negative"),
    (Vit, "blocks.0.mlp:3"),
    (Vit, "blocks.1:9@0,1 --size 47"),
    (Vit, "embedding:7 --preset goh2021"),
    (Vit, "blocks.0.attn:5-blocks.1:2 --pixel"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    Mini,
    ResNet,
    Vit,
}

use Model::{Mini, ResNet, Vit};

impl Model {
    /// Its path, and a canvas that is not its input's size where it allows that.
    fn arguments(self, given: &str) -> Vec<String> {
        let (file, size) = match self {
            Self::Mini => (None, "40"),
            Self::ResNet => (Some("rn/open_clip"), "64"),
            Self::Vit => (Some("vit/open_clip"), "32"),
        };
        let mut arguments = Vec::new();
        if let Some(file) = file {
            let path = fixture(file).to_str().unwrap().to_owned();
            arguments.extend(["--model".to_owned(), path]);
        }
        if !given.contains("--size") {
            arguments.extend(["--size".to_owned(), size.to_owned()]);
        }
        arguments
    }
}

/// A vector for the last block of the embedded model, without anything random in it.
fn write_vector(path: &Path) {
    let values: ndarray::Array1<f32> = (0..768u16).map(|i| (f32::from(i) * 0.7).sin()).collect();
    ndarray_npy::write_npy(path, &values).unwrap();
}

/// The pixels of every picture in a folder, in the order of their names.
fn digest(folder: &Path) -> String {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut pictures: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "png"))
        .collect();
    pictures.sort();
    assert!(!pictures.is_empty());
    let mut hash = Sha256::new();
    for path in pictures {
        let picture = image::open(path).unwrap().into_rgb8();
        hash.update(picture.width().to_le_bytes());
        hash.update(picture.as_raw());
    }
    let digits = hash.finalize();
    digits.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn pictures_have_the_pixels_that_they_had() {
    if !Need::Lanes.is_met() {
        return;
    }
    let rendered = thread::scope(|scope| {
        let parts: Vec<_> = PICTURES
            .chunks(PICTURES.len() / 2)
            .map(|part| scope.spawn(move || part.iter().map(render).collect::<String>()))
            .collect();
        let parts = parts.into_iter().map(|part| part.join().unwrap());
        parts.collect::<String>()
    });
    // Sums are made of other parts where vectors are longer.
    insta::assert_snapshot!(lanes().unwrap(), rendered);
}

fn render((model, given): &(Model, &str)) -> String {
    let folder = TempDir::new().unwrap();
    write_vector(&folder.path().join("v.npy"));
    let fixed = "render --quiet --out pictures --scale 1 --steps 20 --threads 1";
    let words = fixed.split(' ').chain(given.split(' ')).map(str::to_owned);
    let arguments: Vec<String> = words.chain(model.arguments(given)).collect();
    success(folder.path(), &arguments);
    format!(
        "{}  {model:?} {given}\n",
        digest(&folder.path().join("pictures"))
    )
}
