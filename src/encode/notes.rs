//! What a file of encoded images tells of itself.

use std::path::Path;

use serde::Serialize;

use super::{Images, Pool, Request};
use crate::error::{Error, Kind, Result};
use crate::input::picture::Reading;
use crate::model::Model;
use crate::model::conventions::Conventions;
use crate::model::preprocess::Fit;
use crate::model::spec::Activation;

/// The version of the layout; keys may be added under the same number.
pub const SCHEMA: u32 = 1;

/// The notes, as JSON has them. The same input gives the same notes.
#[derive(Debug, Clone, Serialize)]
pub struct Notes<'a> {
    schema: u32,
    percept: &'static str,
    model: ModelNotes<'a>,
    /// What was done to pictures; nothing where there are none.
    pub preprocessing: Option<Preprocessing>,
    /// The pictures, a row each.
    pub files: Vec<String>,
    /// Pictures that were left out, and why.
    pub skipped: Vec<Skipped>,
    /// The tensor that rows are of instead of pictures.
    pub raw: Option<RawNotes>,
    /// Taps as they were asked for.
    pub taps: &'a [String],
    /// What stands for all positions of a tap.
    pub pool: Option<Pool>,
    /// The objective of the gradients.
    pub gradient: Option<&'a str>,
    /// The texts, a row of `text_embedding` each.
    pub texts: &'a [String],
    /// Which of several files this is.
    pub shard: Option<Shard>,
}

#[derive(Debug, Clone, Serialize)]
struct ModelNotes<'a> {
    name: &'a str,
    sha256: &'a str,
    activation: Activation,
    conventions: &'a Conventions,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<&'a str>,
}

/// From a picture to the encoder's input.
#[derive(Debug, Clone, Serialize)]
pub struct Preprocessing {
    /// Side of the input in pixels.
    size: usize,
    resize: String,
    crop: String,
    transparency: &'static str,
    #[serde(flatten)]
    reading: Reading,
    mean: [f32; 3],
    std: [f32; 3],
}

impl Preprocessing {
    fn of(model: &Model, fit: &Fit, reading: Reading) -> Self {
        let normalisation = model.conventions.normalisation.value;
        Self {
            size: model.encoder.resolution(),
            resize: format!(
                "{}, {} with antialiasing, as Pillow",
                fit.resize, fit.filter
            ),
            crop: fit.crop.to_string(),
            transparency: "white",
            reading,
            mean: normalisation.mean,
            std: normalisation.deviation,
        }
    }
}

/// A picture that was left out.
#[derive(Debug, Clone, Serialize)]
pub struct Skipped {
    /// Its name.
    pub file: String,
    /// What was wrong with it.
    pub why: String,
}

impl Skipped {
    /// A file, and the error that it met.
    pub fn new(file: &Path, error: &Error) -> Self {
        Self {
            file: name(file),
            why: error.report(),
        }
    }
}

/// The tensor of `--raw`.
#[derive(Debug, Clone, Serialize)]
pub struct RawNotes {
    /// Its file's name.
    pub file: String,
    /// Its image that is the first row.
    pub first: usize,
}

impl RawNotes {
    /// A file's tensor from its first image on.
    pub fn of(file: &Path) -> Self {
        Self {
            file: name(file),
            first: 0,
        }
    }
}

/// One of several files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Shard {
    /// From 0.
    pub index: usize,
    /// How many there are.
    pub of: usize,
}

impl<'a> Notes<'a> {
    /// Notes that tell of the model alone.
    pub fn of(model: &'a Model) -> Self {
        Self {
            schema: SCHEMA,
            percept: env!("CARGO_PKG_VERSION"),
            model: ModelNotes {
                name: &model.name,
                sha256: &model.digest,
                activation: model.conventions.activation.value,
                conventions: &model.conventions,
                prefix: model.prefix.as_deref(),
            },
            preprocessing: None,
            files: Vec::new(),
            skipped: Vec::new(),
            raw: None,
            taps: &[],
            pool: None,
            gradient: None,
            texts: &[],
            shard: None,
        }
    }

    /// Adds what is asked of images, and what is done to those that are pictures.
    ///
    /// # Errors
    /// When the model asks for something to be done to pictures that percept does not do.
    pub fn ask(&mut self, model: &Model, images: &Images, request: Request<'a>) -> Result<()> {
        self.taps = request.taps;
        self.pool = request.pool;
        self.gradient = request.gradient;
        if let Images::Pictures(_, reading) = images {
            let fit = model.conventions.preprocessing.value.fit()?;
            self.preprocessing = Some(Preprocessing::of(model, fit, *reading));
        }
        Ok(())
    }

    /// On one line.
    ///
    /// # Errors
    /// When it cannot be written, which is a defect.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|source| Error::new(Kind::Internal, "cannot write JSON").caused_by(source))
    }
}

/// A file's name as it was given.
pub fn name(file: &Path) -> String {
    file.to_string_lossy().into_owned()
}
