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

use crate::error::bail;
use crate::model::conventions::{Known, Source as Told};
use crate::model::spec::{self, Activation, HubModel, KNOWN, KnownModel, Source, meant};
use crate::{Error, Result};

mod archive;
mod bounds;
mod choice;
mod code;
mod config;
mod content;
pub mod downloads;
pub(super) mod family;
mod file;
mod hub;
mod huggingface;
mod names;
mod package;
mod parametrisation;
mod pickle;
mod remark;
mod safetensors;
mod stored;
mod tensors;
mod torch;
mod towers;
mod view;

pub use config::Config;
use downloads::Downloads;
use file::WeightFile;
use hub::Repository;
use package::{Folder, Package};
use tensors::Gathered;

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
    /// What the weights do not carry themselves, where their origin, code in them or a file beside them tells.
    pub config: Config,
    /// How all else is known, which is as in nearly every CLIP.
    pub otherwise: Told,
    /// The prefix of the image encoder's tensors, where it is one of several.
    pub prefix: Option<String>,
    /// Which prefixes were stripped and which tensors left out, where there is anything to say.
    pub remark: Option<String>,
}

/// Loads weights: of the one image tower in them, or of the one under `prefix`, and of its text tower. `downloads`
/// is told of what is fetched.
pub fn load(
    source: &Source,
    prefix: Option<&str>,
    downloads: &dyn Downloads,
) -> Result<Checkpoint> {
    match source {
        Source::Embedded => embedded(prefix),
        Source::Path(path) => from_path(path, prefix),
        Source::Known(model) => {
            let checkpoint = match downloaded_by_openai(model) {
                Some(path) => from_path(&path, prefix)?,
                None => {
                    let on_hub = HubModel::main(model.hub_id);
                    let repository = Repository::new(&on_hub, without_hub_known(model), downloads)?;
                    from_hub(&repository.published(), &on_hub, prefix)?
                }
            };
            Ok(published(checkpoint, model.activation))
        }
        Source::Hub(model) => {
            let repository = Repository::new(model, without_hub(&model.id), downloads)?;
            from_hub(&repository, model, prefix)
        }
    }
}

fn embedded(prefix: Option<&str>) -> Result<Checkpoint> {
    let file = [WeightFile::embedded(MINI)];
    let Gathered {
        tensors, remark, ..
    } = package::read_maps(&file, prefix)?;
    let checkpoint = Checkpoint {
        tensors,
        digest: file[0].digest(),
        origin: "mini".to_owned(),
        format: Format::Embedded,
        config: Config::default(),
        otherwise: Told::Published,
        prefix: None,
        remark,
    };
    Ok(published(checkpoint, Activation::QuickGelu))
}

/// A checkpoint of which it is known how it is to be used.
fn published(checkpoint: Checkpoint, activation: Activation) -> Checkpoint {
    Checkpoint {
        config: Config {
            activation: Some(Known::new(activation, Told::Published)),
            ..checkpoint.config
        },
        otherwise: Told::Published,
        ..checkpoint
    }
}

fn from_path(path: &Path, prefix: Option<&str>) -> Result<Checkpoint> {
    let metadata = path
        .metadata()
        .map_err(|error| Error::io("cannot read", path, error))?;
    let package = match metadata.is_dir() {
        true => package::read(&Folder(path), prefix)?,
        false => Some(package::read_file(path, prefix)?),
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

fn from_hub(repository: &Repository, model: &HubModel, prefix: Option<&str>) -> Result<Checkpoint> {
    let Some(package) = repository.read(prefix)? else {
        match &model.file {
            Some(_) => bail!(
                Network,
                "there is no {model} on the hub: see what files it has at https://huggingface.co/{}/tree/{}",
                model.id,
                model.revision
            ),
            None => bail!(
                Network,
                "the repository {model} has no weights that percept reads: none of {} is there; if they have another \
                 name, give the file's address, https://huggingface.co/{}/blob/{}/{}FILE",
                package::WEIGHTS.join(", "),
                model.id,
                model.revision,
                model.folder
            ),
        }
    };
    let name = model.file.as_deref().unwrap_or(&model.id);
    Ok(checkpoint(package, model.to_string(), name))
}

fn checkpoint(package: Package, origin: String, name: &str) -> Checkpoint {
    let Package {
        tensors,
        digest,
        format,
        container: _,
        config,
        prefix,
        remark,
    } = package;
    let by_name = spec::activation_by_name(name).map(|told| Known::new(told, Told::Name));
    let model = KNOWN.iter().find(|model| model.openai_sha256 == digest);
    let checkpoint = Checkpoint {
        tensors,
        digest,
        origin,
        format,
        config: Config {
            activation: config.activation.or(by_name).or(config.usual_activation),
            ..config
        },
        otherwise: Told::Assumed,
        prefix,
        remark,
    };
    match model {
        Some(model) => published(checkpoint, model.activation),
        None => checkpoint,
    }
}

/// An archive that bears the name of one of OpenAI's must be that one.
fn check_published(name: &str, path: &Path, package: &Package) -> Result<()> {
    let Some(model) = KNOWN.iter().find(|model| model.openai_file == name) else {
        return Ok(());
    };
    if package.container == Format::TorchScript && package.digest != model.openai_sha256 {
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

/// What to do where the hub is out of reach.
fn without_hub_known(model: &KnownModel) -> String {
    let (file, url) = (model.openai_file, model.openai_url());
    format!(
        "download {url} elsewhere and pass its path with --model {file}, or put it at ~/.cache/clip/{file}"
    )
}

fn without_hub(id: &str) -> String {
    let last = id.rsplit('/').next().unwrap_or(id);
    let meant = match meant(id).or_else(|| meant(last)) {
        Some(name) => format!(", or give --model {name} if you meant that"),
        None => String::new(),
    };
    format!(
        "download the weights and the JSON files of https://huggingface.co/{id} elsewhere into a folder and pass its \
         path with --model{meant}"
    )
}
