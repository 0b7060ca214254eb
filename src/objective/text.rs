//! How well an image fits a text: the cosine of their embeddings.

use std::fmt;
use std::sync::Arc;

use candle_core::WithDType;

use super::direction::norm;
use super::sources::Sources;
#[cfg(feature = "cuda")]
use super::table::{Entry, Kind};
use crate::backend::cpu::Real;
use crate::encoder::tap::TapId;
use crate::error::{Result, bail, shorten};
use crate::model::Model;

/// How it is spelled.
pub(super) const USAGE: &str =
    "write text(\"a photo of a cat\"), in the shell with single quotes around all of it";

/// A text as it is spelled: `text("a photo of a cat")`, with JSON's escapes.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// As it was typed.
    pub text: String,
}

/// A text's embedding, of length 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BoundText {
    embedding: Arc<Vec<f64>>,
}

impl Text {
    /// Reads what stands in the parentheses.
    pub(super) fn parse(arguments: &str) -> Result<Self> {
        match serde_json::from_str(arguments.trim()) {
            Ok(text) => Ok(Self { text }),
            Err(_) => bail!(
                Request,
                "\"text({})\" has no text in double quotes; {USAGE}",
                shorten(arguments)
            ),
        }
    }

    pub(super) fn bind(&self, sources: &Sources) -> Result<(TapId, BoundText)> {
        let tap = sources.model().encoder.tap_named("embedding")?;
        let embedding = sources.embedding(&self.text)?;
        Ok((tap, BoundText { embedding }))
    }
}

/// The embedding of a text by the model's text encoder, divided by its length.
pub(super) fn embed(text: &str, model: &Model) -> Result<Vec<f64>> {
    let encoder = &model.encoder;
    let tap = encoder.tap_named("embedding")?;
    let tower = model.texts()?;
    let embedding = tower.embed(&tower.tokenise(&[text.to_owned()])?)?;
    let embedding: Vec<f64> = embedding
        .flatten_all()?
        .to_dtype(candle_core::DType::F64)?
        .to_vec1()?;
    let length = norm(&embedding);
    if !(length.is_finite() && length > 0.0) || embedding.len() != encoder.tap(tap).channels {
        bail!(
            Numeric,
            "the embedding of \"{}\" has no direction: its {} numbers have the length {length}; a weight of the \
             text encoder of {} is too large or damaged",
            shorten(text),
            embedding.len(),
            model.origin
        );
    }
    Ok(embedding.into_iter().map(|x| x / length).collect())
}

impl BoundText {
    /// The cosine of an image embedding `a`, 0 where that has no length; adds `weight` times the gradient to the
    /// cotangent, unless that is empty.
    pub fn read<T: Real>(&self, a: &[T], weight: f64, cotangent: &mut [f64]) -> f64 {
        let a: Vec<f64> = a.iter().map(|&a| WithDType::to_f64(a)).collect();
        let length = norm(&a);
        if length == 0.0 {
            return 0.0;
        }
        let dot: f64 = a.iter().zip(&*self.embedding).map(|(a, t)| a * t).sum();
        let cosine = dot / length;
        for ((own, a), t) in cotangent.iter_mut().zip(&a).zip(&*self.embedding) {
            *own += weight * (t - cosine * a / length) / length;
        }
        cosine
    }

    #[cfg(feature = "cuda")]
    pub fn entry(&self, vectors: &mut Vec<f32>) -> Entry {
        Entry::along(Kind::Text, &self.embedding, 0, vectors)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As JSON, which `parse` reads.
        write!(f, "text({})", serde_json::Value::from(self.text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::BoundText;

    #[test]
    fn the_gradient_of_a_cosine_matches_central_differences() {
        let text = BoundText {
            embedding: vec![0.6, 0.0, -0.8].into(),
        };
        let a = [0.5, -0.9, 1.1];
        let mut gradient = [0.0; 3];
        text.read(&a, 2.0, &mut gradient);
        for index in 0..a.len() {
            let at = |shift: f64| {
                let mut moved = a;
                moved[index] += shift;
                2.0 * text.read(&moved, 1.0, &mut [])
            };
            let difference = (at(1e-6) - at(-1e-6)) / 2e-6;
            assert!((gradient[index] - difference).abs() <= 1e-7);
        }
        assert_eq!(text.read(&[0.6, 0.0, -0.8], 1.0, &mut []), 1.0);
        assert_eq!(text.read(&[0.0; 3], 1.0, &mut gradient), 0.0);
    }
}
