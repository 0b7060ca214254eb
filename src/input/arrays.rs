//! Files of arrays of real numbers: NumPy's `.npy` and `.npz`, and `.safetensors`, told by content.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use safetensors::SafeTensors;

use super::array::{Array, Layout};
use super::bytes::Bytes;
use super::npz::{self, Npz};
use super::number::Number;
use super::{npy, sha256};
use crate::error::{Context, Error, Kind, Result, bail, did_you_mean, shorten};

/// Names that a message lists.
const MOST_NAMES: usize = 8;

/// Endings of files that hold arrays with names.
const NAMED: [&str; 2] = [".npz", ".safetensors"];

/// Splits `sae.safetensors#decoder.weight` into a file and the name of an array in it; any other text is a file.
pub fn split_name(text: &str) -> (&str, Option<&str>) {
    let mut marks = text.match_indices('#').map(|(at, _)| at);
    let at = marks.find(|&at| NAMED.iter().any(|end| text[..at].ends_with(end)));
    match at {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// A file of arrays.
pub struct ArrayFile {
    path: PathBuf,
    bytes: Arc<Bytes>,
    digest: OnceLock<String>,
}

impl ArrayFile {
    /// Opens a file, whatever is in it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            bytes: Arc::new(Bytes::of_file(path)?),
            digest: OnceLock::new(),
        })
    }

    /// Its SHA-256 in lower-case hexadecimal, computed when it is first asked for.
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| sha256(&self.bytes))
    }

    /// The array of a name; without a name the only one that there is.
    ///
    /// # Errors
    /// When there is none or several, or it holds no real numbers.
    pub fn array(&self, name: Option<&str>) -> Result<Array> {
        if self.bytes.starts_with(npy::MAGIC) {
            return match name {
                None => self.of_npy(None, &self.bytes, 0..self.bytes.len()),
                Some(name) => bail!(
                    Input,
                    "{} is one array without a name: leave out #{}",
                    self.path.display(),
                    shorten(name)
                ),
            };
        }
        match self.bytes.starts_with(npz::MAGIC) {
            true => self.of_npz(name),
            false => self.of_safetensors(name),
        }
    }

    fn of_npz(&self, name: Option<&str>) -> Result<Array> {
        let archive = Npz::open(&self.bytes);
        let mut archive = archive.context(|| format!("cannot read {}", self.path.display()))?;
        let name = self.choose(archive.names(), name)?;
        let entry = archive.entry(&name);
        let (bytes, place) =
            entry.context(|| format!("cannot read {}", self.label(Some(&name))))?;
        self.of_npy(Some(&name), &bytes, place)
    }

    /// The array of an `.npy` file that lies in some bytes.
    fn of_npy(&self, name: Option<&str>, bytes: &Arc<Bytes>, place: Range<usize>) -> Result<Array> {
        let label = self.label(name);
        let layout = npy::layout(&bytes[place.clone()]);
        let layout = layout.context(|| format!("cannot read {label} as an array of numbers"))?;
        Ok(Array {
            label,
            bytes: bytes.clone(),
            layout: Layout {
                start: place.start + layout.start,
                ..layout
            },
        })
    }

    fn of_safetensors(&self, name: Option<&str>) -> Result<Array> {
        let path = self.path.display();
        let (header, tensors) = SafeTensors::read_metadata(&self.bytes).map_err(|source| {
            let message = format!("cannot read {path} as .npy, .npz or .safetensors");
            Error::new(Kind::Input, message).caused_by(source)
        })?;
        let name = self.choose(tensors.offset_keys(), name)?;
        let label = self.label(Some(&name));
        let Some(tensor) = tensors.info(&name) else {
            bail!(Internal, "{path} has lost its array {}", shorten(&name));
        };
        let Some(number) = Number::of_safetensors(tensor.dtype) else {
            bail!(
                Input,
                "{label} holds numbers of type {}; f16, bf16, f32 and f64 can be read here",
                tensor.dtype
            );
        };
        Ok(Array {
            label,
            bytes: self.bytes.clone(),
            layout: Layout {
                number,
                shape: tensor.shape.clone(),
                is_fortran: false,
                start: size_of::<u64>() + header + tensor.data_offsets.0,
            },
        })
    }

    fn label(&self, name: Option<&str>) -> String {
        let path = self.path.display();
        name.map_or_else(
            || path.to_string(),
            |name| format!("{path}#{}", shorten(name)),
        )
    }

    fn choose(&self, mut names: Vec<String>, wanted: Option<&str>) -> Result<String> {
        names.sort_unstable();
        let path = self.path.display();
        let listed: Vec<_> = names
            .iter()
            .take(MOST_NAMES)
            .map(|name| shorten(name))
            .collect();
        let more = if names.len() > MOST_NAMES {
            ", ..."
        } else {
            ""
        };
        let listed = listed.join(", ") + more;
        match (wanted, names.as_slice()) {
            (_, []) => bail!(Input, "{path} holds no array"),
            (None, [only]) => Ok(only.clone()),
            (None, [first, ..]) => bail!(
                Input,
                "{path} holds {} arrays, {listed}: give a file with one, or in an objective its name, such as {}",
                names.len(),
                self.label(Some(first))
            ),
            (Some(wanted), _) if names.iter().any(|name| name == wanted) => Ok(wanted.to_owned()),
            (Some(wanted), _) => bail!(
                Input,
                "{path} holds no array {}; it holds {listed}{}",
                shorten(wanted),
                did_you_mean(wanted, names.iter().map(String::as_str))
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split_name;

    #[test]
    fn only_files_that_hold_names_are_split() {
        for (text, file, name) in [
            ("sae.npz#W_dec", "sae.npz", Some("W_dec")),
            (
                "a#b/sae.safetensors#w#1",
                "a#b/sae.safetensors",
                Some("w#1"),
            ),
            ("a#b.npy", "a#b.npy", None),
            ("a.npy#b", "a.npy#b", None),
            ("sae.npz", "sae.npz", None),
        ] {
            assert_eq!(split_name(text), (file, name));
        }
    }
}
