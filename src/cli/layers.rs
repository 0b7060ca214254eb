//! `percept layers`.

use clap::Args;
use serde::Serialize;

use super::options::{ModelArgs, ThreadArgs, json, say};
use crate::error::{Result, printable};
use crate::model::Model;
use crate::model::conventions::{Conventions, Source};
use crate::size::Size;

/// List a model's taps: the places whose units can be rendered
///
/// The grid is that of the model's own input size. Rendering a unit of the `embedding` needs that
/// size; the other taps of a ResNet take any canvas. The tap marked * is the one that a bare unit
/// number means.
///
/// What decides the numbers and does not lie in the weights stands above: each value, and whether a
/// configuration file told it, the user, a known name, code in the weights, or nothing (assumed).
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  percept layers
  percept layers --model RN50x4 --json")]
pub struct Layers {
    #[command(flatten)]
    model: ModelArgs,

    /// Print a JSON object instead of a table
    #[arg(long)]
    json: bool,

    /// No download progress
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    tap: &'a str,
    units: usize,
    rows: usize,
    columns: usize,
    default: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    model: &'a str,
    origin: &'a str,
    format: String,
    sha256: &'a str,
    resolution: usize,
    activation: String,
    conventions: &'a Conventions,
    taps: Vec<Row<'a>>,
}

impl Layers {
    pub fn run(self) -> Result<()> {
        ThreadArgs::default().apply()?;
        let model = self.model.load(self.quiet)?;
        let default = model.encoder.default_tap();
        let taps = model.encoder.taps();
        let taps = taps.iter().enumerate().map(|(index, tap)| {
            let (rows, columns) = tap.grid(Size::square(model.encoder.resolution()));
            Row {
                tap: &tap.name,
                units: tap.channels,
                rows,
                columns,
                default: index == default.0,
            }
        });
        let answer = Answer {
            model: &model.name,
            origin: &model.origin,
            format: model.format.to_string(),
            sha256: &model.digest,
            resolution: model.encoder.resolution(),
            activation: model.conventions.activation.value.to_string(),
            conventions: &model.conventions,
            taps: taps.collect(),
        };
        if self.json {
            return say(&json(&answer, true)?);
        }
        say(&format!(
            "{} ({}), {}x{} pixels",
            printable(answer.model),
            answer.format,
            answer.resolution,
            answer.resolution
        ))?;
        for (name, value, source) in conventions(&model) {
            say(&format!("{name:<18} {value} ({source})"))?;
        }
        say(&format!("{:<18} {:>6}  GRID", "TAP", "UNITS"))?;
        for row in answer.taps {
            let mark = if row.default { " *" } else { "" };
            say(&format!(
                "{:<18} {:>6}  {}x{}{mark}",
                row.tap, row.units, row.rows, row.columns
            ))?;
        }
        Ok(())
    }
}

/// What a model is known or assumed to compute: each thing's name, its value, and how that is known.
fn conventions(model: &Model) -> Vec<(&'static str, String, Source)> {
    let Conventions {
        activation,
        head_width,
        layer_norm_epsilon,
        normalisation,
        preprocessing,
    } = &model.conventions;
    let mut all = Vec::new();
    if model.has_transformer() {
        all.push((
            "activation",
            activation.value.to_string(),
            activation.source,
        ));
    }
    all.push((
        "head width",
        head_width.value.to_string(),
        head_width.source,
    ));
    if model.sees_by_transformer() {
        let epsilon = format!("{:e}", layer_norm_epsilon.value);
        all.push(("layer norm epsilon", epsilon, layer_norm_epsilon.source));
    }
    let pixels = normalisation.value;
    let numbers = |of: [f32; 3]| of.map(|number| number.to_string()).join(" ");
    all.push(("mean", numbers(pixels.mean), normalisation.source));
    all.push(("deviation", numbers(pixels.deviation), normalisation.source));
    let pictures = preprocessing.value.to_string();
    all.push(("pictures", pictures, preprocessing.source));
    all
}
