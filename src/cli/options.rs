//! Options that several commands share.

use std::io::{ErrorKind, Write};
use std::str::FromStr;

use clap::Args;
use serde::Serialize;

use super::download::Download;
use crate::backend::threads::use_threads;
use crate::device::{Device, Dtype};
use crate::error::{Error, Kind, Result, bail, printable, shorten};
use crate::model::spec::Activation;
use crate::model::{Model, Options};
use crate::objective::Sources;
use crate::recipe::{ModelEntry, Recipe};
use crate::render::Renderer;

/// The embedded model.
const DEFAULT_MODEL: &str = "mini";

#[derive(Debug, Args)]
pub struct ModelArgs {
    /// Which CLIP: `mini` (embedded, the default), a known name such as RN50x4 or ViT-B/32, a hub id such as
    /// timm/resnet50x4_clip.openai, with @REVISION if not its main branch, or a path to weights
    ///
    /// Weights may be OpenAI's .pt archive, a state dict, an open_clip checkpoint, a safetensors
    /// file, or a Hugging Face directory. `percept models` lists the known names.
    #[arg(long, short, value_name = "MODEL")]
    pub model: Option<String>,

    /// The transformers' activation: quick-gelu or gelu; taken from the weights' configuration or
    /// origin by default
    #[arg(long, value_name = "NAME")]
    pub activation: Option<Activation>,

    /// Which of several image encoders in the weights: how the names of its tensors begin, such as model_ema
    ///
    /// An image encoder is found under any prefix, and the tensors of other models beside it are left out. Where a
    /// file holds several, the error lists their prefixes.
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
}

impl ModelArgs {
    pub fn load(&self, quiet: bool) -> Result<Model> {
        let name = self.model.as_deref().unwrap_or(DEFAULT_MODEL);
        load(name, self.options(), quiet)
    }

    /// What was typed of how weights are read.
    pub fn options(&self) -> Options<'static> {
        Options {
            activation: self.activation,
            prefix: self.prefix.clone(),
            ..Options::default()
        }
    }

    /// What was typed, or else what is recorded.
    pub fn over(&self, entry: &ModelEntry) -> Options<'static> {
        let held = as_recorded(entry);
        Options {
            activation: self.activation.or(held.activation),
            prefix: self.prefix.clone().or(held.prefix),
            ..held
        }
    }
}

/// How the weights of a recipe are read again.
pub fn as_recorded(entry: &ModelEntry) -> Options<'static> {
    Options {
        activation: Some(entry.activation),
        prefix: entry.prefix.clone(),
        ..Options::default()
    }
}

/// Loads a model by name; says what was left out of the weights, and what was assumed where nothing told it.
pub fn load(name: &str, options: Options<'_>, quiet: bool) -> Result<Model> {
    let downloads = Download::new(quiet);
    let options = Options {
        downloads: &downloads,
        ..options
    };
    let model = Model::load(name, options)?;
    if let Some(found) = model.remark.as_deref().filter(|_| !quiet) {
        remark(&format!(
            "{}: {}",
            printable(&model.origin),
            printable(found)
        ));
    }
    if !quiet && let Some(line) = assumed(&model) {
        remark(&line);
    }
    Ok(model)
}

/// What a model's numbers depend on and nothing tells, in one line.
fn assumed(model: &Model) -> Option<String> {
    let uses_activation = model.has_transformer();
    let assumed = model
        .conventions
        .assumed(uses_activation, model.sees_by_transformer());
    if assumed.is_empty() {
        return None;
    }
    let overrules = match uses_activation && model.conventions.activation.is_assumed() {
        true => "; --activation overrules the first",
        false => "",
    };
    Some(format!(
        "nothing in or beside {} tells these, so they are assumed: {}{overrules}; the JSON files that it was published with tell them when they lie beside it",
        printable(&model.origin),
        assumed.join(", ")
    ))
}

/// Prints a line to standard output; a reader that has gone away, such as `head`, is no error.
pub fn say(line: &str) -> Result<()> {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => {
            Err(Error::new(Kind::Io, "cannot write to standard output").caused_by(source))
        }
        _ => Ok(()),
    }
}

