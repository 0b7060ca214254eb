//! Weights with the files that belong to them: in a folder, or in a repository of the hub.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use candle_core::Tensor;

use super::Format;
use super::config::{self, Config};
use super::file;
use super::tensors::Tensors;
use crate::Result;
use crate::error::{Context, bail};
use crate::input::sha256;

/// Where files are found by name.
pub(super) trait Files {
    /// The first of these files that there is, with its name; prefers one that needs no download.
    fn first<'n>(&self, names: &[&'n str]) -> Result<Option<(&'n str, PathBuf)>>;

    /// The file of this name, if there is one.
    fn find(&self, name: &str) -> Result<Option<PathBuf>> {
        Ok(self.first(&[name])?.map(|(_, path)| path))
    }
}

/// A folder on this machine.
pub(super) struct Folder<'p>(pub &'p Path);

impl Files for Folder<'_> {
    fn first<'n>(&self, names: &[&'n str]) -> Result<Option<(&'n str, PathBuf)>> {
        let paths = names.iter().map(|&name| (name, self.0.join(name)));
        Ok(paths.into_iter().find(|(_, path)| path.exists()))
    }
}

/// The files that hold the weights in published models, best first.
pub(super) const WEIGHTS: [&str; 5] = [
    "open_clip_model.safetensors",
    "model.safetensors",
    INDEX,
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
];

/// Lists the shards of weights that come in several files.
const INDEX: &str = "model.safetensors.index.json";

/// Weights and all that is known of them.
pub(super) struct Package {
    pub tensors: BTreeMap<String, Tensor>,
    pub digest: String,
    pub format: Format,
    pub config: Config,
}

/// Reads the weights among `files`; none where there are no weights.
pub(super) fn read(files: &impl Files) -> Result<Option<Package>> {
    let Some((name, path)) = files.first(&WEIGHTS)? else {
        return Ok(None);
    };
    let shards = match name {
        INDEX => shards(files, &path)?,
        _ => BTreeMap::from([(name.to_owned(), path)]),
    };
    read_shards(&shards, files).map(Some)
}

/// Reads one weight file, with the settings in the files beside it.
pub(super) fn read_file(path: &Path) -> Result<Package> {
    let beside = Folder(path.parent().unwrap_or(Path::new("")));
    read_shards(&BTreeMap::from([(String::new(), path.to_owned())]), &beside)
}

fn read_shards(shards: &BTreeMap<String, PathBuf>, files: &impl Files) -> Result<Package> {
    let mut tensors = Tensors::default();
    let mut digests = Vec::new();
    let mut format = Format::Safetensors;
    for (name, path) in shards {
        let read = file::read(path, &mut tensors)?;
        format = read.format;
        digests.push((name, read.digest));
    }
    if tensors.are_huggingface() {
        format = Format::HuggingFace;
    }
    let of_weights = || {
        let paths: Vec<_> = shards
            .values()
            .map(|path| path.display().to_string())
            .collect();
        format!("cannot use {} as weights", paths.join(", "))
    };
    let digest = match digests.as_slice() {
        [(_, digest)] => digest.clone(),
        several => {
            let lines = several
                .iter()
                .map(|(name, digest)| format!("{name} {digest}\n"));
            sha256(lines.collect::<String>().as_bytes())
        }
    };
    let config = settings(format, files).context(of_weights)?;
    let tensors = tensors.finish().context(of_weights)?;
    Ok(Package {
        tensors,
        digest,
        format,
        config,
    })
}

fn settings(format: Format, files: &impl Files) -> Result<Config> {
    let json = |name| {
        files
            .find(name)?
            .map(|path| config::read_json(&path))
            .transpose()
    };
    match format {
        Format::Embedded | Format::TorchScript => Ok(Config::default()),
        Format::HuggingFace => {
            let (activation, declared) = match json("config.json")? {
                Some(json) => (
                    Some(config::huggingface_activation(&json)?),
                    config::huggingface_declared(&json)?,
                ),
                None => Default::default(),
            };
            let normalisation = match json("preprocessor_config.json")? {
                Some(json) => config::preprocessor(&json)?,
                None => None,
            };
            Ok(Config {
                activation,
                normalisation,
                declared,
            })
        }
        Format::StateDict | Format::OpenClipCheckpoint | Format::Safetensors => {
            let config = json("open_clip_config.json")?;
            config.map_or(Ok(Config::default()), |json| config::open_clip(&json))
        }
    }
}

/// The shards that an index names, all of which must be there, beside the index.
fn shards(files: &impl Files, index: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let json = config::read_json(index)?;
    let Some(map) = json["weight_map"].as_object().filter(|map| !map.is_empty()) else {
        bail!(
            Weights,
            "{} lists no weights: it has no weight_map",
            index.display()
        );
    };
    let mut shards = BTreeMap::new();
    for name in map.values() {
        let Some(name) = name.as_str().filter(|name| is_plain(name)) else {
            bail!(
                Weights,
                "{} names {name}, which is no file beside it",
                index.display()
            );
        };
        if shards.contains_key(name) {
            continue;
        }
        let Some(path) = files.find(name)? else {
            bail!(
                Weights,
                "{} names {name}, which is missing",
                index.display()
            );
        };
        shards.insert(name.to_owned(), path);
    }
    Ok(shards)
}

fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let single = matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    );
    single && !name.contains(['/', '\\', ':'])
}
