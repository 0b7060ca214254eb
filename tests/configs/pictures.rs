//! What becomes of pictures.

use candle_core::Tensor;
use image::RgbImage;
use percept::encode::Images;
use percept::input::picture::Reading;
use percept::model::Model;
use percept::model::preprocess::normalised;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{cases, load, open_clip, tensors, transformers, values, write};
use crate::common::{percept, success};

/// Levels of 255 that Pillow, by which open_clip and percept resize, may be off from torchvision's own resizing of
/// tensors, by which transformers does.
const LEVELS: u8 = 1;

/// Side of the model's input.
const SIDE: u32 = 32;

/// `(h, w, 3)` levels as a picture.
fn picture(tensor: &Tensor) -> RgbImage {
    let (height, width, _) = tensor.dims3().unwrap();
    let levels = tensor.flatten_all().unwrap().to_vec1::<u8>().unwrap();
    RgbImage::from_raw(width as u32, height as u32, levels).unwrap()
}

/// The largest difference of any level.
fn difference(ours: &RgbImage, theirs: &RgbImage) -> u8 {
    assert_eq!(ours.dimensions(), theirs.dimensions());
    let pairs = ours.as_raw().iter().zip(theirs.as_raw());
    pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

fn square(model: &Model, picture: &RgbImage) -> RgbImage {
    let fit = model.conventions.preprocessing.value.fit().unwrap();
    fit.square(picture, SIDE).unwrap()
}

const SHAPES: [&str; 4] = ["32x32", "53x37", "31x90", "20x23"];

#[test]
fn each_way_of_resizing_makes_the_pixels_that_its_own_program_makes() {
    let expected = tensors("pictures.safetensors");
    let (_, config) = cases("open_clip").remove(0);
    for mode in ["shortest", "longest", "squash"] {
        for interpolation in ["bicubic", "bilinear"] {
            let mut config = config.clone();
            config["preprocess_cfg"] =
                json!({"resize_mode": mode, "interpolation": interpolation, "fill_color": 200});
            let model = load(&open_clip(&config)).unwrap();
            for shape in SHAPES {
                let ours = square(&model, &picture(&expected[&format!("{shape}.picture")]));
                let name = format!("{shape}.open_clip.{mode}.{interpolation}");
                assert_eq!(difference(&ours, &picture(&expected[&name])), 0, "{name}");
            }
        }
    }
    let (_, config) = cases("transformers").remove(0);
    let processors = cases("processors");
    assert_eq!(processors.len(), 6);
    for (processor, settings) in processors {
        let folder = transformers(&config);
        write(folder.path(), "preprocessor_config.json", &settings);
        let model = load(&folder).unwrap();
        for shape in SHAPES {
            let ours = square(&model, &picture(&expected[&format!("{shape}.picture")]));
            let name = format!("{shape}.transformers.{processor}");
            let largest = difference(&ours, &picture(&expected[&name]));
            assert!(largest <= LEVELS, "{name}: off by {largest} levels");
        }
    }
}

/// A folder of a model with these settings for pictures.
fn prepared(settings: &Value, name: &str) -> TempDir {
    let (_, config) = cases("transformers").remove(0);
    let folder = transformers(&config);
    write(folder.path(), name, settings);
    folder
}

#[test]
fn scale_and_normalisation_are_those_of_the_file() {
    let expected = tensors("pictures.safetensors");
    let given = picture(&expected["32x32.picture"]);
    for (name, mut settings) in cases("scales") {
        settings["size"] = json!({"shortest_edge": 32});
        settings["crop_size"] = json!(32);
        let nested = json!({"image_processor": settings, "processor_class": "CLIPProcessor"});
        for (file, json) in [
            ("preprocessor_config.json", &settings),
            ("processor_config.json", &nested),
        ] {
            let model = load(&prepared(json, file)).unwrap();
            let conventions = &model.conventions;
            assert_eq!(conventions.normalisation.source.to_string(), file);
            let ours = normalised(&square(&model, &given), conventions.normalisation.value);
            let (ours, theirs) = (
                values(&ours.unwrap()),
                values(&expected[&format!("scale.{name}")]),
            );
            let largest = theirs.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            for (a, b) in ours.iter().zip(&theirs) {
                assert!((a - b).abs() <= 1e-6 * largest, "{name}: {a} for {b}");
            }
        }
    }
}

/// A picture on disk.
fn saved(folder: &TempDir, shape: &str) -> String {
    let path = folder.path().join(format!("{shape}.png"));
    picture(&tensors("pictures.safetensors")[&format!("{shape}.picture")])
        .save(&path)
        .unwrap();
    path.display().to_string()
}

#[test]
fn encode_prepares_pictures_as_the_model_asks() {
    let (_, mut config) = cases("open_clip").remove(0);
    config["preprocess_cfg"] =
        json!({"resize_mode": "squash", "mean": 0.5, "std": [0.5, 0.5, 0.5]});
    let folder = open_clip(&config);
    let model = folder.path().display().to_string();
    let picture_file = saved(&folder, "31x90");
    let arguments = [
        "encode",
        &picture_file,
        "--model",
        &model,
        "--out",
        "a.safetensors",
    ];
    let said = success(folder.path(), &arguments).stderr;
    assert!(!said.contains("assumed"), "{said}");
    let file = folder.path().join("a.safetensors");
    let written = candle_core::safetensors::load(&file, &candle_core::Device::Cpu).unwrap();
    let theirs = picture(&tensors("pictures.safetensors")["31x90.open_clip.squash.bicubic"]);
    let ours = written["input"]
        .squeeze(0)
        .unwrap()
        .permute((1, 2, 0))
        .unwrap();
    for (ours, theirs) in values(&ours).iter().zip(theirs.as_raw()) {
        let theirs = (f64::from(*theirs) / 255.0 - 0.5) / 0.5;
        assert!((ours - theirs).abs() < 1e-6, "{ours} for {theirs}");
    }
    let bytes = std::fs::read(&file).unwrap();
    let notes = String::from_utf8_lossy(&bytes[..2000]).replace("\\\"", "\"");
    for word in [
        "\"resize\":\"both sides, bicubic with antialiasing, as Pillow\"",
        "\"preprocessing\":{\"value\":\"both sides, bicubic; crop centre\",\"source\":\"open_clip_config.json\"}",
    ] {
        assert!(notes.contains(word), "{word} is not in {notes}");
    }
}

#[test]
fn what_percept_does_not_do_to_pictures_is_refused_where_pictures_come() {
    let folder = prepared(&json!({"resample": 0}), "preprocessor_config.json");
    let model = folder.path().display().to_string();
    let picture_file = saved(&folder, "31x90");
    let arguments = ["encode", &picture_file, "--model", &model, "--out", "a.npz"];
    let answer = percept(folder.path(), &arguments);
    assert_ne!(answer.code, Some(0));
    assert!(answer.stderr.contains("resample 0"), "{}", answer.stderr);
    assert!(!folder.path().join("a.npz").exists());
    success(folder.path(), &["layers", "--model", &model]);

    let folder = prepared(
        &json!({"do_resize": false, "do_center_crop": false}),
        "preprocessor_config.json",
    );
    let model = load(&folder).unwrap();
    let fits = Images::Pictures(vec![saved(&folder, "32x32").into()], Reading::default());
    assert_eq!(fits.count(), 1);
    let fit = model.conventions.preprocessing.value.fit().unwrap();
    let given = tensors("pictures.safetensors");
    assert!(fit.square(&picture(&given["32x32.picture"]), SIDE).is_ok());
    let error = fit
        .square(&picture(&given["53x37.picture"]), SIDE)
        .unwrap_err();
    assert!(error.to_string().contains("makes 37x53 pixels"), "{error}");
}
