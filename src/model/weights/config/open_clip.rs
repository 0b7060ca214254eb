//! `open_clip_config.json`: `model_cfg` says what the towers compute, `preprocess_cfg` what is done to pictures. The
//! files that come with open_clip itself are a `model_cfg` alone.

use serde_json::Value;

use super::{Config, OPEN_CLIP, Section, epsilon, is_off, normalisation, text, triple};
use crate::Result;
use crate::encoder::architecture::Declared;
use crate::error::bail;
use crate::model::conventions::{Known, Source};
use crate::model::preprocess::{Crop, Filter, Fit, Normalisation, Preprocessing, Resize, Rounding};
use crate::model::spec::Activation;

/// Components of an attention head of the image encoder, and the constant of layer normalisation, where the file
/// leaves them open: open_clip's own defaults.
const HEAD_WIDTH: usize = 64;
const EPSILON: f64 = 1e-5;

/// The pooling that percept has, and what else changes an image encoder and is off in those that it computes.
const POOLING: &str = "tok";
const OFF: [&str; 6] = [
    "attentional_pool",
    "no_ln_pre",
    "input_patchnorm",
    "qk_norm",
    "scaled_cosine_attn",
    "scale_heads",
];

/// Reads an `open_clip_config.json`.
///
/// # Errors
/// When a value is of the wrong kind, or the image encoder asks for what percept does not compute: names it.
pub(in super::super) fn open_clip(json: &Value) -> Result<Config> {
    let file = Section::new(json, OPEN_CLIP, "")?;
    let preprocess = file.inner("preprocess_cfg", "preprocess_cfg.")?;
    let model = model(file)?;
    let vision = model.inner("vision_cfg", "vision_cfg.")?;
    if let Some(pooling) = vision.text("pool_type")?.filter(|&asked| asked != POOLING) {
        bail!(
            Weights,
            "{OPEN_CLIP} asks for the pool_type {pooling:?} of the image encoder: percept has {POOLING:?}"
        );
    }
    if let Some(key) = OFF.into_iter().find(|key| !is_off(vision.get(key))) {
        bail!(
            Weights,
            "{OPEN_CLIP} asks for {key} {} of the image encoder, which percept does not compute",
            vision.get(key)
        );
    }
    let quick = model.is_on("quick_gelu")?;
    let [asked, usual] = [quick, Some(false)].map(|quick| quick.map(activation));
    let source = Source::File(OPEN_CLIP);
    // A ResNet has a number for each of its stages, and open_clip hands it neither of the arguments.
    let is_resnet = vision.get("layers").is_array();
    let (depth, vision_epsilon) = match is_resnet {
        true => (None, None),
        false => {
            check_activation(vision, asked.or(usual))?;
            (vision.whole("layers")?, norm(vision)?)
        }
    };
    let normalisation = normalisation(preprocess, ["mean", "std"])?;
    Ok(Config {
        activation: asked.map(|activation| Known::new(activation, source)),
        usual_activation: usual.map(|activation| Known::new(activation, source)),
        declared: Declared {
            vision_head_width: Some(vision.whole("head_width")?.unwrap_or(HEAD_WIDTH)),
            vision_width: vision.whole("width")?,
            vision_depth: depth,
            vision_epsilon: Some(vision_epsilon.unwrap_or(EPSILON)),
            text: text::open_clip(model.inner("text_cfg", "text_cfg.")),
        },
        declared_by: Some(source),
        normalisation: Some(Known::new(
            normalisation.unwrap_or(Normalisation::CLIP),
            source,
        )),
        preprocessing: Some(Known::new(preprocessing(preprocess), source)),
    })
}

/// What describes the model: `model_cfg`, or the file itself.
fn model(file: Section) -> Result<Section> {
    let model = file.inner("model_cfg", "model_cfg.")?;
    if !model.is_absent() {
        return Ok(model);
    }
    let is_model = ["vision_cfg", "embed_dim"];
    if is_model.iter().all(|key| file.get(key).is_null()) {
        bail!(
            Weights,
            "{OPEN_CLIP} describes no model, it has neither model_cfg nor vision_cfg: download it again, or remove it if \
             it is no file of open_clip's"
        );
    }
    Ok(file)
}

/// Without the flag `quick_gelu` open_clip uses GELU.
fn activation(quick: bool) -> Activation {
    match quick {
        true => Activation::QuickGelu,
        false => Activation::Gelu,
    }
}

