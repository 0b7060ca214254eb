//! `index.html`.

use std::path::Path;

use askama::Template;
use serde_json::Value;

use super::SCRIPTS;
use crate::atlas::manifest::Header;
use crate::atlas::record::Record;
use crate::error::{Error, Kind, Result};

/// What the page's template shows.
#[derive(Template)]
#[template(path = "index.html")]
pub struct Page<'a> {
    title: String,
    summary: String,
    model: &'a str,
    digest: &'a str,
    taps: Vec<&'a str>,
    recipe: Vec<(&'a str, String)>,
    scripts: Vec<&'static str>,
    stamp: &'a str,
    percept: &'static str,
}

impl<'a> Page<'a> {
    /// Of an atlas; `stamp` is appended to the addresses of its files.
    pub fn new(header: &'a Header, records: &'a [Record], stamp: &'a str) -> Self {
        let counts = header.taps.iter().filter_map(|tap| {
            let count = records
                .iter()
                .filter(|record| record.tap == tap.name)
                .count();
            (count > 0).then_some((tap.name.as_str(), count))
        });
        let (taps, counts): (Vec<&str>, Vec<usize>) = counts.unzip();
        let parts: Vec<String> = taps
            .iter()
            .zip(counts)
            .map(|(tap, count)| format!("{} of {tap}", with_commas(count)))
            .collect();
        let [theme, catalogue, rest @ ..] = SCRIPTS.map(|(name, _)| name);
        let mut scripts = vec![theme, catalogue, "data.js"];
        scripts.extend(rest);
        Self {
            title: title(&header.model.name),
            summary: format!("What its units respond to: {}", parts.join(", ")),
            model: &header.model.name,
            digest: &header.model.sha256,
            taps,
            recipe: recipe(&header.recipe),
            scripts: scripts.split_off(1),
            stamp,
            percept: env!("CARGO_PKG_VERSION"),
        }
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

fn recipe(recipe: &Value) -> Vec<(&str, String)> {
    let entries = recipe.as_object().into_iter().flatten();
    entries
        .filter(|(key, _)| *key != "model")
        .map(|(key, value)| match value {
            Value::String(text) => (key.as_str(), text.clone()),
            other => (key.as_str(), other.to_string()),
        })
        .collect()
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
