//! `percept atlas merge`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde::Serialize;

use super::{conclude, publish_all};
use crate::atlas::Folder;
use crate::atlas::merge::{Merged, merge};
use crate::cli::options::{json, load, say};
use crate::error::{Result, bail};

/// Bring together what several processes rendered, and finish the atlas
///
/// Checks that the folders hold the same plan and that no picture is missing from all of them. Shards that
/// wrote into one folder are finished by naming that folder.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  percept atlas merge atlas                          all shards wrote into one folder
  percept atlas merge part-0 part-1 --out atlas      each into its own")]
pub struct Merge {
    /// Folders that shards wrote into
    #[arg(value_name = "FOLDER", required = true, value_hint = ValueHint::DirPath)]
    folders: Vec<PathBuf>,

    /// Where the whole atlas goes; the folder itself when there is only one
    #[arg(long, short, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,

    /// Where the weights lie now, when they have moved; they must be the same
    #[arg(long, short, value_name = "MODEL")]
    model: Option<String>,

    /// Print a JSON object at the end instead of a line
    #[arg(long)]
    json: bool,

    /// No remarks
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Serialize)]
struct Answer {
    folder: String,
    done: usize,
    brought: usize,
    failed: Vec<String>,
}

impl Merge {
    pub fn run(self) -> Result<()> {
        let out = match (&self.out, self.folders.as_slice()) {
            (Some(out), _) => out,
            (None, [only]) => only,
            (None, _) => bail!(
                Request,
                "say where the whole atlas goes: give --out a folder, which may be one of these"
            ),
        };
        let folders: Vec<Folder> = self.folders.iter().map(Folder::new).collect();
        let out = Folder::new(out);
        let Merged {
            plan,
            entries,
            failed,
            brought,
        } = merge(&folders, &out)?;
        let entry = &plan.first()?.model;
        let name = self.model.as_deref().unwrap_or(&entry.name);
        let model = load(name, Some(entry.activation), self.quiet)?;
        plan.check_weights(&model)?;
        publish_all(&model, &out, &plan, &entries)?;
        let answer = Answer {
            folder: out.path().display().to_string(),
            done: entries.len(),
            brought,
            failed: failed.iter().map(|(item, _)| item.to_string()).collect(),
        };
        if self.json {
            say(&json(&answer, false)?)?;
        } else {
            say(&format!(
                "{}: all {} pictures, {brought} of them brought here now",
                answer.folder, answer.done
            ))?;
        }
        for (item, error) in &failed {
            eprintln!("percept: {item}: {error}");
        }
        conclude(&answer.failed)
    }
}
