//! Weights with the files that belong to them: in a folder, or in a repository of the hub.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use candle_core::Tensor;

use super::Format;
use super::code;
use super::config::{self, Config};
use super::file::WeightFile;
use super::tensors::{Gathered, gather};
use crate::Result;
use crate::error::{Context, Kind, bail};
use crate::input::sha256;
use crate::model::conventions::{Known, Source};

/// Where files are found by name.
pub(super) trait Files {
    /// The first of these files that there is, with its name; none where there certainly is none.
    ///
    /// # Errors
    /// When that is not known: the hub cannot be asked, and the cache does not tell.
    fn first<'n>(&self, names: &[&'n str]) -> Result<Option<(&'n str, PathBuf)>>;

    /// The file of this name; as with [`Files::first`], none means that there is none, and is never a guess.
    fn find(&self, name: &str) -> Result<Option<PathBuf>> {
        Ok(self.first(&[name])?.map(|(_, path)| path))
    }

    /// Whether files beside the weights are to tell how they are used.
    fn tell_settings(&self) -> bool {
        true
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
pub(super) const WEIGHTS: [&str; 6] = [
    "open_clip_model.safetensors",
    "model.safetensors",
    INDEXES[0],
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
    INDEXES[1],
];

/// List the shards of weights that come in several files.
const INDEXES: [&str; 2] = [
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
];

/// What to do about a list that is damaged.
const REPAIR: &str = "download it again, or give the path of a file that holds all weights";

/// Weights and all that is known of them.
pub(super) struct Package {
    pub tensors: BTreeMap<String, Tensor>,
    pub digest: String,
    pub format: Format,
    /// The format without regard to names.
    pub container: Format,
    pub config: Config,
    /// The image tower's prefix, where it is one of several.
    pub prefix: Option<String>,
    /// What was stripped and left out of the weights.
    pub remark: Option<String>,
}

/// Reads the weights among `files`, of the tower under `prefix` where there are several; none where there are no
/// weights.
pub(super) fn read(files: &impl Files, prefix: Option<&str>) -> Result<Option<Package>> {
    match files.first(&WEIGHTS)? {
        Some((name, path)) => read_found(files, name, path, prefix).map(Some),
        None => Ok(None),
    }
}

/// Reads the weights of this name, a file or the list of several; none where there is no such file.
pub(super) fn read_named(
    files: &impl Files,
    name: &str,
    prefix: Option<&str>,
) -> Result<Option<Package>> {
    match files.find(name)? {
        Some(path) => read_found(files, name, path, prefix).map(Some),
        None => Ok(None),
    }
}

fn read_found(
    files: &impl Files,
    name: &str,
    path: PathBuf,
    prefix: Option<&str>,
) -> Result<Package> {
    let shards = match name {
        name if INDEXES.contains(&name) => shards(files, &path)?,
        name => BTreeMap::from([(name.to_owned(), path)]),
    };
    read_shards(&shards, files, prefix)
}

/// Reads one weight file, with the settings in the files beside it.
pub(super) fn read_file(path: &Path, prefix: Option<&str>) -> Result<Package> {
    let beside = Folder(path.parent().unwrap_or(Path::new("")));
    let shards = BTreeMap::from([(String::new(), path.to_owned())]);
    read_shards(&shards, &beside, prefix)
}

fn read_shards(
    shards: &BTreeMap<String, PathBuf>,
    files: &impl Files,
    prefix: Option<&str>,
) -> Result<Package> {
    let of_weights = || {
        let paths: Vec<_> = shards
            .values()
            .map(|path| path.display().to_string())
            .collect();
        format!("cannot use {} as weights", paths.join(", "))
    };
    let maps = shards.values().map(|path| WeightFile::open(path));
    let maps: Vec<WeightFile> = maps.collect::<Result<_>>()?;
    let (digest, gathered) = rayon::join(|| digest_of(shards, &maps), || read_maps(&maps, prefix));
    let Gathered {
        tensors,
        format,
        container,
        prefix,
        remark,
        foreign_text,
    } = gathered.context(of_weights)?;
    let mut config = match (container, maps.as_slice()) {
        // An archive stands for itself, whatever lies beside it.
        (Format::TorchScript, [map]) => by_code(map.bytes()).context(of_weights)?,
        // What cannot be fetched is not the fault of the weights.
        _ => settings(format, files).map_err(|error| match error.kind() {
            Kind::Network => error,
            _ => error.context(of_weights()),
        })?,
    };
    let refusal = &mut config.declared.text.refusal;
    *refusal = refusal.take().or(foreign_text);
    Ok(Package {
        tensors,
        digest,
        format,
        container,
        config,
        prefix,
        remark,
    })
}

/// Reads the tensors of one model from its files.
pub(super) fn read_maps(maps: &[WeightFile], prefix: Option<&str>) -> Result<Gathered> {
    let files = maps.iter().map(WeightFile::tensors);
    gather(&mut files.collect::<Result<Vec<_>>>()?, prefix)
}

fn digest_of(shards: &BTreeMap<String, PathBuf>, maps: &[WeightFile]) -> String {
    let digests: Vec<String> = maps.iter().map(WeightFile::digest).collect();
    digest(shards.keys().zip(&digests))
}

/// The SHA-256 that stands for the weights: of one file its own, of several that of the lines `name sha256`; they come
/// sorted by name.
pub(super) fn digest<'d>(files: impl Iterator<Item = (&'d String, &'d String)>) -> String {
    let digests: Vec<_> = files.collect();
    match digests.as_slice() {
        [(_, digest)] => (*digest).clone(),
        several => {
            let lines = several
                .iter()
                .map(|(name, digest)| format!("{name} {digest}\n"));
            sha256(lines.collect::<String>().as_bytes())
        }
    }
}

/// What the code in an archive says.
fn by_code(archive: &[u8]) -> Result<Config> {
    let activation = code::activation(archive)?;
    Ok(Config {
        activation: activation.map(|activation| Known::new(activation, Source::Code)),
        ..Config::default()
    })
}

/// What the files beside weights say.
fn settings(format: Format, files: &impl Files) -> Result<Config> {
    if !files.tell_settings() {
        return Ok(Config::default());
    }
    let json = |name| {
        files
            .find(name)?
            .map(|path| config::read_json(&path))
            .transpose()
    };
    match format {
        Format::Embedded | Format::TorchScript => Ok(Config::default()),
        Format::HuggingFace => {
            let config = json(config::HUGGINGFACE)?;
            let config = config.map_or(Ok(Config::default()), |json| config::huggingface(&json))?;
            match files.first(&config::PROCESSORS)? {
                Some((name, path)) => {
                    config::preprocessor(&config::read_json(&path)?, name, config)
                }
                None => Ok(config),
            }
        }
        Format::StateDict | Format::OpenClipCheckpoint | Format::Safetensors => {
            let config = json(config::OPEN_CLIP)?;
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
            "{} lists no weights: it has no weight_map; {REPAIR}",
            index.display()
        );
    };
    let mut shards = BTreeMap::new();
    for name in map.values() {
        let Some(name) = name.as_str().filter(|name| is_plain(name)) else {
            bail!(
                Weights,
                "{} names {name}, which is no file beside it: {REPAIR}",
                index.display()
            );
        };
        if shards.contains_key(name) {
            continue;
        }
        let Some(path) = files.find(name)? else {
            bail!(
                Weights,
                "{} names {name}, which is missing: put it there too, or give the path of a file that holds all \
                 weights",
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
