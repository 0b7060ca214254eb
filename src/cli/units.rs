//! `percept units`.

use clap::Args;
use serde::Serialize;

use super::options::{ModelArgs, ThreadArgs, json, say};
use super::table::table;
use crate::atlas::units::Units as Channels;
use crate::error::Result;
use crate::model::Model;

/// List what is known of each unit of a tap
///
/// Of the embedded model: the mean and the standard deviation of each unit's response over the art that it was
/// trained on, whether its ReLU never opened, and for the last block what each unit answers to first as a coloured
/// drawing, as line art and as a printed word. --json has five of each. Of other models nothing is known before units
/// are rendered.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  percept units
  percept units layer4.0.sum:0..16
  percept units layer3 --json | jq 'select(.sd < 0.01).unit'")]
pub struct Units {
    /// A tap, or units of one, a range or a list; the model's default tap by default
    #[arg(value_name = "TAP")]
    tap: Option<String>,

    #[command(flatten)]
    model: ModelArgs,

    /// Print a JSON object a unit instead of a table
    #[arg(long)]
    json: bool,

    /// No remarks
    #[arg(long, short)]
    quiet: bool,
}

/// What is known of a unit.
#[derive(Serialize)]
struct Row<'a> {
    tap: &'a str,
    unit: usize,
    mean: Option<f64>,
    sd: Option<f64>,
    never_opens: Option<bool>,
    drawings: Option<&'a [String]>,
    line_art: Option<&'a [String]>,
    words: Option<&'a [String]>,
}

impl Units {
    pub fn run(self) -> Result<()> {
        ThreadArgs::default().apply()?;
        let model = self.model.load(self.quiet)?;
        let channels = Channels::read(self.tap.as_deref(), &model)?;
        let rows = rows(&model, &channels)?;
        if self.json {
            return rows.iter().try_for_each(|row| say(&json(row, false)?));
        }
        say(&head(&model, &channels)?)?;
        if rows.iter().all(|row| row.mean.is_none()) {
            return Ok(());
        }
        let heads = ["UNIT", "MEAN", "SD", "DRAWN", "LINE ART", "WRITTEN"].map(str::to_owned);
        let lines: Vec<_> = [heads].into_iter().chain(rows.iter().map(line)).collect();
        let lines = match rows.iter().all(|row| row.never_opens.is_none()) {
            // Nothing is known but the numbers.
            true => {
                let numbers: Vec<_> = lines
                    .into_iter()
                    .map(|[unit, mean, sd, ..]| [unit, mean, sd])
                    .collect();
                table(&numbers, &[0, 1, 2])
            }
            false => table(&lines, &[0, 1, 2]),
        };
        lines.iter().try_for_each(|line| say(line))
    }
}

fn rows<'a>(model: &Model, channels: &'a Channels) -> Result<Vec<Row<'a>>> {
    let tap = model.encoder.tap_named(&channels.tap)?;
    let statistics = model.statistics(tap);
    let answered = model.answered(&channels.tap);
    let rows = channels.channels.iter().map(|&unit| {
        let moments = statistics.as_ref().map(|known| known.of_channel(unit));
        let answers = answered.and_then(|all| all.get(unit)?.as_ref());
        Row {
            tap: &channels.tap,
            unit,
            mean: moments.map(|(mean, _)| mean),
            sd: moments.map(|(_, sd)| sd),
            never_opens: match answered {
                Some(_) => Some(answers.is_none()),
                None => (moments == Some((0.0, 0.0))).then_some(true),
            },
            drawings: answers.map(|answers| answers.drawings.as_slice()),
            line_art: answers.map(|answers| answers.line_art.as_slice()),
            words: answers.map(|answers| answers.words.as_slice()),
        }
    });
    Ok(rows.collect())
}

/// What the units are of, and what their numbers refer to.
fn head(model: &Model, channels: &Channels) -> Result<String> {
    let id = model.encoder.tap_named(&channels.tap)?;
    let tap = model.encoder.tap(id);
    let (name, units) = (&model.name, tap.channels);
    Ok(match model.statistics(id) {
        Some(statistics) => format!(
            "{tap} of {name}, {units} units; mean and sd over {}",
            statistics.source
        ),
        None => format!(
            "{tap} of {name}, {units} units, of which nothing is known before they are rendered: `percept atlas --model {name} --units {tap}` does that"
        ),
    })
}

fn line(row: &Row) -> [String; 6] {
    let number =
        |number: Option<f64>| number.map_or("-".to_owned(), |number| format!("{number:.3}"));
    let first = |names: Option<&[String]>| {
        let name = names.and_then(|names| names.first());
        name.map_or("-", String::as_str).to_owned()
    };
    let drawn = match row.never_opens {
        Some(true) => "(never opens)".to_owned(),
        _ => first(row.drawings),
    };
    [
        row.unit.to_string(),
        number(row.mean),
        number(row.sd),
        drawn,
        first(row.line_art),
        first(row.words),
    ]
}