/// Arguments that do not change an activation.
fn check_activation(vision: Section, activation: Option<Activation>) -> Result<()> {
    let arguments = vision.inner("act_kwargs", "act_kwargs.")?;
    for (key, value) in arguments.entries() {
        let is_exact =
            activation == Some(Activation::Gelu) && key == "approximate" && value == "none";
        if !is_exact {
            bail!(
                Weights,
                "{OPEN_CLIP} asks for act_kwargs {{{key:?}: {value}}}: percept has quick-gelu and exact gelu, without arguments"
            );
        }
    }
    Ok(())
}

/// The constant of layer normalisation, the one argument that percept knows.
fn norm(vision: Section) -> Result<Option<f64>> {
    let arguments = vision.inner("norm_kwargs", "norm_kwargs.")?;
    if let Some((key, _)) = arguments.entries().find(|&(key, _)| key != "eps") {
        bail!(
            Weights,
            "{OPEN_CLIP} asks for norm_kwargs {key:?}: percept knows \"eps\""
        );
    }
    epsilon(arguments.get("eps"), OPEN_CLIP, &arguments.name("eps"))
}

/// What open_clip's `image_transform` does outside training; the size is always the image encoder's.
fn preprocessing(preprocess: Section) -> Preprocessing {
    let text = |key: &str, usual: &'static str| match preprocess.get(key) {
        Value::Null => usual.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (mode, interpolation) = (
        text("resize_mode", "shortest"),
        text("interpolation", "bicubic"),
    );
    let resize = match mode.as_str() {
        "shortest" => Resize::Shorter(None),
        "longest" => Resize::Longer,
        "squash" => Resize::Both(None),
        _ => return Preprocessing::Foreign(format!("{OPEN_CLIP} asks for the resize_mode {mode}")),
    };
    let filter = match interpolation.as_str() {
        "bicubic" | "random" => Filter::Bicubic,
        "bilinear" => Filter::Bilinear,
        _ => {
            let what = format!("{OPEN_CLIP} asks for the interpolation {interpolation}");
            return Preprocessing::Foreign(what);
        }
    };
    let fill = match preprocess.get("fill_color") {
        Value::Null => Some([0; 3]),
        colour => triple(colour).and_then(|channels| {
            let is_level = |level: &f32| level.fract() == 0.0 && (0.0..=255.0).contains(level);
            channels
                .iter()
                .all(is_level)
                .then(|| channels.map(|level| level as u8))
        }),
    };
    let Some(fill) = fill else {
        let colour = preprocess.get("fill_color");
        return Preprocessing::Foreign(format!("{OPEN_CLIP} asks for the fill_color {colour}"));
    };
    Preprocessing::Fit(Fit {
        resize,
        filter,
        crop: Crop::Centre {
            size: None,
            rounding: Rounding::Nearest,
            // Of the modes only `longest` leaves anything to fill.
            fill: if mode == "longest" { fill } else { [0; 3] },
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(config: &Config) -> Option<Activation> {
        config.activation.map(|known| known.value)
    }

    #[test]
    fn open_clip_means_gelu_unless_it_says_otherwise() {
        let config = open_clip(&json!({"model_cfg": {}})).unwrap();
        assert_eq!(said(&config), None);
        let usual = Known::new(Activation::Gelu, Source::File(OPEN_CLIP));
        assert_eq!(config.usual_activation, Some(usual));
        let declared = config.declared;
        assert_eq!(declared.vision_head_width, Some(64));
        assert_eq!(declared.vision_epsilon, Some(1e-5));
        let fit = Known::new(Preprocessing::Fit(Fit::CLIP), Source::File(OPEN_CLIP));
        assert_eq!(config.preprocessing, Some(fit));
        let config = open_clip(&json!({
            "model_cfg": {"quick_gelu": true},
            "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [1, 1, 1]},
        }))
        .unwrap();
        assert_eq!(said(&config), Some(Activation::QuickGelu));
        let normalisation = config.normalisation.unwrap().value;
        assert_eq!(normalisation.mean, [0.5; 3]);
        assert_eq!(normalisation.deviation, [1.; 3]);
    }

    #[test]
    fn a_model_of_open_clips_own_list_is_read_without_model_cfg() {
        let own = json!({"embed_dim": 512, "quick_gelu": true,
            "vision_cfg": {"layers": 12, "width": 768, "head_width": 80}, "text_cfg": {"heads": 4}});
        let config = open_clip(&own).unwrap();
        assert_eq!(said(&config), Some(Activation::QuickGelu));
        assert_eq!(config.declared.vision_head_width, Some(80));
        assert_eq!(config.declared.text.heads, Some(4));
        for other in [json!({}), json!({"model_type": "clip"}), json!([1])] {
            let report = open_clip(&other).unwrap_err().report();
            assert!(report.contains(OPEN_CLIP), "{report}");
        }
    }

    #[test]
    fn values_are_taken_as_python_takes_them_or_refused_by_their_key() {
        let of = |key: &str, value: Value| {
            let mut json = json!({"model_cfg": {"vision_cfg": {}}, "preprocess_cfg": {}});
            *json.pointer_mut("/model_cfg").unwrap() = match key {
                "quick_gelu" | "vision_cfg" => json!({ key: value }),
                _ => json!({"vision_cfg": { key: value }}),
            };
            open_clip(&json)
        };
        assert_eq!(
            said(&of("quick_gelu", json!(1)).unwrap()),
            Some(Activation::QuickGelu)
        );
        assert_eq!(
            said(&of("quick_gelu", json!(0)).unwrap()),
            Some(Activation::Gelu)
        );
        assert_eq!(said(&of("quick_gelu", json!(null)).unwrap()), None);
        let declared = of("head_width", json!(80.0)).unwrap().declared;
        assert_eq!(declared.vision_head_width, Some(80));
        assert!(of("qk_norm", json!(0)).is_ok());
        for (key, value) in [
            ("quick_gelu", json!("true")),
            ("vision_cfg", json!("ViT-B-32")),
            ("head_width", json!("80")),
            ("width", json!(64.5)),
            ("layers", json!("12")),
            ("pool_type", json!(3)),
            ("norm_kwargs", json!(1e-6)),
        ] {
            let report = of(key, value).unwrap_err().report();
            assert!(
                report.contains(key) && report.contains(OPEN_CLIP),
                "{report}"
            );
        }
        let pictures = json!({"model_cfg": {}, "preprocess_cfg": "usual"});
        assert!(
            open_clip(&pictures)
                .unwrap_err()
                .report()
                .contains("preprocess_cfg")
        );
        // A text encoder that cannot be read leaves the image encoder alone.
        let text = open_clip(&json!({"model_cfg": {"text_cfg": "usual"}})).unwrap();
        assert!(text.declared.text.refusal.unwrap().contains("text_cfg"));
    }

    #[test]
    fn what_the_image_encoder_cannot_do_is_refused_by_its_key() {
        let of = |vision: Value| open_clip(&json!({"model_cfg": {"vision_cfg": vision}}));
        for (key, value) in [
            ("pool_type", json!("avg")),
            ("attentional_pool", json!(true)),
            ("attentional_pool", json!("parallel")),
            ("qk_norm", json!(true)),
            ("no_ln_pre", json!(true)),
            ("act_kwargs", json!({"approximate": "tanh"})),
            ("norm_kwargs", json!({"elementwise_affine": false})),
            ("norm_kwargs", json!({"eps": "small"})),
        ] {
            let report = of(json!({ key: value })).unwrap_err().report();
            assert!(report.contains(key), "{report}");
        }
        let fine = of(
            json!({"pool_type": "tok", "qk_norm": false, "ls_init_value": null,
            "act_kwargs": {"approximate": "none"}, "norm_kwargs": {"eps": 1e-6}}),
        );
        assert_eq!(fine.unwrap().declared.vision_epsilon, Some(1e-6));
        let resnet = json!({"layers": [1, 1, 1, 1], "act_kwargs": {"approximate": "tanh"}});
        assert!(
            of(resnet).is_ok(),
            "open_clip's ResNet has no such arguments"
        );
    }

    #[test]
    fn pictures_are_prepared_as_open_clip_does_or_not_at_all() {
        let of =
            |preprocess: Value| preprocessing(Section::new(&preprocess, OPEN_CLIP, "").unwrap());
        let longest = of(json!({"resize_mode": "longest", "fill_color": 9}));
        let fit = *longest.fit().unwrap();
        assert_eq!(fit.resize, Resize::Longer);
        assert_eq!(fit.crop.to_string(), "centre, filled with [9, 9, 9]");
        for foreign in [
            json!({"resize_mode": "stretch"}),
            json!({"interpolation": "nearest"}),
            json!({"fill_color": 300}),
        ] {
            assert!(of(foreign).fit().is_err());
        }
    }
}
