//! `preprocessor_config.json` of transformers: what its `CLIPImageProcessor` does to a picture. Newer versions write
//! the same settings into `processor_config.json`, under `image_processor`.

use serde_json::Value;

use super::{Config, Section, normalisation, pixels, whole};
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
/// When a value is of the wrong kind, or its numbers for mean, deviation or scale cannot be; what percept cannot do to a
/// picture is no error yet.
pub(in super::super) fn preprocessor(
    json: &Value,
    file: &'static str,
    config: Config,
) -> Result<Config> {
    let json = match file {
        PROCESSOR => &json["image_processor"],
        _ => json,
    };
    if file == PROCESSOR && json.is_null() {
        return Ok(config);
    }
    let source = Source::File(file);
    let section = Section::new(json, file, "")?;
    let steps = Steps::of(section)?;
    let preprocessing = match fit(section, steps, class(section)?) {
        Ok(fit) => Preprocessing::Fit(fit),
        Err(what) => Preprocessing::Foreign(format!("{file} asks for {what}")),
    };
    Ok(Config {
        normalisation: Some(Known::new(scaled(section, steps)?, source)),
        preprocessing: Some(Known::new(preprocessing, source)),
        ..config
    })
}

/// What is done to a picture.
#[derive(Clone, Copy)]
struct Steps {
    resize: bool,
    crop: bool,
    rescale: bool,
    normalize: bool,
    pad: bool,
}

impl Steps {
    /// All that CLIP does is on unless the file says otherwise.
    fn of(json: Section) -> Result<Self> {
        let is_on = |key| json.is_on(key).map(|on| on.unwrap_or(true));
        Ok(Self {
            resize: is_on("do_resize")?,
            crop: is_on("do_center_crop")?,
            rescale: is_on("do_rescale")?,
            normalize: is_on("do_normalize")?,
            pad: json.is_on("do_pad")? == Some(true),
        })
    }
}

/// The class that does it, where the file names one.
fn class(json: Section<'_>) -> Result<Option<&str>> {
    let newer = json.text("image_processor_type")?;
    Ok(newer.or(json.text("feature_extractor_type")?))
}

/// Mean and deviation of levels from 0 to 1: transformers multiplies the levels from 0 to 255 by `rescale_factor`, then
/// takes out `image_mean` and divides by `image_std`; either may be switched off.
fn scaled(json: Section, steps: Steps) -> Result<Normalisation> {
    let factor = match (steps.rescale, json.get("rescale_factor")) {
        (false, _) => 255.0,
        (true, Value::Null) => 1.0,
        (true, factor) => match factor.as_f64().filter(|&f| f > 0.0 && f < 1e6) {
            Some(factor) => 255.0 * factor,
            None => bail!(
                Weights,
                "{} asks for rescale_factor {factor} where a number above 0 belongs: correct it in the file",
                json.file
            ),
        },
    };
    let plain = Normalisation {
        mean: [0.0; 3],
        deviation: [1.0; 3],
    };
    let Normalisation { mean, deviation } = match steps.normalize {
        true => {
            let keys = ["image_mean", "image_std"];
            let told = normalisation(json, keys)?;
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
fn fit(json: Section, steps: Steps, class: Option<&str>) -> std::result::Result<Fit, String> {
    if let Some(class) = class {
        let plain = class.trim_end_matches("Fast").trim_end_matches("Pil");
        if !CLASSES.contains(&plain) {
            return Err(format!("the image processor {class}, which is not CLIP's"));
        }
    }
    if steps.pad {
        return Err("do_pad".to_owned());
    }
    Ok(Fit {
        resize: match steps.resize {
            true => resize(json.get("size"))?,
            false => Resize::None,
        },
        filter: filter(json.get("resample"))?,
        crop: match steps.crop {
            true => crop(json.get("crop_size"))?,
            false => Crop::None,
        },
    })
}

fn resize(size: &Value) -> std::result::Result<Resize, String> {
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

fn crop(asked: &Value) -> std::result::Result<Crop, String> {
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
        number => match whole(number) {
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
        let wrong = preprocessor(&json!({"image_processor": 1}), PROCESSOR, Config::default());
        assert!(wrong.unwrap_err().report().contains(PROCESSOR));
    }

    #[test]
    fn switches_are_taken_as_python_takes_them_or_refused_by_their_key() {
        let read_fit = read(json!({"do_resize": 0, "do_center_crop": false, "resample": 2.0}));
        let fit = *read_fit.unwrap().1.fit().unwrap();
        assert_eq!((fit.resize, fit.filter), (Resize::None, Filter::Bilinear));
        for (key, value) in [
            ("do_resize", json!("no")),
            ("do_normalize", json!([])),
            ("image_processor_type", json!(3)),
        ] {
            let report = read(json!({ key: value })).unwrap_err().report();
            assert!(
                report.contains(key) && report.contains(PREPROCESSOR),
                "{report}"
            );
        }
        assert!(read(json!([0.5])).is_err());
    }

    #[test]
    fn every_spelling_of_a_size_is_read() {
        let of = |json: Value| *read(json).unwrap().1.fit().unwrap();
        for size in [json!(64), json!(64.0), json!({"shortest_edge": 64})] {
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
