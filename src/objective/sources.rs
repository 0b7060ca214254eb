//! What binding needs besides the objective: the model, and files and texts, each read once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::text;
use crate::error::Result;
use crate::input::arrays::ArrayFile;
use crate::input::vectors::Vectors;
use crate::model::Model;

/// A model with what objectives that are bound to it read: a file is opened and hashed once, a text embedded once,
/// however many objectives name it.
pub struct Sources<'a> {
    model: &'a Model,
    files: Kept<PathBuf, ArrayFile>,
    dictionaries: Kept<Dictionary, Vectors>,
    embeddings: Kept<String, Vec<f64>>,
}

/// A file, the name of an array in it, and how long its vectors are.
type Dictionary = (PathBuf, Option<String>, usize);

impl<'a> Sources<'a> {
    /// Those of a model; nothing is read yet.
    pub fn new(model: &'a Model) -> Self {
        Self {
            model,
            files: Kept::default(),
            dictionaries: Kept::default(),
            embeddings: Kept::default(),
        }
    }

    /// The model.
    pub fn model(&self) -> &'a Model {
        self.model
    }

    /// A file of arrays.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn file(&self, path: &Path) -> Result<Arc<ArrayFile>> {
        let open = || ArrayFile::open(path);
        self.files.get(path.to_owned(), open)
    }

    /// The vectors of `length` numbers in an array of a file; `name` tells which of several arrays.
    ///
    /// # Errors
    /// When there are none.
    pub fn vectors(&self, path: &Path, name: Option<&str>, length: usize) -> Result<Arc<Vectors>> {
        let dictionary = (path.to_owned(), name.map(str::to_owned), length);
        let find = || Vectors::of(self.file(path)?.array(name)?, length);
        self.dictionaries.get(dictionary, find)
    }

    /// A text's embedding, of length 1.
    ///
    /// # Errors
    /// When the model embeds no texts, or this one has no direction.
    pub(super) fn embedding(&self, text: &str) -> Result<Arc<Vec<f64>>> {
        let embed = || text::embed(text, self.model);
        self.embeddings.get(text.to_owned(), embed)
    }

    /// What a user should know of what was read, a sentence each.
    pub fn remarks(&self) -> Vec<String> {
        let dictionaries = self.dictionaries.all();
        let square = dictionaries.iter().filter(|vectors| vectors.is_square());
        let remark = |vectors: &Arc<Vectors>| {
            format!(
                "{} is square: its vectors are its rows; hand in the transpose if they are its columns",
                vectors.label()
            )
        };
        square.map(remark).collect()
    }
}

/// Values that are made when they are first asked for.
struct Kept<K, V>(Mutex<BTreeMap<K, Arc<V>>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

impl<K: Ord, V> Kept<K, V> {
    /// The value of a key; whoever asks while it is made waits for it.
    fn get(&self, key: K, make: impl FnOnce() -> Result<V>) -> Result<Arc<V>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = kept.get(&key) {
            return Ok(value.clone());
        }
        let value = Arc::new(make()?);
        kept.insert(key, value.clone());
        Ok(value)
    }

    fn all(&self) -> Vec<Arc<V>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::error::Kind;
    use crate::model::Options;

    #[test]
    fn what_is_asked_for_twice_is_made_once() {
        let made = Cell::new(0);
        let kept: Kept<usize, usize> = Kept::default();
        let get = |key: usize| {
            kept.get(key, || {
                made.set(made.get() + 1);
                Ok(10 * key)
            })
        };
        for _ in 0..3 {
            assert_eq!((*get(1).unwrap(), *get(2).unwrap()), (10, 20));
        }
        assert_eq!(made.get(), 2);
        let failing = kept.get(3, || Err(crate::Error::new(Kind::Input, "no")));
        assert!(failing.is_err());
        assert_eq!(*get(3).unwrap(), 30);
    }

    #[test]
    fn a_text_is_embedded_once() {
        let model = Model::load("mini", Options::default()).unwrap();
        let sources = Sources::new(&model);
        let embedding = |text: &str| sources.embedding(text).unwrap();
        assert!(Arc::ptr_eq(&embedding("a dog"), &embedding("a dog")));
        assert!(!Arc::ptr_eq(&embedding("a dog"), &embedding("a cat")));
    }
}
