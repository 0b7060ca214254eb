//! The tensors of a checkpoint, each to be taken once.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use crate::error::{Result, bail};

/// Named tensors, in OpenAI's state-dict names; what is taken is gone, and what is left at the
/// end does not belong to the model.
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
    origin: String,
}

impl Weights {
    /// `origin` is what error messages call the checkpoint.
    pub fn new(tensors: BTreeMap<String, Tensor>, origin: impl Into<String>) -> Self {
        Self {
            tensors,
            origin: origin.into(),
        }
    }

    /// The shape of a tensor that is still there.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(Tensor::dims)
    }

    /// The names that are still there.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Takes a tensor of the given shape, in `f64`, so that folding loses nothing.
    ///
    /// # Errors
    /// When it is missing or has another shape.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let Some(tensor) = self.tensors.remove(name) else {
            bail!(
                Weights,
                "{} has no tensor {name} {shape:?}: the file is incomplete, or not a CLIP that percept knows",
                self.origin
            );
        };
        if tensor.dims() != shape {
            bail!(
                Weights,
                "{}: {name} has the shape {:?}, where the other tensors ask for {shape:?}",
                self.origin,
                tensor.dims()
            );
        }
        Ok(tensor.to_dtype(DType::F64)?)
    }

    /// Drops the tensors of these names, and says which was the first.
    pub fn discard(&mut self, is_named: impl Fn(&str) -> bool) -> Option<String> {
        let first = self.names().find(|name| is_named(name))?.to_owned();
        self.tensors.retain(|name, _| !is_named(name));
        Some(first)
    }

    /// # Errors
    /// When a tensor is left that no part of the model asked for.
    pub fn finish(self) -> Result<()> {
        let Some(first) = self.tensors.keys().next() else {
            return Ok(());
        };
        bail!(
            Weights,
            "{} has {} tensor(s) that do not belong to the model its other tensors describe, the first is {first}",
            self.origin,
            self.tensors.len()
        )
    }
}
