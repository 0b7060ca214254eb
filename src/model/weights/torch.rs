//! Finds the weights in the object tree of a PyTorch archive.

use super::Format;
use super::archive::Archive;
use super::pickle::{Global, Id, Pickle, TensorRecord, Value};
use super::tensors::Tensors;
use super::view::View;
use crate::Result;
use crate::error::bail;

/// Modules inside modules; CLIP nests six deep.
const MAX_DEPTH: usize = 64;

/// Attributes of modules that are looked at, which bounds the time spent on modules that share
/// their parts many times over. RN50x64 has about 10^4.
const MAX_ATTRIBUTES: usize = 1_000_000;

/// Characters of a tensor's name; CLIP's longest has 60.
const MAX_NAME: usize = 512;

/// Keys under which training scripts put the weights.
const NESTED: [&str; 2] = ["state_dict", "model"];

/// Reads the weights of a PyTorch archive into `tensors`, and says what kind of archive it was.
pub(super) fn read(bytes: &[u8], tensors: &mut Tensors) -> Result<Format> {
    let mut archive = Archive::open(bytes)?;
    let code = archive.pickle()?;
    let pickle = Pickle::parse(&code)?;
    let (format, records) = find(&pickle)?;
    let wanted: Vec<_> = records
        .into_iter()
        .filter(|(name, _)| tensors.wants(name))
        .collect();
    archive.load(wanted.iter().map(|(_, record)| record.key))?;

    let available = archive.available();
    let mut elements = 0usize;
    for (name, TensorRecord { key, layout }) in wanted {
        elements = elements.saturating_add(layout.elements().unwrap_or(usize::MAX));
        if elements > available {
            bail!(
                Weights,
                "its tensors add up to more numbers than the file can hold"
            );
        }
        let storage = archive.storage(key)?;
        tensors.add(&name, &View { storage, layout })?;
    }
    Ok(format)
}

type Records<'a> = Vec<(String, TensorRecord<'a>)>;

fn find<'a>(pickle: &Pickle<'a>) -> Result<(Format, Records<'a>)> {
    match pickle.root() {
        Value::Object { class, .. } if is_script(class) => {
            let mut walk = Walk {
                pickle,
                found: Vec::new(),
                attributes: 0,
            };
            walk.module(pickle.root(), "", 0)?;
            Ok((Format::TorchScript, walk.found))
        }
        Value::Dict(entries) => find_in_dict(pickle, entries),
        Value::Object { class, .. } | Value::Global(class) => Err(refuse(class)),
        _ => bail!(
            Weights,
            "it is a PyTorch file, but no state dict and no TorchScript module"
        ),
    }
}

fn find_in_dict<'a>(pickle: &Pickle<'a>, entries: &[(Id, Id)]) -> Result<(Format, Records<'a>)> {
    if entries
        .iter()
        .any(|&(_, value)| matches!(pickle.get(value), Value::Tensor(_)))
    {
        return Ok((Format::StateDict, state_dict(pickle, entries)?));
    }
    for name in NESTED {
        let nested = entries
            .iter()
            .find(|&&(key, _)| *pickle.get(key) == Value::Str(name));
        match nested.map(|&(_, value)| pickle.get(value)) {
            Some(Value::Dict(inner)) => {
                return Ok((Format::OpenClipCheckpoint, state_dict(pickle, inner)?));
            }
            Some(Value::Object { class, .. }) => return Err(refuse(class)),
            _ => {}
        }
    }
    let keys: Vec<_> = entries
        .iter()
        .filter_map(|&(key, _)| text(pickle, key))
        .take(8)
        .collect();
    bail!(
        Weights,
        "it holds no tensors, neither at its top nor under state_dict or model; it has the keys [{}]",
        keys.join(", ")
    )
}

fn state_dict<'a>(pickle: &Pickle<'a>, entries: &[(Id, Id)]) -> Result<Records<'a>> {
    let mut records = Vec::new();
    for &(key, value) in entries {
        match pickle.get(value) {
            Value::Tensor(record) => {
                let Some(name) = text(pickle, key) else {
                    bail!(Weights, "a tensor of its state dict has no name");
                };
                check_length(name.len())?;
                records.push((name.to_owned(), record.clone()));
            }
            Value::Object { class, .. } => return Err(refuse(class)),
            _ => {}
        }
    }
    Ok(records)
}

struct Walk<'p, 'a> {
    pickle: &'p Pickle<'a>,
    found: Records<'a>,
    attributes: usize,
}

impl<'a> Walk<'_, 'a> {
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
        if depth >= MAX_DEPTH {
            bail!(Weights, "its modules nest deeper than {MAX_DEPTH}");
        }
        for &(key, value) in attributes {
            self.attributes += 1;
            if self.attributes > MAX_ATTRIBUTES {
                bail!(
                    Weights,
                    "its modules have more than {MAX_ATTRIBUTES} attributes"
                );
            }
            let value = self.pickle.get(value);
            if !matches!(value, Value::Tensor(_) | Value::Object { .. }) {
                continue;
            }
            let Some(key) = text(self.pickle, key) else {
                bail!(Weights, "an attribute of the module {prefix:?} has no name");
            };
            check_length(prefix.len() + key.len())?;
            match value {
                Value::Tensor(record) => {
                    self.found.push((format!("{prefix}{key}"), record.clone()));
                }
                _ => self.module(value, &format!("{prefix}{key}."), depth + 1)?,
            }
        }
        Ok(())
    }
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

fn check_length(length: usize) -> Result<()> {
    if length > MAX_NAME {
        bail!(Weights, "a tensor has a name of {length} characters");
    }
    Ok(())
}

fn refuse(class: &Global<'_>) -> crate::Error {
    crate::Error::new(
        crate::error::Kind::Weights,
        format!(
            "the pickle asks for {class}: percept reads data only; \
             save the weights alone, with torch.save(model.state_dict(), ...)"
        ),
    )
}
