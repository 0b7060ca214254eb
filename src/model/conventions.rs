//! What decides a model's numbers and its weights do not tell: each value, and how it is known.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::preprocess::{Normalisation, Preprocessing};
use super::spec::Activation;
use crate::ops::layer_norm::EPSILON;

/// How a value is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The user said it.
    Told,
    /// The weights are those that OpenAI published under a known name, or the model inside the binary.
    Published,
    /// The name of the file or the repository says it.
    Name,
    /// The code in a TorchScript archive computes it.
    Code,
    /// A configuration file beside the weights says it, or leaves it to the default of whoever wrote the file.
    File(&'static str),
    /// Nothing says it: it is what nearly every CLIP has.
    Assumed,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Told => "told",
            Self::Published => "known name",
            Self::Name => "the file's name",
            Self::Code => "the file's code",
            Self::File(name) => name,
            Self::Assumed => "assumed",
        })
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A value, and how it is known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Known<T> {
    /// The value.
    pub value: T,
    /// How it is known.
    pub source: Source,
}

impl<T> Known<T> {
    /// A value that `source` tells.
    pub fn new(value: T, source: Source) -> Self {
        Self { value, source }
    }

    /// Whether nothing tells it.
    pub fn is_assumed(&self) -> bool {
        self.source == Source::Assumed
    }
}

/// What decides the numbers of a model's image encoder beside its weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Conventions {
    /// The activation of the transformers' MLPs; no part of a ResNet's image encoder.
    pub activation: Known<Activation>,
    /// Components of one attention head: of every block of a transformer, of a ResNet's attention pool.
    pub head_width: Known<usize>,
    /// What is added to the variance under the root of every layer normalisation; no part of a ResNet's image
    /// encoder.
    pub layer_norm_epsilon: Known<f64>,
    /// What is taken out of each channel of a picture, and what that is divided by.
    pub normalisation: Known<Normalisation>,
    /// How a picture of any shape becomes the encoder's square.
    pub preprocessing: Known<Preprocessing>,
}

impl Conventions {
    /// What of it decides a rendered picture and is neither in the weights nor written elsewhere in a recipe.
    pub fn recorded(&self) -> Recorded {
        let Normalisation { mean, deviation } = self.normalisation.value;
        Recorded {
            head_width: self.head_width.value,
            layer_norm_epsilon: self.layer_norm_epsilon.value,
            mean,
            deviation,
        }
    }

    /// Names and values of what nothing tells, of a model that does or does not use the activation, and whose image
    /// encoder is or is not a transformer.
    pub fn assumed(&self, has_transformer: bool, sees_by_transformer: bool) -> Vec<String> {
        let mut assumed = Vec::new();
        if has_transformer && self.activation.is_assumed() {
            assumed.push(format!("activation {}", self.activation.value));
        }
        if self.head_width.is_assumed() {
            assumed.push(format!("attention heads of {}", self.head_width.value));
        }
        if sees_by_transformer && self.layer_norm_epsilon.is_assumed() {
            let epsilon = self.layer_norm_epsilon.value;
            assumed.push(format!("layer norm epsilon {epsilon:e}"));
        }
        if self.normalisation.is_assumed() {
            assumed.push("CLIP's mean and deviation of pixels".to_owned());
        }
        if self.preprocessing.is_assumed() {
            assumed.push("CLIP's resizing of pictures".to_owned());
        }
        assumed
    }
}

/// What a recipe records of them, so that a model that is read another way makes no other picture in silence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// Components of one attention head.
    pub head_width: usize,
    /// Of the layer normalisations.
    pub layer_norm_epsilon: f64,
    /// Of red, green, blue.
    pub mean: [f32; 3],
    /// Of red, green, blue.
    pub deviation: [f32; 3],
}

impl Recorded {
    /// The same, as far as earlier versions of percept followed configurations: they had one epsilon.
    pub fn of_earlier_versions(self) -> Self {
        Self {
            layer_norm_epsilon: EPSILON,
            ..self
        }
    }

    /// The name of what differs, what it is here, and what it is there.
    pub fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let said = |name, own: &dyn fmt::Debug, other: &dyn fmt::Debug| {
            Some((name, format!("{own:?}"), format!("{other:?}")))
        };
        if self.head_width != other.head_width {
            return said("head width", &self.head_width, &other.head_width);
        }
        if self.layer_norm_epsilon != other.layer_norm_epsilon {
            let (own, other) = (self.layer_norm_epsilon, other.layer_norm_epsilon);
            return said("layer norm epsilon", &own, &other);
        }
        if self.mean != other.mean {
            return said("mean of pixels", &self.mean, &other.mean);
        }
        if self.deviation != other.deviation {
            return said("deviation of pixels", &self.deviation, &other.deviation);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_recipe_records_survives_json_and_names_what_differs() {
        let recorded = Recorded {
            head_width: 80,
            layer_norm_epsilon: 1e-6,
            mean: Normalisation::CLIP.mean,
            deviation: Normalisation::CLIP.deviation,
        };
        let text = serde_json::to_string(&recorded).unwrap();
        let read: Recorded = serde_json::from_str(&text).unwrap();
        assert_eq!(recorded.difference(&read), None);
        let changed = Recorded {
            deviation: [0.5; 3],
            ..recorded
        };
        let (name, _, now) = recorded.difference(&changed).unwrap();
        assert_eq!((name, &now[..]), ("deviation of pixels", "[0.5, 0.5, 0.5]"));
    }
}
