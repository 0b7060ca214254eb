//! `percept atlas`.

mod answer;
mod cluster;
mod follow;
mod merge;

use std::path::PathBuf;

use answer::Answer;
use clap::{Args, Subcommand, ValueHint};
use follow::Follow;

use super::options::{Batch, ModelArgs, ThreadArgs, json, load, say};
use super::progress;
use super::recipe::RecipeArgs;
use crate::atlas::gather::gather;
use crate::atlas::publish::publish;
use crate::atlas::site::PAGE;
use crate::atlas::{Entry, Folder, Outcome, Plan, Shard, Work};
use crate::error::{Result, bail};
use crate::model::Model;
use crate::recipe::Request;

/// Render a whole layer, or any number of units, into a folder that can be continued
///
/// The first run fixes a plan: which units, by which recipe. Every picture is put into the folder when it
/// is done. However a run ends, `percept atlas --out FOLDER` goes on from there and ends with the same
/// bytes as if nothing had happened; what is asked then must be what the plan says.
///
/// On several machines, or in a cluster's array of jobs, each process takes a part of the units with
/// --shard; nothing passes between them. `percept atlas merge` finishes such an atlas.
#[derive(Debug, Args)]
#[command(after_help = "Units:
  layer4.0.sum                   all units of a tap (`percept layers` lists them)
  layer4.0.sum:0..64             a range; also lists: layer4.0.sum:3,5,8
  0..64                          of the model's default tap

Examples:
  percept atlas --units layer4.0.sum --out atlas
  percept atlas --model RN50x4 --units layer4.5.sum:0..2560 --steps 256 --out atlas
  percept atlas --out atlas                     goes on where it was
  percept atlas --units layer3 --shard 0/4 --out atlas     the first of four machines
  percept atlas merge atlas                     when all four have ended
  percept atlas cluster slurm > percept.sbatch  a job file to start from")]
#[command(args_conflicts_with_subcommands = true)]
pub struct Atlas {
    #[command(subcommand)]
    command: Option<Command>,

    /// Which units: a tap for all of its units, a range or a list; may be given several times
    #[arg(long, value_name = "UNITS")]
    units: Vec<String>,

    /// Where the atlas lies
    #[arg(long, short, value_name = "FOLDER", default_value = "atlas", value_hint = ValueHint::DirPath)]
    out: PathBuf,

    /// Which part of the units to render: i/n, counted from 0/n; in an array of a cluster's jobs the
    /// scheduler tells it
    #[arg(long, value_name = "i/n")]
    shard: Option<Shard>,

    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    recipe: RecipeArgs,

    /// Also what makes each unit smallest
    #[arg(long)]
    negative: bool,

    /// Images rendered side by side on each device, or auto for what the memory holds; pictures made by the
    /// CPU do not depend on it
    #[arg(long, value_name = "N", default_value = "auto")]
    batch: Batch,

    #[command(flatten)]
    threads: ThreadArgs,

    /// Print a JSON object at the end instead of a line
    #[arg(long)]
    json: bool,

    /// No progress and no remarks
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Merge(merge::Merge),
    Cluster(cluster::Cluster),
}

impl Atlas {
    pub fn run(self) -> Result<()> {
        match self.command {
            Some(Command::Merge(command)) => command.run(),
            Some(Command::Cluster(command)) => command.run(),
            None => self.begin_or_go_on(),
        }
    }

    fn begin_or_go_on(self) -> Result<()> {
        self.threads.apply()?;
        let shard = self.shard()?;
        let folder = Folder::new(&self.out);
        let begun = folder.plan()?;
        if begun.is_none() && self.units.is_empty() {
            bail!(
                Request,
                "there is no atlas in {} yet: say which units to render with --units, such as --units layer4.0.sum",
                self.out.display()
            );
        }
        let (model, plan) = match begun {
            Some(plan) => self.go_on(plan)?,
            None => {
                let model = self.model.load(self.quiet)?;
                let plan = Plan::new(&self.request()?, &model)?;
                (model, plan)
            }
        };
        let mut work = Work::open(folder, plan, shard)?;
        progress::stop_on_ctrl_c()?;
        let outcome = self.render(&model, &mut work, shard)?;
        if shard.is_whole() {
            let folder = Folder::new(&self.out);
            publish_all(&model, &folder, work.plan(), &work.entries())?;
            if !self.quiet {
                eprintln!("open {}", self.out.join(PAGE).display());
            }
        }
        self.sum_up(&work, shard, &outcome)
    }

