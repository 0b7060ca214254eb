//! `preprocessor_config.json` of transformers: what its `CLIPImageProcessor` does to a picture. Newer versions write
//! the same settings into `processor_config.json`, under `image_processor`.

use serde_json::Value;

use super::{Config, normalisation, pixels};
use crate::Result;
use crate::error::bail;
use crate::model::conventions::{Known, Source};
use crate::model::preprocess::{Crop, Filter, Fit, Normalisation, Preprocessing, Resize, Rounding};

const PREPROCESSOR: &str = "preprocessor_config.json";
const PROCESSOR: &str = "processor_config.json";

/// The files, of which one is enough.
pub(in super::super) const PROCESSORS: [&str; 2] = [PREPROCESSOR, PROCESSOR];

/// Pixels of a side where the file leaves it open.
const SIDE: u32 = 224;

/// The classes that do this, without the `Fast` or `Pil` at their ends.
const CLASSES: [&str; 2] = ["CLIPImageProcessor", "CLIPFeatureExtractor"];

/// Adds what a file of this name says to a configuration. A `processor_config.json` of older versions says nothing.
///
/// # Errors
/// When its numbers for mean, deviation or scale cannot be; what percept cannot do to a picture is no error yet.
pub(in super::super) fn preprocessor(
    json: &Value,
    file: &'static str,
    config: Config,
) -> Result<Config> {
    let json = match file {
        PROCESSOR => &json["image_processor"],
        _ => json,
    };
    if file == PROCESSOR && !json.is_object() {
        return Ok(config);
    }
    let source = Source::File(file);
    let preprocessing = match fit(json) {
        Ok(fit) => Preprocessing::Fit(fit),
        Err(what) => Preprocessing::Foreign(format!("{file} asks for {what}")),
    };
    Ok(Config {
        normalisation: Some(Known::new(scaled(json, file)?, source)),
        preprocessing: Some(Known::new(preprocessing, source)),
        ..config
    })
}

/// A switch, on unless the file says otherwise.
fn is_on(json: &Value, key: &str) -> bool {
    json[key].as_bool().unwrap_or(true)
}

/// Mean and deviation of levels from 0 to 1: transformers multiplies the levels from 0 to 255 by `rescale_factor`, then
/// takes out `image_mean` and divides by `image_std`; either may be switched off.
fn scaled(json: &Value, file: &str) -> Result<Normalisation> {
    let factor = match (is_on(json, "do_rescale"), &json["rescale_factor"]) {
        (false, _) => 255.0,
        (true, Value::Null) => 1.0,
        (true, factor) => match factor.as_f64().filter(|&f| f > 0.0 && f < 1e6) {
            Some(factor) => 255.0 * factor,
            None => bail!(
                Weights,
                "{file} asks for rescale_factor {factor}: a number above 0 was expected"
            ),
        },
    };
    let plain = Normalisation {
        mean: [0.0; 3],
        deviation: [1.0; 3],
    };
    let Normalisation { mean, deviation } = match is_on(json, "do_normalize") {
        true => {
            let told = normalisation(&json["image_mean"], &json["image_std"])?;
            told.unwrap_or(Normalisation::CLIP)
        }
        false => plain,
    };
    // 1/255 in a JSON file is not always its nearest number.
    let by = |value: f32| match (factor - 1.0).abs() < 1e-9 {
        true => value,
        false => (f64::from(value) / factor) as f32,
    };
    Ok(Normalisation {
        mean: mean.map(by),
        deviation: deviation.map(by),
    })
}

/// What becomes of a picture's shape, or what percept cannot do.
fn fit(json: &Value) -> std::result::Result<Fit, String> {
    let class = json["image_processor_type"]
        .as_str()
        .or(json["feature_extractor_type"].as_str());
    if let Some(class) = class {
        let plain = class.trim_end_matches("Fast").trim_end_matches("Pil");
        if !CLASSES.contains(&plain) {
            return Err(format!("the image processor {class}, which is not CLIP's"));
        }
    }
    if json["do_pad"].as_bool() == Some(true) {
        return Err("do_pad".to_owned());
    }
    Ok(Fit {
        resize: resize(json)?,
        filter: filter(&json["resample"])?,
        crop: crop(json)?,
    })
}

fn resize(json: &Value) -> std::result::Result<Resize, String> {
    if !is_on(json, "do_resize") {
        return Ok(Resize::None);
    }
    let size = &json["size"];
    if let Some(side) = pixels(size) {
        return Ok(Resize::Shorter(Some(side)));
    }
    let shorter = pixels(&size["shortest_edge"]);
    match (shorter, rectangle(size), &size["longest_edge"]) {
        _ if size.is_null() => Ok(Resize::Shorter(Some(SIDE))),
        (Some(side), _, Value::Null) => Ok(Resize::Shorter(Some(side))),
        (None, Some(both), Value::Null) => Ok(Resize::Both(Some(both))),
        _ => Err(format!("the size {size}")),
    }
}

