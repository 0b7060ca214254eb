//! A recipe in words.

use serde::Deserialize;
use serde_json::Value;

use crate::param::Basis;
use crate::size::Size;
use crate::transform::{Padding, Transform};

/// What the pictures of an atlas share, as lines of a name and a text: those that are known in words, any
/// others by their keys and as JSON.
pub fn in_words(recipe: &Value) -> Vec<(String, String)> {
    let Some(recipe) = recipe.as_object() else {
        return Vec::new();
    };
    let mut lines: Vec<(String, String)> = Vec::new();
    for (key, name, words) in LINES {
        if let Some(text) = recipe.get(key).map(|value| or_json(value, words)) {
            lines.push((name.to_owned(), text));
        }
    }
    let is_other = |key: &str| key != "model" && LINES.iter().all(|(known, ..)| *known != key);
    let others = recipe.iter().filter(|(key, _)| is_other(key));
    lines.extend(others.map(|(key, value)| (key.clone(), or_json(value, plain))));
    lines
}

type Words = fn(&Value) -> Option<String>;

/// The keys of a recipe in the order in which a reader wants them.
const LINES: [(&str, &str, Words); 11] = [
    ("preset", "Preset", plain),
    ("transforms", "Transforms of each step", |value| {
        Some(transforms(&typed::<Vec<Transform>>(value)?))
    }),
    ("steps", "Steps", plain),
    ("learning_rate", "Step length", |value| {
        Some(format!("{} (Adam)", value.as_f64()?))
    }),
    ("basis", "Parameterisation", |value| {
        Some(basis(typed(value)?))
    }),
    ("redirect_steps", "Redirected ReLUs", |value| {
        Some(match value.as_u64()? {
            0 => "never".to_owned(),
            steps => format!("for the first {steps} steps"),
        })
    }),
    ("size", "Canvas", |value| {
        Some(format!("{} px", typed::<Size>(value)?))
    }),
    ("scale", "Enlarged", |value| {
        Some(match value.as_u64()? {
            1 => "no".to_owned(),
            factor => format!("{factor} times"),
        })
    }),
    ("seed", "Seed", plain),
    ("device", "Made on", |value| {
        Some(match value.as_str()? {
            "cpu" => "the CPU".to_owned(),
            "cuda" => "an NVIDIA GPU".to_owned(),
            other => other.to_owned(),
        })
    }),
    ("dtype", "Activations stored as", plain),
];

fn or_json(value: &Value, words: Words) -> String {
    words(value).unwrap_or_else(|| value.to_string())
}

fn plain(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn typed<T: for<'a> Deserialize<'a>>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

fn basis(basis: Basis) -> String {
    match basis {
        Basis::Fourier { decay } => format!("Fourier, decay {decay}"),
        Basis::Pixel => "pixels".to_owned(),
    }
}

/// In their order; one that comes several times in a row is told once.
fn transforms(transforms: &[Transform]) -> String {
    let runs = transforms.chunk_by(|a, b| a == b);
    let told = runs.map(|run| match run.len() {
        1 => transform(&run[0]),
        times => format!("{} ({times} times)", transform(&run[0])),
    });
    let told: Vec<String> = told.collect();
    match told.is_empty() {
        true => "none".to_owned(),
        false => told.join(", "),
    }
}

fn transform(transform: &Transform) -> String {
    match transform {
        Transform::Pad { pixels, fill } => {
            let fill = match fill {
                Padding::Grey => "grey",
                Padding::Reflect => "a mirror image",
                Padding::Noise => "noise",
            };
            format!("pad {pixels} px with {fill}")
        }
        Transform::Jitter { pixels } => format!("jitter {pixels} px"),
        Transform::Scale { factors } => match range(factors) {
            Some((least, most)) if least < most => format!("scale {least} to {most}"),
            Some((factor, _)) => format!("scale {factor}"),
            None => "no scaling".to_owned(),
        },
        Transform::Rotate { degrees } => match range(degrees) {
            Some((least, most)) if least == -most => format!("rotate up to {most} degrees"),
            Some((least, most)) if least < most => format!("rotate {least} to {most} degrees"),
            Some((angle, _)) => format!("rotate {angle} degrees"),
            None => "no rotation".to_owned(),
        },
        Transform::Crop => "crop to the canvas".to_owned(),
    }
}

/// The least and the largest, to three decimals.
fn range(values: &[f64]) -> Option<(f64, f64)> {
    let rounded = |value: f64| (value * 1e3).round() / 1e3;
    let least = values.iter().copied().reduce(f64::min)?;
    let most = values.iter().copied().reduce(f64::max)?;
    Some((rounded(least), rounded(most)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::preset::preset;

    fn told(name: &str) -> String {
        let value = serde_json::to_value(preset(name).unwrap().transforms).unwrap();
        let lines = in_words(&serde_json::json!({ "transforms": value }));
        assert_eq!(lines[0].0, "Transforms of each step");
        lines[0].1.clone()
    }

    #[test]
    fn transforms_are_told_in_words() {
        assert_eq!(
            told("lucid"),
            "pad 12 px with grey, jitter 8 px, scale 0.9 to 1.1, rotate up to 10 degrees, jitter 4 px, \
             crop to the canvas"
        );
        assert_eq!(
            told("goh2021"),
            "pad 2 px with grey, jitter 4 px (10 times), scale 0.673 to 1.025, rotate -20 to 19 degrees, \
             jitter 2 px, crop to the canvas"
        );
        assert_eq!(told("none"), "none");
    }

    #[test]
    fn what_is_not_known_is_shown_as_it_is() {
        let recipe = serde_json::json!({
            "model": "never here", "steps": 256, "novel": [1], "transforms": [{ "kind": "novel" }],
            "basis": { "kind": "pixel" },
        });
        let lines = in_words(&recipe);
        let lines: Vec<(&str, &str)> = lines
            .iter()
            .map(|(name, text)| (&name[..], &text[..]))
            .collect();
        assert_eq!(
            lines,
            [
                ("Transforms of each step", r#"[{"kind":"novel"}]"#),
                ("Steps", "256"),
                ("Parameterisation", "pixels"),
                ("novel", "[1]"),
            ]
        );
    }
}