    fn shard(&self) -> Result<Shard> {
        if let Some(shard) = self.shard {
            return Ok(shard);
        }
        match Shard::from_scheduler(|name| std::env::var(name).ok())? {
            Some((shard, variable)) => {
                if !self.quiet {
                    eprintln!("shard {shard}, as {variable} says");
                }
                Ok(shard)
            }
            None => Ok(Shard::WHOLE),
        }
    }

    fn request(&self) -> Result<Request> {
        Ok(Request {
            units: self.units.clone(),
            negative: self.negative,
            ..self.recipe.request()?
        })
    }

    /// The plan that the atlas was begun with, if it is also what is asked now.
    fn go_on(&self, plan: Plan) -> Result<(Model, Plan)> {
        let entry = &plan.first()?.model;
        let name = self.model.model.as_deref().unwrap_or(&entry.name);
        let activation = self.model.activation.unwrap_or(entry.activation);
        let model = load(name, Some(activation), self.quiet)?;
        plan.check_weights(&model)?;
        let (device, dtype) = plan.device()?;
        let (device, dtype) = self.recipe.device.resolve(device, dtype);
        let request = plan.complete(Request {
            device,
            dtype,
            ..self.request()?
        })?;
        plan.check_same(&Plan::new(&request, &model)?)?;
        Ok((model, plan))
    }

    fn render(&self, model: &Model, work: &mut Work, shard: Shard) -> Result<Outcome> {
        let left = work.left();
        if left == 0 {
            return Ok(Outcome::default());
        }
        let plan = work.plan();
        let (device, dtype) = plan.device()?;
        let (device, dtype) = self.recipe.device.resolve(device, dtype);
        let recipe = plan.first()?;
        let steps = recipe.steps;
        if !self.quiet && work.done() > 0 {
            eprintln!("{} pictures are there, {left} to go", work.done());
        }
        let renderer = self.recipe.device.renderer(model, &device, dtype)?;
        let batch = self.batch.images(&renderer, recipe, device.count(), left)?;
        let follow = Follow::new(left, steps, self.quiet);
        let outcome = work.run(&renderer, batch, &follow);
        follow.finish();
        outcome.map_err(|error| {
            let done = work.done();
            error.context(format!(
                "{done} pictures are done; `percept atlas --out {}{}` goes on",
                self.out.display(),
                match shard.is_whole() {
                    true => String::new(),
                    false => format!(" --shard {shard}"),
                }
            ))
        })
    }

    fn sum_up(&self, work: &Work, shard: Shard, outcome: &Outcome) -> Result<()> {
        let entries = work.entries();
        let answer = Answer {
            folder: &self.out.display().to_string(),
            shard: &shard.to_string(),
            pictures: work.plan().items().count(),
            done: entries.len(),
            rendered: outcome.rendered,
            seconds: outcome.seconds,
            units_per_minute: 60.0 * outcome.rendered as f64
                / outcome.seconds.max(f64::MIN_POSITIVE),
            failed: outcome.failed.iter().map(ToString::to_string).collect(),
        };
        if self.json {
            say(&json(&answer, false)?)?;
        } else {
            say(&answer.to_string())?;
        }
        conclude(&answer.failed)
    }
}

/// Writes the table, the manifest and the site of what is done.
fn publish_all(model: &Model, folder: &Folder, plan: &Plan, entries: &[Entry]) -> Result<()> {
    let (header, records) = gather(model, folder, plan, entries)?;
    publish(folder.path(), &header, &records)
}

/// # Errors
/// When pictures could not be made: lists them.
fn conclude(failed: &[String]) -> Result<()> {
    if failed.is_empty() {
        return Ok(());
    }
    bail!(
        Numeric,
        "{} pictures could not be made: {}",
        failed.len(),
        failed.join(", ")
    )
}