fn crop(json: &Value) -> std::result::Result<Crop, String> {
    if !is_on(json, "do_center_crop") {
        return Ok(Crop::None);
    }
    let asked = &json["crop_size"];
    let size = match (asked, pixels(asked)) {
        (Value::Null, _) => (SIDE, SIDE),
        (_, Some(side)) => (side, side),
        _ => rectangle(asked).ok_or_else(|| format!("the crop_size {asked}"))?,
    };
    Ok(Crop::Centre {
        size: Some(size),
        rounding: Rounding::Down,
        fill: [0; 3],
    })
}

/// Width and height.
fn rectangle(size: &Value) -> Option<(u32, u32)> {
    match size.as_array().map(Vec::as_slice) {
        Some([height, width]) => Some((pixels(width)?, pixels(height)?)),
        _ => Some((pixels(&size["width"])?, pixels(&size["height"])?)),
    }
}

/// Pillow's numbers for its filters.
fn filter(resample: &Value) -> std::result::Result<Filter, String> {
    match resample {
        Value::Null => Ok(Filter::Bicubic),
        number => match number.as_u64() {
            Some(1) => Ok(Filter::Lanczos),
            Some(2) => Ok(Filter::Bilinear),
            Some(3) => Ok(Filter::Bicubic),
            Some(4) => Ok(Filter::Box),
            Some(5) => Ok(Filter::Hamming),
            _ => Err(format!("the resample {number}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: Value) -> Result<(Normalisation, Preprocessing)> {
        let config = preprocessor(&json, PREPROCESSOR, Config::default())?;
        let (normalisation, preprocessing) = (config.normalisation, config.preprocessing);
        Ok((normalisation.unwrap().value, preprocessing.unwrap().value))
    }

    #[test]
    fn an_empty_file_means_clips_own_at_224_pixels() {
        let (normalisation, preprocessing) = read(json!({})).unwrap();
        assert_eq!(normalisation, Normalisation::CLIP);
        let fit = *preprocessing.fit().unwrap();
        assert_eq!(fit.resize, Resize::Shorter(Some(224)));
        assert_eq!(fit.crop.to_string(), "centre 224x224");
    }

    #[test]
    fn a_newer_file_has_the_same_within_and_an_older_one_nothing() {
        let of = |json: Value| preprocessor(&json, PROCESSOR, Config::default()).unwrap();
        let inner = json!({"image_mean": 0.5, "image_std": 0.25});
        let read = of(json!({ "image_processor": inner })).normalisation;
        assert_eq!(read.unwrap().value.deviation, [0.25; 3]);
        let older = json!({"processor_class": "CLIPProcessor"});
        assert_eq!(of(older), Config::default());
    }

    #[test]
    fn every_spelling_of_a_size_is_read() {
        let of = |json: Value| *read(json).unwrap().1.fit().unwrap();
        for size in [json!(64), json!({"shortest_edge": 64})] {
            assert_eq!(
                of(json!({ "size": size })).resize,
                Resize::Shorter(Some(64))
            );
        }
        for size in [json!([48, 64]), json!({"height": 48, "width": 64})] {
            let fit = of(json!({ "size": size, "crop_size": size }));
            assert_eq!(fit.resize, Resize::Both(Some((64, 48))));
            assert_eq!(fit.crop.to_string(), "centre 64x48");
        }
        let off = of(json!({"do_resize": false, "do_center_crop": false, "size": "?"}));
        assert_eq!((off.resize, off.crop), (Resize::None, Crop::None));
    }

    #[test]
    fn scale_and_normalisation_become_one() {
        let of = |json: Value| read(json).unwrap().0;
        let half = json!({"image_mean": [0.5, 0.5, 0.5], "image_std": 0.5});
        assert_eq!(of(half.clone()).deviation, [0.5; 3]);
        let with = |key: &str, value: Value| {
            let mut json = half.clone();
            json[key] = value;
            of(json)
        };
        let usual = with("rescale_factor", json!(0.00392156862745098));
        assert_eq!((usual.mean, usual.deviation), ([0.5; 3], [0.5; 3]));
        let unscaled = with("do_rescale", json!(false));
        assert_eq!(unscaled.mean, [0.5 / 255.0; 3]);
        let doubled = with("rescale_factor", json!(2.0 / 255.0));
        assert_eq!(doubled.deviation, [0.25; 3]);
        let bare = with("do_normalize", json!(false));
        assert_eq!((bare.mean, bare.deviation), ([0.0; 3], [1.0; 3]));
        for factor in [json!(0), json!(-1), json!("1")] {
            assert!(read(json!({ "rescale_factor": factor })).is_err());
        }
    }

    #[test]
    fn what_is_not_clips_way_is_named_when_a_picture_comes() {
        for (json, says) in [
            (json!({"image_processor_type": "ViTImageProcessor"}), "ViT"),
            (json!({"resample": 0}), "resample 0"),
            (json!({"size": {"longest_edge": 64}}), "longest_edge"),
            (json!({"crop_size": {"height": 0, "width": 4}}), "crop_size"),
            (json!({"do_pad": true}), "do_pad"),
        ] {
            let refused = read(json).unwrap().1.fit().unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        }
        let fast = json!({"image_processor_type": "CLIPImageProcessorFast"});
        assert!(read(fast).unwrap().1.fit().is_ok());
    }
}
