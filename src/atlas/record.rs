//! Everything known of one unit.

use serde::{Deserialize, Serialize};

use crate::ascent::quality::Quality;
use crate::error::{Result, bail};

/// One unit of an atlas. What was not made or measured is empty or absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The tap's canonical name.
    pub tap: String,
    /// The channel.
    pub unit: usize,
    /// Its pictures, those that stand for it first: of each kind in the order of their variants.
    #[serde(default)]
    pub pictures: Vec<Picture>,
    /// Its usual response.
    #[serde(default)]
    pub statistics: Option<Moments>,
    /// What it answers to as printed words, best first.
    #[serde(default)]
    pub words: Vec<String>,
    /// What it answers to as coloured drawings, best first.
    #[serde(default)]
    pub drawings: Vec<String>,
    /// What it answers to as one-coloured drawings, best first.
    #[serde(default)]
    pub line_art: Vec<String>,
    /// Names that were found for it, with their scores, best first.
    #[serde(default)]
    pub labels: Vec<(String, f32)>,
    /// Images that it responds to most, best first: paths in the atlas' folder.
    #[serde(default)]
    pub examples: Vec<String>,
    /// The units of its tap with the most similar incoming weights, nearest first.
    #[serde(default)]
    pub near_weights: Vec<Near>,
    /// The units of its tap with the most similar responses, nearest first.
    #[serde(default)]
    pub near_responses: Vec<Near>,
    /// A content note: its pictures are blurred until somebody asks to see them.
    #[serde(default)]
    pub flag: Option<String>,
}

/// The mean of a unit's response and its standard deviation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub sd: f64,
}

/// Another unit of the same tap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Near {
    /// The channel.
    pub unit: usize,
    /// A cosine, in [-1, 1].
    pub similarity: f32,
}

/// What a picture shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shows {
    /// What makes the unit largest.
    Positive,
    /// What makes it smallest.
    Negative,
    /// What makes it largest, drawn towards the facet of this name.
    Facet(String),
}

impl Shows {
    /// `positive`, `negative` or `facet`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::Negative => "negative",
            Self::Facet(_) => "facet",
        }
    }

    /// The facet's name.
    pub fn facet(&self) -> Option<&str> {
        match self {
            Self::Facet(name) => Some(name),
            _ => None,
        }
    }
}

/// One picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// What it shows.
    pub shows: Shows,
    /// Which of the unit's pictures of its kind.
    pub variant: u32,
    /// The root of its randomness.
    pub seed: u64,
    /// A PNG: its path in the atlas' folder, with `/` between the parts. Its sidecar has the same name
    /// and ends in `.json`.
    pub file: String,
    /// Of the PNG.
    pub sha256: String,
    /// Side of the PNG in pixels.
    pub width: u32,
    /// The quality numbers.
    pub quality: Quality,
}

impl Record {
    /// The first picture of what makes the unit largest.
    pub fn positive(&self) -> Option<&Picture> {
        self.first(&Shows::Positive)
    }

    /// The first picture of what makes it smallest.
    pub fn negative(&self) -> Option<&Picture> {
        self.first(&Shows::Negative)
    }

    /// Whether the unit opens on the first picture of what makes it largest, see [`Quality::opened`]; `None` where
    /// that is not known, or there is no such picture.
    pub fn opened(&self) -> Option<bool> {
        self.positive()?.quality.opened
    }

    fn first(&self, shows: &Shows) -> Option<&Picture> {
        self.pictures.iter().find(|picture| picture.shows == *shows)
    }

    /// The picture that stands for the unit among others.
    pub fn face(&self) -> Option<&Picture> {
        self.positive().or(self.pictures.first())
    }

    /// Checks what could lead out of the atlas' folder.
    ///
    /// # Errors
    /// When the tap's name cannot be a folder's, or a file lies elsewhere.
    pub fn check(&self) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let Self { tap, unit, .. } = self;
        if tap.is_empty() || tap.starts_with('.') || !tap.chars().all(plain) {
            bail!(
                Input,
                "{tap:?} is no tap's name: letters, digits, dots, dashes and underscores make one"
            );
        }
        let pictures = self.pictures.iter().map(|picture| &picture.file);
        for file in pictures.chain(&self.examples) {
            if !is_inside(file) {
                bail!(
                    Input,
                    "{tap}:{unit} names the file {file:?}, which is not in the atlas' folder"
                );
            }
        }
        Ok(())
    }
}

/// Whether a path with `/` between its parts leads to a file below the folder that it starts from.
fn is_inside(path: &str) -> bool {
    let forbidden = |c: char| c == '\\' || c == ':' || c.is_control();
    !path.contains(forbidden) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(tap: &str, example: &str) -> Record {
        let json = serde_json::json!({ "tap": tap, "unit": 3, "examples": [example] });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_leads_out_of_the_folder_is_refused() {
        assert!(
            record("layer4.5.sum", "examples/a b#?%.png")
                .check()
                .is_ok()
        );
        for file in [
            "/etc/passwd",
            "../a.png",
            "a/../../b",
            "C:\\a",
            "http://x/y",
            "",
        ] {
            let error = record("layer4", file).check().unwrap_err();
            assert!(error.to_string().contains("layer4:3"), "{error}");
        }
        for tap in ["", "..", "a/b", "a\\b", ".hidden", "<img>"] {
            assert!(record(tap, "a.png").check().is_err(), "{tap}");
        }
    }

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        let mut record = record("layer4", "a.png");
        record.labels = vec![("cat".into(), 0.5)];
        record.pictures = vec![Picture {
            shows: Shows::Facet("face".into()),
            variant: 1,
            seed: 2,
            file: "pictures/layer4/3-face-v1.png".into(),
            sha256: String::new(),
            width: 64,
            quality: Quality {
                activation: Some(1.0),
                opened: Some(true),
                clean: 1.0,
                robust_mean: 0.5,
                robust_sd: 0.1,
                robust_draws: 16,
                robust_ratio: Some(0.5),
                selectivity: None,
                spectrum_slope: None,
            },
        }];
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains(r#""shows":{"facet":"face"}"#), "{json}");
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
        assert_eq!(record.positive(), None);
        assert_eq!(record.face().unwrap().variant, 1);
    }

    #[test]
    fn records_of_earlier_versions_are_read_and_claim_nothing_new() {
        let quality = serde_json::json!({
            "clean": 1.0, "robust_mean": 0.5, "robust_sd": 0.1, "robust_draws": 16,
            "robust_ratio": 0.5, "selectivity": null, "spectrum_slope": null,
        });
        let quality: Quality = serde_json::from_value(quality).unwrap();
        assert_eq!((quality.activation, quality.opened), (None, None));
    }
}
