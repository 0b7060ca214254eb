//! Published sets of transforms, with the optimiser settings that belong to them.

use super::{Padding, Transform};

/// A named set of defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    /// The name that `--preset` takes.
    pub name: &'static str,
    /// The transforms of a step.
    pub transforms: Vec<Transform>,
    /// Adam's step length.
    pub learning_rate: f64,
    /// Steps of the ascent.
    pub steps: usize,
    /// A penalty that joins the objective, in its spelling.
    pub penalty: Option<&'static str>,
}

/// The names of all presets.
pub const NAMES: [&str; 3] = ["lucid", "goh2021", "none"];

/// Lucid's step length, and Adam's default everywhere in percept (`render.py`, "lr 0.05").
const LUCID_RATE: f64 = 0.05;

/// Lucid's number of steps (`render.py`, thresholds `(512,)`).
const LUCID_STEPS: usize = 512;

/// A preset by name: `lucid` is lucid's `standard_transforms` and `render_vis`, `goh2021` the
/// settings of `example_facets.py` in CLIP-featurevis, `none` has no transforms.
pub fn preset(name: &str) -> Option<Preset> {
    let preset = match name {
        "lucid" => Preset {
            name: "lucid",
            transforms: lucid(),
            learning_rate: LUCID_RATE,
            steps: LUCID_STEPS,
            penalty: None,
        },
        "goh2021" => Preset {
            name: "goh2021",
            transforms: goh2021(),
            learning_rate: 0.02,
            steps: 4096,
            penalty: Some("- 10*l2"),
        },
        "none" => Preset {
            name: "none",
            transforms: Vec::new(),
            learning_rate: LUCID_RATE,
            steps: LUCID_STEPS,
            penalty: None,
        },
        _ => return None,
    };
    Some(preset)
}

/// Lucid: pad 12, jitter 8, scale 0.9 to 1.1, rotate within 10 degrees (with 5 more upright entries in
/// its list of 21), jitter 4; on the canvas's own frame.
pub fn lucid() -> Vec<Transform> {
    let factors = (0..=10).map(|i| 1.0 + f64::from(i - 5) / 50.0).collect();
    let upright = std::iter::repeat_n(0, 5);
    let degrees = (-10..=10).chain(upright).map(f64::from).collect();
    vec![
        Transform::Pad {
            pixels: 12,
            fill: Padding::Grey,
        },
        Transform::Jitter { pixels: 8 },
        Transform::Scale { factors },
        Transform::Rotate { degrees },
        Transform::Jitter { pixels: 4 },
        Transform::Crop,
    ]
}

/// Goh et al.: pad 2, jitter 4 ten times, scale, rotate, jitter 2, crop or pad to the canvas.
fn goh2021() -> Vec<Transform> {
    let fine = (-5..80).map(|n| 0.995f64.powi(n));
    let coarse = (20..40).flat_map(|n| [0.998f64.powi(n); 2]);
    let angles = (-20..20).chain(-10..10).chain(-5..5);
    let degrees = angles
        .chain(std::iter::repeat_n(0, 5))
        .map(f64::from)
        .collect();
    let mut transforms = vec![Transform::Pad {
        pixels: 2,
        fill: Padding::Grey,
    }];
    transforms.extend(std::iter::repeat_n(Transform::Jitter { pixels: 4 }, 10));
    transforms.extend([
        Transform::Scale {
            factors: fine.chain(coarse).collect(),
        },
        Transform::Rotate { degrees },
        Transform::Jitter { pixels: 2 },
        Transform::Crop,
    ]);
    transforms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_preset() {
        for name in NAMES {
            assert_eq!(preset(name).unwrap().name, name);
        }
        assert!(preset("standard").is_none());
    }

    #[test]
    fn the_numbers_are_the_published_ones() {
        let Transform::Scale { factors } = &lucid()[2] else {
            panic!()
        };
        assert_eq!(factors.len(), 11);
        assert!((factors[0] - 0.9).abs() < 1e-12 && (factors[10] - 1.1).abs() < 1e-12);
        let preset = preset("goh2021").unwrap();
        assert_eq!(
            (preset.steps, preset.learning_rate, preset.penalty),
            (4096, 0.02, Some("- 10*l2"))
        );
        let grey = Padding::Grey;
        assert_eq!(
            preset.transforms[0],
            Transform::Pad {
                pixels: 2,
                fill: grey
            }
        );
        for jitter in &preset.transforms[1..11] {
            assert_eq!(*jitter, Transform::Jitter { pixels: 4 });
        }
        let (Transform::Scale { factors }, Transform::Rotate { degrees }) =
            (&preset.transforms[11], &preset.transforms[12])
        else {
            panic!()
        };
        assert_eq!(
            (factors.len(), degrees.len(), preset.transforms.len()),
            (125, 75, 15)
        );
        // Powers differ in the last bit between a compiler's and the machine's.
        let is = |index: usize, base: f64, power: f64| {
            assert!((factors[index] / base.powf(power) - 1.0).abs() < 1e-14);
        };
        is(0, 0.995, -5.0);
        is(5, 0.995, 0.0);
        is(84, 0.995, 79.0);
        is(85, 0.998, 20.0);
        is(86, 0.998, 20.0);
        is(124, 0.998, 39.0);
        assert_eq!(degrees.iter().sum::<f64>(), -20.0 - 10.0 - 5.0);
        assert_eq!((degrees[0], degrees[39], degrees[74]), (-20.0, 19.0, 0.0));
    }
}