/// Prints a line to standard error. What cannot be written there can be said nowhere else: no run ends
/// because nobody listens any more.
pub fn remark(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// An answer as JSON, on one line or indented.
pub fn json(answer: &impl Serialize, indented: bool) -> Result<String> {
    let text = match indented {
        true => serde_json::to_string_pretty(answer),
        false => serde_json::to_string(answer),
    };
    text.map_err(|source| Error::new(Kind::Internal, "cannot write JSON").caused_by(source))
}

/// More threads than any machine runs, and few enough for any to start.
const MOST_THREADS: usize = 1024;

#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// What to render on: cpu (the default), cuda (the first NVIDIA GPU), or GPUs such as cuda:1 or cuda:0,1, which
    /// share each batch
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<Device>,

    /// How a GPU stores activations: f32 (the default), f16 or bf16; sums and pictures are f32 always
    #[arg(long, value_name = "TYPE")]
    pub dtype: Option<Dtype>,

    /// Record each step on a GPU as a CUDA graph and launch it as one; the same pictures, for small batches
    /// in less time
    #[arg(long)]
    pub cuda_graph: bool,
}

impl DeviceArgs {
    /// What was typed, or else what is given here.
    pub fn resolve(&self, device: Device, dtype: Dtype) -> (Device, Dtype) {
        (
            self.device.clone().unwrap_or(device),
            self.dtype.unwrap_or(dtype),
        )
    }

    /// A renderer on it.
    ///
    /// # Errors
    /// When a device cannot be opened, or is asked for what it cannot do.
    pub fn renderer<'a>(
        &self,
        sources: &'a Sources<'a>,
        device: &Device,
        dtype: Dtype,
    ) -> Result<Renderer<'a>> {
        if self.cuda_graph && *device == Device::Cpu {
            bail!(
                Request,
                "--cuda-graph is for a GPU: give --device cuda, or leave it out"
            );
        }
        Ok(Renderer::new(sources, device, dtype)?.recording(self.cuda_graph))
    }
}

/// Images that climb side by side on each device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// As many as the memory holds and the device can use.
    Auto,
    /// So many.
    Images(usize),
}

impl FromStr for Batch {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(0)) => bail!(
                Request,
                "a batch of 0 images renders nothing: give --batch 1 or more, or auto"
            ),
            (_, Ok(images)) => Ok(Self::Images(images)),
            _ => bail!(Request, "give a number of images, or auto"),
        }
    }
}

impl Batch {
    /// The images of a batch of this recipe, of at most `all`, on all devices together.
    ///
    /// # Errors
    /// When a device fails.
    pub fn images(
        self,
        renderer: &Renderer,
        recipe: &Recipe,
        devices: usize,
        all: usize,
    ) -> Result<usize> {
        let each = match self {
            Self::Images(images) => images,
            Self::Auto if all < 2 => all,
            Self::Auto => renderer.fit(recipe)?.images,
        };
        Ok((each * devices).min(all))
    }
}

/// The environment variable that also tells the number of threads.
const THREADS: &str = "RAYON_NUM_THREADS";

/// # Errors
/// When the variable is out of range, even where `--threads` overrules it: candle has threads of its own, as
/// many as it says.
fn threads_of_the_environment() -> Result<Option<usize>> {
    let Some(text) = std::env::var_os(THREADS).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let text = text.to_string_lossy();
    match text.trim().parse() {
        Ok(count) if (1..=MOST_THREADS).contains(&count) => Ok(Some(count)),
        _ => bail!(
            Request,
            "{THREADS} is \"{}\": set it to a number of threads from 1 to {MOST_THREADS}, or unset it and give --threads",
            shorten(&text)
        ),
    }
}

#[derive(Debug, Default, Args)]
pub struct ThreadArgs {
    /// Threads to use; all cores by default. Pictures do not depend on it
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

impl ThreadArgs {
    /// Starts the threads that were asked for, by `--threads` or else by `RAYON_NUM_THREADS`.
    pub fn apply(&self) -> Result<()> {
        let told = threads_of_the_environment()?;
        match self.threads.or(told) {
            Some(count) if (1..=MOST_THREADS).contains(&count) => use_threads(count),
            Some(count) => bail!(
                Request,
                "{count} threads is out of range: give --threads from 1 to {MOST_THREADS}"
            ),
            None => Ok(()),
        }
    }
}
