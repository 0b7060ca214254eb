//! `percept atlas merge`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde::Serialize;

use super::{conclude, moved, publish_all};
use crate::atlas::merge::{Merged, merge};
use crate::atlas::{Folder, Plan};
use crate::cli::options::{ThreadArgs, as_recorded, json, load, remark, say};
use crate::error::{Error, Kind, Result, bail, printable};
use crate::model::Model;

/// Bring together what several processes rendered, and finish the atlas
///
/// Checks that the folders hold the same plan and that no picture is missing from all of them. Shards that
/// wrote into one folder are finished by naming that folder. Weights are the same if their SHA-256 is,
/// wherever each machine had them; pictures and their sidecars stay as they are.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  percept atlas merge atlas                       all shards wrote into it
  percept atlas merge part-0 part-1 --out atlas   each into its own folder")]
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
        ThreadArgs::default().apply()?;
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
            weights,
            entries,
            failed,
            brought,
        } = merge(&folders, &out)?;
        let model = match &self.model {
            Some(name) => self.load(&plan, name)?,
            None => self.load_any(&plan, &weights)?,
        };
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
                printable(&answer.folder),
                answer.done
            ))?;
        }
        for (item, error) in &failed {
            remark(&format!("percept: {item}: {}", printable(error)));
        }
        conclude(&answer.failed)
    }

    /// The plan's weights, from one of the places where its processes found them.
    fn load_any(&self, plan: &Plan, names: &[String]) -> Result<Model> {
        let mut failed = None;
        for name in names {
            match self.load(plan, name) {
                Ok(model) => return Ok(model),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let nowhere = || Error::new(Kind::Input, "the plan names no weights");
        Err(moved(&failed.unwrap_or_else(nowhere)))
    }

    fn load(&self, plan: &Plan, name: &str) -> Result<Model> {
        let model = load(name, as_recorded(&plan.first()?.model), self.quiet)?;
        plan.check_weights(&model)?;
        Ok(model)
    }
}
