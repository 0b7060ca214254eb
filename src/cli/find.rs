//! `percept find`.

use clap::Args;

use super::options::{ModelArgs, ThreadArgs, json, remark, say};
use super::table::table;
use crate::error::{Result, bail, shorten};
use crate::model::find::{Found, Kind, find, near};

/// Find units by what they answer to
///
/// Looks through what each unit of the model's default tap is known to answer to: drawings in colour, line art
/// and printed words, five of each. Only the embedded model's units were measured.
///
/// All words must be in one answer; capitals, plurals and their order do not matter. Units that have them as whole
/// words come first, then those in which they begin words, then the others. Among these the score decides: 1 divided
/// by the answer's place, three quarters of that where the answer has other words too, averaged over the three kinds.
///
/// Exits with 1, and prints nothing to standard output, when no unit is found.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  percept find truck
  percept find pickup truck --json
  percept render $(percept find dog --addresses --limit 4)")]
pub struct Find {
    /// The words to look for
    #[arg(value_name = "WORD", required = true)]
    words: Vec<String>,

    #[command(flatten)]
    model: ModelArgs,

    /// At most so many units, or 0 for all
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    limit: usize,

    /// Print a JSON object a unit instead of a table
    #[arg(long, conflicts_with = "addresses")]
    json: bool,

    /// Print the units alone, one a line, as `percept render` takes them
    #[arg(long)]
    addresses: bool,

    /// No remarks
    #[arg(long, short)]
    quiet: bool,
}

impl Find {
    pub fn run(self) -> Result<()> {
        ThreadArgs::default().apply()?;
        let query = self.words.join(" ");
        let model = self.model.load(self.quiet)?;
        let mut found = find(&model, &query)?;
        if found.is_empty() {
            let near = near(&model, &query);
            bail!(
                Request,
                "no unit of {} is known to answer to \"{}\": {}",
                model.name,
                shorten(&query),
                match near.as_slice() {
                    [] => "`percept units` lists what each answers to".to_owned(),
                    near => format!("try `percept find {}`", near.join("`, `percept find ")),
                }
            );
        }
        let all = found.len();
        if self.limit > 0 {
            found.truncate(self.limit);
        }
        if self.json {
            found.iter().try_for_each(|unit| say(&json(unit, false)?))?;
        } else if self.addresses {
            found.iter().try_for_each(|unit| say(&address(unit)))?;
        } else {
            let heads = ["UNIT", "MATCH", "SCORE", "DRAWN", "LINE ART", "WRITTEN"];
            let rows: Vec<_> = [heads.map(str::to_owned)]
                .into_iter()
                .chain(found.iter().map(row))
                .collect();
            table(&rows, &[2]).iter().try_for_each(|line| say(line))?;
        }
        if found.len() < all && !self.quiet {
            remark(&format!(
                "{} of {all} units: --limit 0 shows all",
                found.len()
            ));
        }
        Ok(())
    }
}

fn address(unit: &Found) -> String {
    format!("{}:{}", unit.tap, unit.unit)
}

/// A unit's address, how it was found, and by which answers, each after its place among the unit's.
fn row(unit: &Found) -> [String; 6] {
    let by = |kind: Kind| {
        let seen = unit.by.iter().find(|seen| seen.kind == kind);
        seen.map_or("-".to_owned(), |seen| match &seen.printed {
            Some(printed) => format!("{} {} ({printed})", seen.place, seen.answer),
            None => format!("{} {}", seen.place, seen.answer),
        })
    };
    [
        address(unit),
        unit.how.to_string(),
        format!("{:.2}", unit.score),
        by(Kind::Drawings),
        by(Kind::LineArt),
        by(Kind::Words),
    ]
}
