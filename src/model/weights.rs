//! Weight files: every published layout of CLIP, read into one.
//!
//! [`load`] finds the file, recognises its format by its content and answers with f32 tensors under
//! the names of OpenAI's state dicts. Whether they make a whole model is for the encoders to check.
//! Files are untrusted: nothing in them is run, every size is checked before memory is taken for it,
//! and whatever does not fit is an error that says what was found.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use candle_core::Tensor;

use crate::encoder::architecture::Declared;
use crate::error::{Kind, bail};
use crate::model::spec::{self, Activation, KNOWN, KnownModel, Source, meant};
use crate::{Error, Result};

mod archive;
mod config;
mod content;
mod file;
mod hub;
mod huggingface;
mod package;
mod pickle;
mod safetensors;
mod tensors;
mod torch;
mod view;

use hub::Repository;
use package::{Folder, Package};
use tensors::Tensors;

static MINI: &[u8] = include_bytes!("mini/model.safetensors");

/// The layout that weights were read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// The model inside the binary.
    Embedded,
    /// OpenAI's own archives: a compiled module, of which only the data is read.
    TorchScript,
    /// `torch.save(model.state_dict())`.
    StateDict,
    /// A state dict inside a checkpoint of a training run.
    OpenClipCheckpoint,
    /// Safetensors under open_clip's names, which are OpenAI's.
    Safetensors,
    /// The names of Hugging Face's transformers, in any container.
    HuggingFace,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded",
            Self::TorchScript => "TorchScript archive",
            Self::StateDict => "PyTorch state dict",
            Self::OpenClipCheckpoint => "open_clip checkpoint",
            Self::Safetensors => "safetensors",
            Self::HuggingFace => "Hugging Face transformers",
        })
    }
}

/// The weights of a model, and what is known of it besides.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Contiguous f32 tensors on the CPU, under the names of OpenAI's state dicts
    /// (`visual.layer1.0.conv1.weight`, `transformer.resblocks.0.attn.in_proj_weight`).
    pub tensors: BTreeMap<String, Tensor>,
    /// sha256 of the weight file in hex; for several files, of the lines `name sha256` that list
    /// them, sorted by name.
    pub digest: String,
    /// What the user would recognise: a path, a hub id, or `mini`.
    pub origin: String,
    /// The layout of the file.
    pub format: Format,
    /// The transformers' activation, where the file's origin or a configuration file tells.
    pub activation: Option<Activation>,
    /// Heads and depths, where a configuration file tells.
    pub declared: Declared,
    /// Mean and standard deviation of the image's colours, where a configuration file tells.
    pub normalisation: Option<([f32; 3], [f32; 3])>,
}

/// Loads weights. A download, where one is needed, draws a bar if `show_progress`.
pub fn load(source: &Source, show_progress: bool) -> Result<Checkpoint> {
    match source {
        Source::Embedded => embedded(),
        Source::Path(path) => from_path(path),
        Source::Known(model) => {
            let checkpoint = match downloaded_by_openai(model) {
                Some(path) => from_path(&path)?,
                None => from_hub(model.hub_id, show_progress)
                    .map_err(|error| advise_known(model, error))?,
            };
            Ok(Checkpoint {
                activation: Some(model.activation),
                ..checkpoint
            })
        }
        Source::Hub(id) => from_hub(id, show_progress).map_err(|error| advise_hub(id, error)),
    }
}

fn embedded() -> Result<Checkpoint> {
    let mut tensors = Tensors::default();
    let read = file::read_bytes(MINI, &mut tensors)?;
    Ok(Checkpoint {
        tensors: tensors.finish()?,
        digest: read.digest,
        origin: "mini".to_owned(),
        format: Format::Embedded,
        activation: Some(Activation::QuickGelu),
        declared: Declared::default(),
        normalisation: None,
    })
}

fn from_path(path: &Path) -> Result<Checkpoint> {
    let metadata = path
        .metadata()
        .map_err(|error| Error::io("cannot read", path, error))?;
    let package = match metadata.is_dir() {
        true => package::read(&Folder(path))?,
        false => Some(package::read_file(path)?),
    };
    let Some(package) = package else {
        bail!(
            Weights,
            "the folder {} holds no weights: none of {} is there; if they have another name, give \
             the path of the file",
            path.display(),
            package::WEIGHTS.join(", ")
        );
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    check_published(&name, path, &package)?;
    Ok(checkpoint(package, path.display().to_string(), &name))
}

fn from_hub(id: &str, show_progress: bool) -> Result<Checkpoint> {
    let repository = Repository::new(id, show_progress)?;
    match package::read(&repository)? {
        Some(package) => Ok(checkpoint(package, id.to_owned(), id)),
        None if repository.is_offline() => bail!(
            Network,
            "HF_HUB_OFFLINE is set, and the cache has no weights of {id} in {}",
            repository.folder().display()
        ),
        None => bail!(
            Network,
            "the repository {id} has no weights that percept reads: none of {} is there",
            package::WEIGHTS.join(", ")
        ),
    }
}

fn checkpoint(package: Package, origin: String, name: &str) -> Checkpoint {
    let Package {
        tensors,
        digest,
        format,
        config,
    } = package;
    let is_openai =
        format == Format::TorchScript || KNOWN.iter().any(|model| model.openai_sha256 == digest);
    let by_name = match is_openai {
        true => Some(Activation::QuickGelu),
        false => spec::activation_by_name(name),
    };
    Checkpoint {
        tensors,
        digest,
        origin,
        format,
        activation: by_name.or(config.activation),
        declared: config.declared,
        normalisation: config.normalisation,
    }
}

/// An archive that bears the name of one of OpenAI's must be that one.
fn check_published(name: &str, path: &Path, package: &Package) -> Result<()> {
    let Some(model) = KNOWN.iter().find(|model| model.openai_file == name) else {
        return Ok(());
    };
    if package.format == Format::TorchScript && package.digest != model.openai_sha256 {
        bail!(
            Weights,
            "{} is not the {name} that OpenAI published (its sha256 is {}, OpenAI's is {}): \
             download it again, or rename it if it is your own",
            path.display(),
            package.digest,
            model.openai_sha256
        );
    }
    Ok(())
}

/// The archive where OpenAI's own package keeps it.
fn downloaded_by_openai(model: &KnownModel) -> Option<PathBuf> {
    let path = std::env::home_dir()?
        .join(".cache/clip")
        .join(model.openai_file);
    path.is_file().then_some(path)
}

fn advise_known(model: &KnownModel, error: Error) -> Error {
    let (name, file, url) = (model.name, model.openai_file, model.openai_url());
    advise(error, || {
        format!(
            "{name} is not on this machine: download {url} elsewhere and pass its path with --model \
             {file}, or put it at ~/.cache/clip/{file}"
        )
    })
}

fn advise_hub(id: &str, error: Error) -> Error {
    advise(error, || {
        format!(
            "there is no folder {id} here, and no model of that name could be fetched: download the \
             weights and the JSON files of https://huggingface.co/{id} into a folder and pass its \
             path with --model{}",
            match meant(id) {
                Some(name) => format!(", or give --model {name} if you meant that"),
                None => String::new(),
            }
        )
    })
}

fn advise(error: Error, advice: impl FnOnce() -> String) -> Error {
    match error.kind() {
        Kind::Network => error.context(advice()),
        _ => error,
    }
}
