//! `percept replay`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::naming;
use super::options::{ThreadArgs, as_recorded, load, remark};
use super::render::{Say, prepare, render_all};
use super::stop;
use crate::error::{Error, Result, bail};
use crate::input::sha256;
use crate::objective::Sources;
use crate::output::sidecar;
use crate::recipe::Recipe;
use crate::render::Renderer;

/// Render a picture again from its sidecar, or from the PNG itself
///
/// Runs the recorded recipe and says whether the new file has the same bytes as the old one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  percept replay outputs/mini-layer4.0.sum_117-s0.json
  percept replay figure.png --out again.png
  percept replay rn50x4.json --model ~/weights/RN50x4.pt")]
pub struct Replay {
    /// A sidecar (.json) or a picture (.png) that percept wrote
    #[arg(value_name = "SIDECAR", value_hint = ValueHint::FilePath)]
    sidecar: PathBuf,

    /// Where to write; beside the sidecar, as NAME.replay.png, by default
    #[arg(long, short, value_name = "FILE.png", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,

    /// Where the weights lie now, when they have moved; they must be the same
    #[arg(long, short, value_name = "MODEL")]
    model: Option<String>,

    #[command(flatten)]
    threads: ThreadArgs,

    /// Print a JSON object instead of a line
    #[arg(long)]
    json: bool,

    /// No progress bar and no remarks
    #[arg(long, short)]
    quiet: bool,
}

impl Replay {
    pub fn run(self) -> Result<()> {
        self.threads.apply()?;
        if let Some(out) = &self.out
            && !out
                .extension()
                .is_some_and(|end| end.eq_ignore_ascii_case("png"))
        {
            bail!(
                Request,
                "a replay is written as a PNG: give --out a name that ends in .png, not {}",
                out.display()
            );
        }
        let stored = sidecar::read::<Recipe>(&self.sidecar)?;
        let recipe = stored.recipe;
        let name = self.model.as_deref().unwrap_or(&recipe.model.name);
        let model = load(name, as_recorded(&recipe.model), self.quiet)?;
        let cannot =
            |error: Error| error.context(format!("cannot replay {}", self.sidecar.display()));
        let sources = Sources::new(&model);
        recipe.check(&sources).map_err(cannot)?;
        let beside = || self.sidecar.with_extension("replay.png");
        let out = self.out.clone().unwrap_or_else(beside);
        let (device, dtype) = (recipe.device(), recipe.dtype);
        let jobs = [(recipe, out.clone())];
        prepare(&jobs)?;
        let renderer = Renderer::new(&sources, &device, dtype).map_err(cannot)?;
        stop::listen()?;
        let say = Say {
            is_quiet: self.quiet,
            is_json: self.json,
        };
        render_all(&renderer, &jobs, &naming::with_steps, 1, say).map_err(cannot)?;
        let bytes = std::fs::read(&out).map_err(|source| Error::io("cannot read", &out, source))?;
        if stored.sha256 != sha256(&bytes) {
            bail!(
                Numeric,
                "{} differs from the recorded picture: that was made by another version of percept or on another processor, or its recipe was changed since",
                out.display()
            );
        }
        if !self.quiet {
            remark("the same bytes as the recorded picture");
        }
        Ok(())
    }
}
