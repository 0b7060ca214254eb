//! The tensors of a checkpoint as they come in: names cleaned, none twice.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::huggingface;
use super::view::View;
use crate::Result;
use crate::error::bail;

/// What wrappers for training on several devices put before every name.
const WRAPPER: &str = "module.";

/// Entries of OpenAI's archives that are settings, not weights.
const SETTINGS: [&str; 3] = ["input_resolution", "context_length", "vocab_size"];

/// Last parts of the names of counters and index tables, which are no weights either.
const BUFFERS: [&str; 2] = ["num_batches_tracked", "position_ids"];

/// Collects tensors by name.
#[derive(Default)]
pub(super) struct Tensors {
    by_name: BTreeMap<String, Tensor>,
}

impl Tensors {
    /// Whether a tensor of this name is a weight.
    pub fn wants(&self, name: &str) -> bool {
        let name = clean(name);
        let last = name.rsplit('.').next().unwrap_or(name);
        !SETTINGS.contains(&name) && !BUFFERS.contains(&last)
    }

    /// Decodes and keeps a tensor, if it is a weight.
    pub fn add(&mut self, name: &str, view: &View<'_>) -> Result<()> {
        if !self.wants(name) {
            return Ok(());
        }
        let clean = clean(name);
        if clean.starts_with("visual.trunk.") {
            bail!(
                Weights,
                "its image encoder is one of timm's ({name}), which percept does not support: \
                 it reads CLIP's own ResNets and vision transformers"
            );
        }
        if self.by_name.contains_key(clean) {
            bail!(Weights, "it holds {clean} twice (once as {name})");
        }
        self.by_name.insert(clean.to_owned(), view.decode(name)?);
        Ok(())
    }

    /// Whether the names are those of Hugging Face's transformers.
    pub fn are_huggingface(&self) -> bool {
        self.by_name.keys().any(|name| huggingface::is_name(name))
    }

    /// The tensors under OpenAI's names; an error where none belongs to an image encoder.
    pub fn finish(self) -> Result<BTreeMap<String, Tensor>> {
        let tensors = match self.are_huggingface() {
            true => huggingface::to_openai(self.by_name)?,
            false => self.by_name,
        };
        if !tensors.keys().any(|name| name.starts_with("visual.")) {
            let names: Vec<_> = tensors.keys().take(4).map(String::as_str).collect();
            bail!(
                Weights,
                "it holds no image encoder of CLIP: none of its {} tensors ({}) is called visual.*",
                tensors.len(),
                names.join(", ")
            );
        }
        Ok(tensors)
    }
}

fn clean(name: &str) -> &str {
    name.strip_prefix(WRAPPER).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::super::view::{Dtype, Layout};
    use super::*;

    fn one() -> View<'static> {
        View {
            storage: &[0; 4],
            layout: Layout::contiguous(Dtype::F32, &[1]),
        }
    }

    #[test]
    fn names_lose_their_wrapper_and_stay_unique() {
        let mut tensors = Tensors::default();
        tensors.add("module.visual.proj", &one()).unwrap();
        let error = tensors.add("visual.proj", &one()).unwrap_err();
        assert!(
            error.report().contains("visual.proj twice"),
            "{}",
            error.report()
        );
        assert!(tensors.finish().unwrap().contains_key("visual.proj"));
    }

    #[test]
    fn settings_and_counters_are_no_weights() {
        let mut tensors = Tensors::default();
        for name in [
            "module.input_resolution",
            "vocab_size",
            "visual.bn1.num_batches_tracked",
            "text_model.embeddings.position_ids",
        ] {
            tensors.add(name, &one()).unwrap();
        }
        assert!(tensors.by_name.is_empty());
    }

    #[test]
    fn foreign_models_are_errors_that_say_so() {
        let mut tensors = Tensors::default();
        let error = tensors.add("visual.trunk.stem.weight", &one()).unwrap_err();
        assert!(error.report().contains("timm"), "{}", error.report());
        tensors.add("bert.pooler.weight", &one()).unwrap();
        let error = tensors.finish().unwrap_err();
        assert!(
            error.report().contains("bert.pooler.weight"),
            "{}",
            error.report()
        );
    }
}
