//! `open_clip_config.json`: `model_cfg` says what the towers compute, `preprocess_cfg` what is done to pictures.

use serde_json::Value;

use super::{Config, OPEN_CLIP, epsilon, normalisation, size, text, triple};
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
/// When the image encoder asks for what percept does not compute: names it.
pub(in super::super) fn open_clip(json: &Value) -> Result<Config> {
    let (model, preprocess) = (&json["model_cfg"], &json["preprocess_cfg"]);
    let vision = &model["vision_cfg"];
    let pooling = &vision["pool_type"];
    if !pooling.is_null() && pooling != POOLING {
        bail!(
            Weights,
            "{OPEN_CLIP} asks for the pool_type {pooling} of the image encoder: percept has {POOLING:?}"
        );
    }
    let is_on = |key: &&str| !vision[*key].is_null() && vision[*key] != false;
    if let Some(key) = OFF.into_iter().find(is_on) {
        bail!(
            Weights,
            "{OPEN_CLIP} asks for {key} {} of the image encoder, which percept does not compute",
            vision[key]
        );
    }
    // Without the flag open_clip uses GELU.
    let activation = match &model["quick_gelu"] {
        Value::Bool(true) => Activation::QuickGelu,
        _ => Activation::Gelu,
    };
    let source = Source::File(OPEN_CLIP);
    // open_clip hands neither to a ResNet.
    let is_resnet = vision["layers"].is_array();
    let vision_epsilon = match is_resnet {
        true => None,
        false => {
            check_activation(&vision["act_kwargs"], activation)?;
            norm(&vision["norm_kwargs"])?
        }
    };
    let usual = Normalisation::CLIP;
    let normalisation = normalisation(&preprocess["mean"], &preprocess["std"])?;
    Ok(Config {
        activation: Some(Known::new(activation, source)),
        declared: Declared {
            vision_head_width: Some(size(&vision["head_width"]).unwrap_or(HEAD_WIDTH)),
            vision_width: size(&vision["width"]),
            vision_depth: size(&vision["layers"]),
            vision_epsilon: Some(vision_epsilon.unwrap_or(EPSILON)),
            text: text::open_clip(&model["text_cfg"]),
        },
        declared_by: Some(source),
        normalisation: Some(Known::new(normalisation.unwrap_or(usual), source)),
        preprocessing: Some(Known::new(preprocessing(preprocess), source)),
    })
}

/// Arguments that do not change an activation.
fn check_activation(arguments: &Value, activation: Activation) -> Result<()> {
    let Some(arguments) = arguments.as_object() else {
        return Ok(());
    };
    for (key, value) in arguments {
        let is_exact = activation == Activation::Gelu && key == "approximate" && value == "none";
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
fn norm(arguments: &Value) -> Result<Option<f64>> {
    for key in arguments.as_object().into_iter().flat_map(|all| all.keys()) {
        if key != "eps" {
            bail!(
                Weights,
                "{OPEN_CLIP} asks for norm_kwargs {key:?}: percept knows \"eps\""
            );
        }
    }
    epsilon(&arguments["eps"], OPEN_CLIP, "norm_kwargs.eps")
}

/// What open_clip's `image_transform` does outside training; the size is always the image encoder's.
fn preprocessing(preprocess: &Value) -> Preprocessing {
    let text = |key: &str, usual: &'static str| match &preprocess[key] {
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
    let fill = match &preprocess["fill_color"] {
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
        let colour = &preprocess["fill_color"];
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

    fn activation(config: &Config) -> Option<Activation> {
        config.activation.map(|known| known.value)
    }

    #[test]
    fn open_clip_means_gelu_unless_it_says_otherwise() {
        let config = open_clip(&json!({"model_cfg": {}})).unwrap();
        assert_eq!(activation(&config), Some(Activation::Gelu));
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
        assert_eq!(activation(&config), Some(Activation::QuickGelu));
        let normalisation = config.normalisation.unwrap().value;
        assert_eq!(normalisation.mean, [0.5; 3]);
        assert_eq!(normalisation.deviation, [1.; 3]);
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
        let of = |preprocess: Value| preprocessing(&preprocess);
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
