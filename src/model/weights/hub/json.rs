//! Whether a file is the JSON that it is to be.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};
use serde::de::IgnoredAny;

/// What a file of JSON turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Json {
    /// JSON, or nothing that can be read.
    Sound,
    /// JSON but for NaN or Infinity, which Python writes.
    NotFinite,
    /// No JSON.
    Broken,
}

/// Strings, and the numbers that JSON does not have.
static NOT_FINITE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?-u)"(?:[^"\\]|\\.)*"|NaN|Infinity"#).ok());

impl Json {
    /// Looks at a file.
    pub fn of(path: &Path) -> Self {
        let Ok(file) = File::open(path) else {
            return Self::Sound;
        };
        match serde_json::from_reader::<_, IgnoredAny>(BufReader::new(file)) {
            Ok(_) => Self::Sound,
            Err(_) if is_json_of_python(path) => Self::NotFinite,
            Err(_) => Self::Broken,
        }
    }
}

fn is_json_of_python(path: &Path) -> bool {
    let (Ok(text), Some(found)) = (fs::read(path), NOT_FINITE.as_ref()) else {
        return false;
    };
    let finite = found.replace_all(&text, |found: &Captures| match &found[0] {
        text if text.starts_with(b"\"") => text.to_owned(),
        _ => b"0".to_vec(),
    });
    serde_json::from_slice::<IgnoredAny>(&finite).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_only_python_writes_are_told_from_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for (text, is) in [
            (r#"{"a": "NaN", "b": 1}"#, Json::Sound),
            (r#"{"a": NaN}"#, Json::NotFinite),
            (
                r#"{"a\"": "ä", "b": [-Infinity, NaN, Infinity, 1]}"#,
                Json::NotFinite,
            ),
            (r#"{"a": NaN"#, Json::Broken),
            (r#"{"a": nan}"#, Json::Broken),
            (r#"{"a": "NaN}"#, Json::Broken),
            ("", Json::Broken),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(Json::of(&path), is, "{text}");
        }
        assert_eq!(Json::of(&folder.path().join("b.json")), Json::Sound);
    }
}
