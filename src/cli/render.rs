//! `percept render`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde::Serialize;

use super::naming;
use super::options::{Batch, ModelArgs, ThreadArgs, json, remark};
use super::progress::Progress;
use super::recipe::RecipeArgs;
use super::stop;
use crate::device::{Device, Dtype};
use crate::error::{Error, Kind, Result, bail};
use crate::model::Model;
use crate::model::weights::Format;
use crate::objective::Sources;
use crate::output::file;
use crate::recipe::{Recipe, Request};
use crate::render::{Renderer, files};

/// The unit that `percept render` shows when none is named: one of the embedded model's that
/// people recognise.
const SHOWPIECE: &str = "117";

/// Render what one or several units respond to
///
/// Climbs each unit's activation by gradient ascent on a Fourier-parameterised image under random
/// transforms, writes a PNG and a JSON sidecar, and prints one line of numbers a picture: the
/// activation without transforms (and the objective, `clean`, where that is something else), the objective's
/// mean and deviation under fixed transforms, how the unit ranks among its layer's on the picture, and the
/// slope of the picture's spectrum. Where the line says `never opened`, the unit's ReLU lets nothing through on
/// the picture: what it shows is no result.
#[derive(Debug, Args)]
#[command(after_help = "Units and objectives:
  491                        a unit of the model's default tap
  layer4.0.sum:491           a unit of a tap (`percept layers` lists them)
  layer4.0.sum:0..16         a range, one picture each; also lists: 3,5,8
  layer4.0.sum:491@0,1       one position, row and column; also @centre
  -491                       its negative; with a tap after --, or --negative
  'layer3:12 + 0.5*layer3:40 - 2*tv'    a sum of units and penalties (l2, tv)
  'direction(layer4.0.sum, v.npy)'      a vector's dot product; with power=2
                                        behind the file times cosine^2
  'direction(layer3, sae.npz#W, 0..16)' rows of a dictionary, one picture each
  'text(\"a dog\") - text(\"a cat\")'     a text: cosine with the embedding
  'deepdream(layer3)'                   all that a tap shows: the mean square
  '117 - 2*diversity(layer3)' --variants 4   variants that differ in style
  '117 + 0.5*facet(layer3, style.npy)'  a unit steered towards a style

Examples:
  percept render 491
  percept render $(percept find truck --addresses)
  percept render layer4.0.sum:0..64 --steps 256 --batch 16 --out sheet/
  percept render 89 --model RN50x4 --preset goh2021 --steps 1024
  percept render --model ViT-B/32 blocks.10.mlp:7 --negative")]
pub struct Render {
    /// What to render, each a unit, a range or list of units, or an objective
    #[arg(value_name = "UNIT", allow_negative_numbers = true)]
    units: Vec<String>,

    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    recipe: RecipeArgs,

    /// What makes the units smallest instead of largest
    #[arg(long)]
    negative: bool,

    /// Also keep the pictures after these steps, such as 32,64,128
    #[arg(long, value_name = "STEPS", value_delimiter = ',')]
    checkpoints: Vec<usize>,

    /// Images rendered side by side on each device, or auto for what the memory holds; pictures made by the
    /// CPU do not depend on it
    #[arg(long, value_name = "N", default_value = "8")]
    batch: Batch,

    #[command(flatten)]
    threads: ThreadArgs,

    /// A folder, or for one picture a name ending in .png
    #[arg(long, short, value_name = "PATH", default_value = "outputs", value_hint = ValueHint::AnyPath)]
    out: PathBuf,

    /// Print one JSON object a picture instead of a line, also of one that could not be made
    #[arg(long)]
    json: bool,

    /// No progress bar and no remarks
    #[arg(long, short)]
    quiet: bool,
}

impl Render {
    pub fn run(self) -> Result<()> {
        self.threads.apply()?;
        let model = self.model.load(self.quiet)?;
        let sources = Sources::new(&model);
        let recipes = self.request(&model)?.resolve(&sources)?;
        if !self.quiet {
            sources.remarks().iter().for_each(|text| remark(text));
        }
        let files = naming::files(&self.out, &recipes, model.encoder.resolution())?;
        let jobs: Vec<(Recipe, PathBuf)> = recipes.into_iter().zip(files).collect();
        prepare(&jobs)?;
        stop::listen()?;
        let (device, dtype) = self
            .recipe
            .device
            .resolve(Device::default(), Dtype::default());
        let renderer = self.recipe.device.renderer(&sources, &device, dtype)?;
        let batch = match jobs.first() {
            Some((recipe, _)) => {
                self.batch
                    .images(&renderer, recipe, device.count(), jobs.len())?
            }
            None => return Ok(()),
        };
        let resolution = model.encoder.resolution();
        let unfinished = |recipe: &Recipe, whole: &Path| {
            naming::unfinished(recipe, whole, &self.out, resolution)
        };
        let say = Say {
            is_quiet: self.quiet,
            is_json: self.json,
        };
        render_all(&renderer, &jobs, &unfinished, batch, say)
    }

