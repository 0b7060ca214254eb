//! Whether an image encoder ends in an embedding.

use super::weights::Weights;
use crate::error::Result;

/// The shared embedding, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embedding {
    /// An embedding of this many components.
    Components(usize),
    /// The weights end with the image encoder's blocks, as those of transformers' `CLIPVisionModel`.
    NoProjection,
    /// It is pooled by attention with queries of its own, as a CoCa's.
    AttentionalPool,
}

impl Embedding {
    /// A vision transformer's. Its projection, `(width, components)`, may be missing where there are no texts to
    /// compare images with either.
    ///
    /// # Errors
    /// When there has to be a projection, and `projection`, which gives its shape, fails.
    pub fn of_vit(
        weights: &Weights,
        projection: impl FnOnce() -> Result<[usize; 2]>,
    ) -> Result<Self> {
        let has = |name| weights.shape(name).is_some();
        if has("visual.attn_pool.query") {
            return Ok(Self::AttentionalPool);
        }
        let texts_are_projected = has("text_projection") || has("text_projection.weight");
        if !has("visual.proj") && !texts_are_projected {
            return Ok(Self::NoProjection);
        }
        let [_, components] = projection()?;
        Ok(Self::Components(components))
    }

    /// How many components it has, where there is one.
    pub fn components(self) -> Option<usize> {
        match self {
            Self::Components(count) => Some(count),
            Self::NoProjection | Self::AttentionalPool => None,
        }
    }

    /// Why there is none.
    pub fn missing(self) -> Option<&'static str> {
        match self {
            Self::Components(_) => None,
            Self::NoProjection => Some(
                "its weights end with the blocks and hold no projection (visual.proj, or visual_projection.weight)",
            ),
            Self::AttentionalPool => Some(
                "it is pooled by attention, as a CoCa's (visual.attn_pool), which percept does not compute",
            ),
        }
    }
}
