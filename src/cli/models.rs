//! `percept models`.

use clap::Args;
use serde::Serialize;

use super::options::{json, say};
use crate::error::Result;
use crate::model::spec::KNOWN;

/// List the models that are known by name
///
/// Any other CLIP in the same layouts loads too: give --model a hub id or a path.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  percept models
  percept models --json")]
pub struct Models {
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    /// Where `--model NAME` looks: in OpenAI's cache for this file, then on the hub.
    file: &'static str,
    hub_id: &'static str,
    sha256: &'static str,
}

impl Models {
    pub fn run(self) -> Result<()> {
        let mut rows = vec![Row {
            name: "mini",
            file: "embedded",
            hub_id: "",
            sha256: "",
        }];
        rows.extend(KNOWN.iter().map(|model| Row {
            name: model.name,
            file: model.openai_file,
            hub_id: model.hub_id,
            sha256: model.openai_sha256,
        }));
        if self.json {
            return say(&json(&rows, true)?);
        }
        say(&format!("{:<16} {:<20} HUB ID", "NAME", "OPENAI'S FILE"))?;
        for row in rows {
            say(format!("{:<16} {:<20} {}", row.name, row.file, row.hub_id).trim_end())?;
        }
        Ok(())
    }
}
