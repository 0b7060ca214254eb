//! A picture that is written, as it is said.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::ascent::digits::three;
use crate::ascent::quality::{Quality, Selectivity};
use crate::error::printable;
use crate::model::mini::Answers;

/// A picture that is on disk.
#[derive(Debug, Clone, Serialize)]
pub struct Finished {
    /// The PNG.
    pub picture: PathBuf,
    /// Its sidecar.
    pub sidecar: PathBuf,
    /// What was climbed.
    pub objective: String,
    /// Steps done.
    pub steps: usize,
    /// Steps that were asked for, where the picture was stopped before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps_asked: Option<usize>,
    /// The quality numbers; null for a picture that was stopped before it was measured.
    pub quality: Option<Quality>,
    /// What the first unit is known to answer to; none of a picture of what silences it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
    /// Its share of the seconds that its batch climbed; on a GPU also of looking at the batch's pictures.
    pub seconds: f64,
    /// The preset, and what it added to what was typed.
    #[serde(skip)]
    pub(super) added: Option<(String, &'static str)>,
    /// What the first unit is known to answer to, where it is silenced.
    #[serde(skip)]
    pub(super) silenced: Option<Answers>,
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let picture = self.picture.display().to_string();
        write!(f, "{}  {}", printable(&picture), printable(&self.objective))?;
        match (&self.quality, self.steps_asked) {
            (Some(quality), _) => self.write_numbers(f, quality)?,
            (None, Some(asked)) => write!(f, "  stopped after {} of {asked} steps", self.steps)?,
            (None, None) => write!(f, "  stopped before it was measured")?,
        }
        if let Some(answers) = self.answers.as_ref().and_then(first_answers) {
            write!(f, "  answers to {answers}")?;
        }
        if let Some(answers) = self.silenced.as_ref().and_then(first_answers) {
            write!(f, "  silences a unit that answers to {answers}")?;
        }
        write!(f, "  {} s", three(self.seconds))
    }
}

impl Finished {
    fn write_numbers(&self, f: &mut fmt::Formatter<'_>, quality: &Quality) -> fmt::Result {
        let Quality {
            activation,
            opened,
            clean,
            robust_mean,
            robust_sd,
            ..
        } = *quality;
        if opened == Some(false) {
            write!(f, "  never opened")?;
        }
        if let Some(activation) = activation {
            write!(f, "  activation {}", three(activation))?;
        }
        if activation.map(three) != Some(three(clean)) {
            write!(f, "  clean {}", three(clean))?;
        }
        if let Some((preset, penalty)) = &self.added {
            write!(f, " ({preset} adds {penalty})")?;
        }
        write!(f, "  robust {} ± {}", three(robust_mean), three(robust_sd))?;
        if let Some(Selectivity { rank, of, z, .. }) = &quality.selectivity {
            write!(f, "  rank {rank}/{of} (z {})", three(*z))?;
        }
        match quality.spectrum_slope {
            Some(slope) => write!(f, "  slope {slope:.2}"),
            None => Ok(()),
        }
    }
}

/// The first answers of each kind.
fn first_answers(answers: &Answers) -> Option<String> {
    let kinds = [(&answers.drawings, "drawn"), (&answers.words, "written")];
    let first = |(names, kind): (&Vec<String>, &str)| Some(format!("{} ({kind})", names.first()?));
    let first: Vec<String> = kinds.into_iter().filter_map(first).collect();
    (!first.is_empty()).then(|| first.join(", "))
}
