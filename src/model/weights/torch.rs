//! Finds the tensors in the object tree of a PyTorch archive.

use super::Format;
use super::archive::Archive;
use super::bounds::{Names, joined};
use super::pickle::{Global, Id, Pickle, TensorRecord, Value};
use super::stored::{Opened, Place, Stored};
use crate::error::{Kind, bail};
use crate::{Error, Result};

/// Dictionaries and modules inside each other; CLIP's modules nest six deep.
const MAX_DEPTH: usize = 64;

/// Entries of dictionaries and attributes of modules that are looked at, which bounds the time spent on those
/// that share their parts many times over. RN50x64 has about 10^4.
const MAX_ATTRIBUTES: usize = 1_000_000;

/// Lists the tensors of a PyTorch archive: a TorchScript module's, or those of a dictionary and of the
/// dictionaries in it.
pub(super) fn open(bytes: &[u8]) -> Result<Opened<'_>> {
    let mut archive = Archive::open(bytes)?;
    let code = archive.pickle()?;
    let pickle = Pickle::parse(&code)?;
    let mut walk = Walk {
        pickle: &pickle,
        found: Vec::new(),
        names: Names::default(),
        entries: 0,
        object: None,
    };
    let format = match pickle.root() {
        Value::Object { class, .. } if is_script(class) => {
            walk.module(pickle.root(), "", 0)?;
            Format::TorchScript
        }
        Value::Dict(entries) => {
            walk.dict(entries, "", 0)?;
            match entries.iter().any(|&(_, value)| is_tensor(&pickle, value)) {
                true => Format::StateDict,
                false => Format::OpenClipCheckpoint,
            }
        }
        Value::Object { class, .. } | Value::Global(class) => {
            walk.object = Some(*class);
            Format::StateDict
        }
        _ => bail!(
            Weights,
            "it is a PyTorch file, but no state dict and no TorchScript module"
        ),
    };
    let object = walk.object.map(|class| class.to_string());
    let stored = |(name, TensorRecord { key, layout })| Stored {
        name,
        layout,
        place: Place::Entry(key.to_owned()),
    };
    let tensors: Vec<_> = walk.found.into_iter().map(stored).collect();
    if tensors.is_empty() {
        return Err(nothing(&pickle, object));
    }
    Ok(Opened {
        format,
        tensors,
        archive: Some(archive),
        object,
    })
}

/// What there is instead of tensors.
fn nothing(pickle: &Pickle, object: Option<String>) -> Error {
    if let Some(class) = object {
        return refuse(&class);
    }
    let keys: Vec<_> = match pickle.root() {
        Value::Dict(entries) => entries
            .iter()
            .filter_map(|&(key, _)| text(pickle, key))
            .take(8)
            .collect(),
        _ => Vec::new(),
    };
    let keys = keys.join(", ");
    Error::new(
        Kind::Weights,
        format!(
            "it holds no tensors, neither at its top nor in its dictionaries; it has the keys [{keys}]"
        ),
    )
}

/// The error for a file that would have to be run to be read.
pub(super) fn refuse(class: &str) -> Error {
    Error::new(
        Kind::Weights,
        format!(
            "the pickle asks for {class}: percept reads data only; \
             save the weights alone, with torch.save(model.state_dict(), ...)"
        ),
    )
}

struct Walk<'p, 'a> {
    pickle: &'p Pickle<'a>,
    found: Vec<(String, TensorRecord<'a>)>,
    names: Names,
    entries: usize,
    /// The first object that was met and is no module.
    object: Option<Global<'a>>,
}

impl<'a> Walk<'_, 'a> {
    /// Collects the tensors of a dictionary and of the dictionaries in it: keys joined by dots. What has another
    /// key than a text, as the state of an optimiser, is no weight.
    fn dict(&mut self, entries: &[(Id, Id)], prefix: &str, depth: usize) -> Result<()> {
        check_depth(depth)?;
        for &(key, value) in entries {
            self.count()?;
            let Some(key) = text(self.pickle, key) else {
                continue;
            };
            match self.pickle.get(value) {
                Value::Tensor(record) => self.tensor(prefix, key, record)?,
                Value::Dict(inner) => self.dict(inner, &inside(prefix, key)?, depth + 1)?,
                Value::Object { class, .. } if !is_script(class) => {
                    self.object.get_or_insert(*class);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Collects the tensors of a TorchScript module and of the modules in it, as `state_dict()`
    /// names them: attribute names joined by dots.
    fn module(&mut self, module: &Value<'a>, prefix: &str, depth: usize) -> Result<()> {
        let &Value::Object {
            state: Some(state), ..
        } = module
        else {
            return Ok(());
        };
        let Value::Dict(attributes) = self.pickle.get(state) else {
            bail!(Weights, "the module {prefix:?} has no dict of attributes");
        };
        check_depth(depth)?;
        for &(key, value) in attributes {
            self.count()?;
            let value = self.pickle.get(value);
            if !matches!(value, Value::Tensor(_) | Value::Object { .. }) {
                continue;
            }
            let Some(key) = text(self.pickle, key) else {
                bail!(Weights, "an attribute of the module {prefix:?} has no name");
            };
            match value {
                Value::Tensor(record) => self.tensor(prefix, key, record)?,
                _ => self.module(value, &inside(prefix, key)?, depth + 1)?,
            }
        }
        Ok(())
    }

    fn tensor(&mut self, prefix: &str, key: &str, record: &TensorRecord<'a>) -> Result<()> {
        let name = joined(prefix, key)?;
        self.names.count(&name)?;
        self.found.push((name, record.clone()));
        Ok(())
    }

    fn count(&mut self) -> Result<()> {
        self.entries += 1;
        if self.entries > MAX_ATTRIBUTES {
            bail!(
                Weights,
                "its modules and dictionaries have more than {MAX_ATTRIBUTES} attributes"
            );
        }
        Ok(())
    }
}

/// The prefix of the names in what lies under this key.
fn inside(prefix: &str, key: &str) -> Result<String> {
    Ok(joined(prefix, key)? + ".")
}

fn check_depth(depth: usize) -> Result<()> {
    if depth >= MAX_DEPTH {
        bail!(
            Weights,
            "its modules or dictionaries nest deeper than {MAX_DEPTH}"
        );
    }
    Ok(())
}

fn is_tensor(pickle: &Pickle, id: Id) -> bool {
    matches!(pickle.get(id), Value::Tensor(_))
}

fn is_script(class: &Global<'_>) -> bool {
    class.module == "__torch__" || class.module.starts_with("__torch__.")
}

fn text<'a>(pickle: &Pickle<'a>, id: Id) -> Option<&'a str> {
    match pickle.get(id) {
        &Value::Str(text) => Some(text),
        _ => None,
    }
}
