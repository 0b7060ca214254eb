//! The JSON file beside every picture: what was asked, what was found, how to have it again.

use std::io::Read;
use std::path::Path;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::picture;
use crate::ascent::Trace;
use crate::ascent::quality::Quality;
use crate::error::{Error, Kind, Result, bail};
use crate::input::sha256;
use crate::size::Size;

/// The version of the sidecar's layout.
pub const SCHEMA: u32 = 1;

/// A sidecar as it is written; `R` is the recipe, `A` what is known of a unit's answers, `C` how weights are used.
#[derive(Debug, Serialize)]
pub struct Sidecar<'a, R, A, C> {
    /// The layout's version.
    pub schema: u32,
    /// The version of percept that wrote it.
    pub percept: &'static str,
    /// What ran; `percept replay` runs it again.
    pub recipe: &'a R,
    /// The first unit of the objective, if it reads one.
    pub unit: Option<UnitEntry<'a, A>>,
    /// The picture beside it.
    pub picture: PictureEntry,
    /// Copies after chosen steps.
    pub checkpoints: Vec<PictureEntry>,
    /// Where the weights came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsEntry<'a, C>>,
    /// Steps that were asked for, where the run was stopped before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps_asked: Option<usize>,
    /// The quality numbers; null for a picture that was stopped before it was measured.
    pub quality: Option<&'a Quality>,
    /// The objective and the norm of its gradient on the image, at each step before its update.
    pub trace: &'a Trace,
    /// What differs from run to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
}

/// One unit.
#[derive(Debug, Clone, Serialize)]
pub struct UnitEntry<'a, A> {
    /// The tap's canonical name.
    pub tap: &'a str,
    /// The channel.
    pub channel: usize,
    /// What it is known to answer to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<A>,
}

/// One picture file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PictureEntry {
    /// Its name, in the sidecar's folder.
    pub file: String,
    /// Of the whole file.
    pub sha256: String,
    /// The step after which it was made.
    pub step: usize,
    /// The size of the canvas.
    pub canvas: Size,
    /// How many times it was enlarged.
    pub scale: u32,
    /// With which filter.
    pub filter: String,
}

/// The weights' origin.
#[derive(Debug, Clone, Serialize)]
pub struct WeightsEntry<'a, C> {
    /// The path or hub id that they were found at.
    pub origin: String,
    /// Their file format.
    pub format: String,
    /// How they are used, and how that is known.
    pub conventions: &'a C,
}

/// Wall-clock time.
#[derive(Debug, Clone, Serialize)]
pub struct Timing {
    /// The picture's share of the time that its batch climbed, from the first step to the last.
    pub seconds: f64,
    /// Images in that batch.
    pub batch: usize,
    /// Threads of the pool.
    pub threads: usize,
    /// Seconds from the first step's start to each step's end.
    pub at_step: Vec<f32>,
}

/// What a replay needs of a sidecar or a PNG.
pub struct Replayable<R> {
    /// What to run.
    pub recipe: R,
    /// The SHA-256 that the picture had.
    pub sha256: String,
}

/// Whether a JSON file is a sidecar.
pub fn is_sidecar(json: impl Read) -> bool {
    #[derive(Deserialize)]
    struct Stored {
        #[serde(rename = "schema")]
        _schema: u32,
        #[serde(rename = "percept")]
        _percept: String,
        #[serde(rename = "recipe")]
        _recipe: IgnoredAny,
        #[serde(rename = "picture")]
        _picture: PictureEntry,
    }

    serde_json::from_reader::<_, Stored>(json).is_ok()
}

/// Reads the recipe from a sidecar, or from the PNG itself.
///
/// # Errors
/// When the file is neither, or its recipe cannot be understood.
pub fn read<R: DeserializeOwned>(path: &Path) -> Result<Replayable<R>> {
    #[derive(Deserialize)]
    struct Stored<R> {
        schema: u32,
        recipe: R,
        picture: PictureEntry,
    }

    let bytes = std::fs::read(path).map_err(|source| Error::io("cannot read", path, source))?;
    let unreadable = |source: serde_json::Error| {
        let message = format!(
            "{} is not a sidecar that this percept can read",
            path.display()
        );
        Error::new(Kind::Input, message).caused_by(source)
    };
    if bytes.starts_with(b"\x89PNG") {
        let Some(text) = picture::recipe_of(&bytes) else {
            bail!(
                Input,
                "{} carries no recipe that can be read: it is damaged, or not written by percept",
                path.display()
            );
        };
        return Ok(Replayable {
            recipe: serde_json::from_str(&text).map_err(unreadable)?,
            sha256: sha256(&bytes),
        });
    }
    let stored: Stored<R> = serde_json::from_slice(&bytes).map_err(unreadable)?;
    if stored.schema != SCHEMA {
        bail!(
            Input,
            "{} has the layout {}, and this percept reads {SCHEMA}: use the version that wrote it",
            path.display(),
            stored.schema
        );
    }
    Ok(Replayable {
        recipe: stored.recipe,
        sha256: stored.picture.sha256,
    })
}
