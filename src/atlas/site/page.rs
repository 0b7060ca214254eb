//! `index.html`.

use std::collections::BTreeSet;
use std::path::Path;

use askama::Template;

use super::recipe::in_words;
use super::{RECEIVER, SCRIPTS, STYLES};
use crate::atlas::manifest::{Header, Tap, sources};
use crate::atlas::record::Record;
use crate::error::{Error, Kind, Result};

/// The most taps that a sentence can name; more are a table.
const FEW_TAPS: usize = 4;

/// What the page's template shows.
#[derive(Template)]
#[template(path = "index.html")]
pub struct Page<'a> {
    title: String,
    summary: String,
    model: &'a str,
    digest: &'a str,
    taps: Vec<TapRow<'a>>,
    statistics: BTreeSet<&'a str>,
    recipe: Vec<(String, String)>,
    styles: Vec<&'static str>,
    scripts: Vec<&'static str>,
    stamp: &'a str,
    percept: &'static str,
}

/// A tap with units in the atlas.
struct TapRow<'a> {
    name: &'a str,
    /// In the model.
    units: String,
    in_atlas: String,
}

impl<'a> Page<'a> {
    /// Of an atlas; `stamp` is appended to the addresses of its files.
    pub fn new(header: &'a Header, records: &'a [Record], stamp: &'a str) -> Self {
        let row = |tap: &'a Tap| {
            let of_tap = records.iter().filter(|record| record.tap == tap.name);
            let count = of_tap.count();
            (count > 0).then(|| TapRow {
                name: &tap.name,
                units: with_commas(tap.units),
                in_atlas: with_commas(count),
            })
        };
        let taps: Vec<TapRow> = header.taps.iter().filter_map(row).collect();
        let [theme, rest @ ..] = SCRIPTS.map(|(name, _)| name);
        let mut scripts = vec![theme];
        for name in rest {
            scripts.push(name);
            if name == RECEIVER {
                scripts.push("data.js");
            }
        }
        Self {
            title: title(&header.model.name),
            summary: summary(&taps, records.len()),
            model: &header.model.name,
            digest: &header.model.sha256,
            taps,
            statistics: records.iter().flat_map(sources).collect(),
            recipe: in_words(&header.recipe),
            styles: STYLES.map(|(name, _)| name).to_vec(),
            scripts: scripts.split_off(1),
            stamp,
            percept: env!("CARGO_PKG_VERSION"),
        }
    }

    /// Whether the taps are a table.
    fn has_many_taps(&self) -> bool {
        self.taps.len() > FEW_TAPS
    }

    /// The page, every value escaped.
    ///
    /// # Errors
    /// When the template fails.
    pub fn html(&self) -> Result<String> {
        self.render().map_err(|source| {
            Error::new(Kind::Internal, "cannot write index.html").caused_by(source)
        })
    }
}

/// `RN50x4` of `weights/RN50x4.pt`; known names and hub ids as they are.
fn title(model: &str) -> String {
    let path = Path::new(model);
    match path.extension() {
        Some(_) => path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        None => model.to_owned(),
    }
}

fn summary(taps: &[TapRow], units: usize) -> String {
    let told = match taps.len() > FEW_TAPS {
        true => format!("{} of {} layers", with_commas(units), taps.len()),
        false => {
            let told = taps
                .iter()
                .map(|tap| format!("{} of {}", tap.in_atlas, tap.name));
            Vec::from_iter(told).join(", ")
        }
    };
    format!("What its units respond to: {told}")
}

fn with_commas(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
