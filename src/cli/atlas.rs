//! `percept atlas`.

mod answer;
mod cluster;
mod follow;
mod merge;

use std::path::PathBuf;

use answer::Answer;
use clap::{Args, Subcommand, ValueHint};
use follow::Follow;

use super::options::{Batch, ModelArgs, ThreadArgs, json, load, remark, say};
use super::recipe::RecipeArgs;
use super::stop;
use crate::atlas::gather::gather;
use crate::atlas::publish::{check_unchanged, publish};
use crate::atlas::shard::Told;
use crate::atlas::site::PAGE;
use crate::atlas::{Entry, Folder, Outcome, Plan, Shard, Work};
use crate::error::{Error, Result, bail, printable};
use crate::model::Model;
use crate::objective::Sources;
use crate::recipe::Request;

/// Render a whole layer, or any number of units, into a folder that can be continued
///
/// The first run fixes a plan: which units, by which recipe. Every picture is put into the folder when it
/// is done. However a run ends, `percept atlas --out FOLDER` goes on from there and ends with the same
/// bytes as if nothing had happened; what is asked then must be what the plan says, or more units, which
/// are added to it.
///
/// On several machines, or in a cluster's array of jobs, each process takes a part of the units with
/// --shard; nothing passes between them. `percept atlas merge` finishes such an atlas. Some of an array's
/// jobs that are submitted again need PERCEPT_SHARDS, the number of all of them.
#[derive(Debug, Args)]
#[command(after_help = "Units:
  layer4.0.sum         all units of a tap (`percept layers` lists them)
  layer4.0.sum:0..64   a range; also lists: layer4.0.sum:3,5,8
  0..64                of the model's default tap

Examples:
  percept atlas --units layer4.0.sum --out atlas
  percept atlas --model RN50x4 --units layer4.5.sum --steps 256 --out atlas
  percept atlas --out atlas                      goes on where it was
  percept atlas --units layer4.0.sum --units layer3   adds a tap to the first
  percept atlas --units layer3 --shard 0/4       the first of four machines
  percept atlas merge atlas                      when all four have ended
  percept atlas cluster slurm > percept.sbatch   a job file to start from")]
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
        let told = self.told()?;
        let shard = told.map_or(self.shard.unwrap_or(Shard::WHOLE), |told| told.shard);
        let folder = Folder::new(&self.out);
        let begun = folder.plan()?;
        if begun.is_none() {
            folder.check_vacant()?;
            self.check_units(&folder)?;
        }
        let (model, plan) = match begun {
            Some(plan) => {
                if let Some(told) = told {
                    told.check(&folder.begun(&plan)?)?;
                }
                self.go_on(&plan)?
            }
            None => {
                let model = self.model.load(self.quiet)?;
                let plan = Plan::new(&self.request()?, &model)?;
                (model, plan)
            }
        };
        if shard.is_whole() {
            check_unchanged(folder.path())?;
        }
        let mut work = Work::open(folder, plan, shard)?;
        stop::listen()?;
        let outcome = self.render(&model, &mut work, shard)?;
        if shard.is_whole() {
            let folder = Folder::new(&self.out);
            publish_all(&model, &folder, work.plan(), &work.entries())?;
            if !self.quiet {
                let page = self.out.join(PAGE).display().to_string();
                remark(&format!("open {}", printable(&page)));
            }
        }
        self.sum_up(&work, shard, &outcome)
    }

    /// # Errors
    /// When no units are given, for an atlas that has no plan.
    fn check_units(&self, folder: &Folder) -> Result<()> {
        if !self.units.is_empty() {
            return Ok(());
        }
        if folder.has_begun() {
            bail!(
                Request,
                "{} is missing: begin again by the command that began this atlas, with its --units; what is done stays",
                folder.plan_file().display()
            );
        }
        bail!(
            Request,
            "there is no atlas in {} yet: say which units to render with --units, such as --units layer4.0.sum",
            self.out.display()
        )
    }

    /// The shard that a scheduler tells, where none was typed.
    fn told(&self) -> Result<Option<Told>> {
        if self.shard.is_some() {
            return Ok(None);
        }
        let told = Shard::from_scheduler(|name| std::env::var(name).ok())?;
        if let (Some(Told { shard, by, .. }), false) = (told, self.quiet) {
            remark(&format!("shard {shard}, as {by} says"));
        }
        Ok(told)
    }

    fn request(&self) -> Result<Request> {
        Ok(Request {
            units: self.units.clone(),
            negative: self.negative,
            ..self.recipe.request()
        })
    }

    /// The plan that the atlas was begun with, if it is also what is asked now; or what is asked, if it is the
    /// same of more units.
    fn go_on(&self, plan: &Plan) -> Result<(Model, Plan)> {
        let entry = &plan.first()?.model;
        let name = self.model.model.as_deref().unwrap_or(&entry.name);
        let model = load(name, self.model.over(entry), self.quiet);
        let model = match self.model.model {
            Some(_) => model?,
            None => model.map_err(|error| moved(&error))?,
        };
        plan.check_weights(&model)?;
        let (device, dtype) = plan.device()?;
        let (device, dtype) = self.recipe.device.resolve(device, dtype);
        let request = Request {
            device,
            dtype,
            ..self.request()?
        };
        let asked = Plan::new(&plan.complete(request, &model)?, &model)?.in_words_of(plan)?;
        plan.check_asked(&asked)?;
        let (units, more) = (plan.units().count(), asked.units().count());
        if !self.quiet && more > units {
            remark(&format!("the atlas had {units} units, and gets {more}"));
        }
        Ok((model, asked))
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
        let steps = recipe.ascent.steps;
        if !self.quiet && work.done() > 0 {
            remark(&format!("{} pictures are there, {left} to go", work.done()));
        }
        let sources = Sources::new(model);
        let renderer = self.recipe.device.renderer(&sources, &device, dtype)?;
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

/// As the error, with what to type where the weights of an atlas are not where they were.
fn moved(error: &Error) -> Error {
    let report = error.report();
    Error::new(
        error.kind(),
        format!("{report}; say with --model where the atlas' weights lie now"),
    )
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