    fn request(&self, model: &Model) -> Result<Request> {
        let mut units = self.units.clone();
        if units.is_empty() {
            if model.format != Format::Embedded {
                bail!(
                    Request,
                    "say what to render: a unit such as 89, or TAP:UNIT (`percept layers` lists the taps)"
                );
            }
            units.push(SHOWPIECE.to_owned());
        }
        Ok(Request {
            units,
            negative: self.negative,
            checkpoints: self.checkpoints.clone(),
            ..self.recipe.request()
        })
    }
}

/// Finds out before any work whether the files of all pictures can be written.
pub fn prepare(jobs: &[(Recipe, PathBuf)]) -> Result<()> {
    let files = jobs.iter().flat_map(|(recipe, path)| files(recipe, path));
    file::prepare_files(&files.collect::<Vec<_>>())
}

/// A picture that could not be made.
#[derive(Serialize)]
struct Failed {
    objective: String,
    error: String,
}

/// How much is said, and how.
#[derive(Debug, Clone, Copy)]
pub struct Say {
    pub is_quiet: bool,
    pub is_json: bool,
}

/// So many jobs at a time, and those that are made together in one batch.
fn batches(mut jobs: &[(Recipe, PathBuf)], images: usize) -> Vec<&[(Recipe, PathBuf)]> {
    let mut batches = Vec::new();
    while !jobs.is_empty() {
        let begins = |&index: &usize| match jobs.get(index) {
            Some((recipe, _)) => recipe.together.is_none() || recipe.variant == 0,
            None => true,
        };
        let end = (images.max(1)..=jobs.len()).find(begins);
        let (batch, others) = jobs.split_at(end.unwrap_or(jobs.len()));
        batches.push(batch);
        jobs = others;
    }
    batches
}

/// Renders batch after batch and writes every picture as its batch is done; reports failed units
/// at the end, and goes on without them. A disk that refuses one picture ends the run. `unfinished` says where
/// a picture goes that was stopped.
pub fn render_all(
    renderer: &Renderer,
    jobs: &[(Recipe, PathBuf)],
    unfinished: &(dyn Fn(&Recipe, &Path) -> PathBuf + Sync),
    batch: usize,
    say: Say,
) -> Result<()> {
    let Some((first, _)) = jobs.first() else {
        return Ok(());
    };
    let progress = Progress::new(jobs.len(), first.ascent.steps, say.is_quiet);
    let mut failures: Vec<Error> = Vec::new();
    let (mut whole, mut begun) = (0, 0);
    let mut said = Ok(());
    let mut refused = None;
    for batch in batches(jobs, batch) {
        if stop::is_asked() || refused.is_some() {
            break;
        }
        progress.start_batch(batch.len(), whole + failures.len());
        let results = renderer.render(batch, unfinished, &progress);
        for ((recipe, _), finished) in batch.iter().zip(results) {
            match finished {
                Ok(finished) => {
                    match finished.quality {
                        Some(_) => whole += 1,
                        None => begun += 1,
                    }
                    let line = match say.is_json {
                        true => json(&finished, false),
                        false => Ok(finished.to_string()),
                    };
                    said = said.and(line.and_then(|line| progress.print(&line)));
                }
                Err(error) if error.kind() == Kind::Interrupted => {}
                Err(error) => {
                    if say.is_json {
                        let failed = Failed {
                            objective: recipe.objective.to_string(),
                            error: error.report(),
                        };
                        let line = json(&failed, false);
                        said = said.and(line.and_then(|line| progress.print(&line)));
                    }
                    if error.kind() == Kind::Io {
                        refused = refused.or(Some(error));
                        continue;
                    }
                    if jobs.len() > 1 {
                        progress.warn(&format!("percept: {}", error.report()));
                    }
                    failures.push(error);
                }
            }
        }
    }
    progress.finish();
    if let Some(error) = refused {
        return Err(match jobs.len() {
            1 => error,
            all => error.context(format!("{whole} of {all} pictures are written")),
        });
    }
    if whole + failures.len() < jobs.len() {
        bail!(
            Interrupted,
            "stopped: {whole} of {} pictures are done, and {begun} more are written as far as they had come",
            jobs.len()
        );
    }
    match failures.len() {
        0 => said,
        1 if jobs.len() == 1 => Err(failures.remove(0)),
        count => Err(Error::new(
            failures[0].kind(),
            format!("{count} of {} pictures could not be made", jobs.len()),
        )),
    }
}
