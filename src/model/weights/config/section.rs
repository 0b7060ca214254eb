//! A part of a configuration file, whose values are taken as Python takes them: 1 is true, 24.0 is 24, and null is as
//! good as nothing. What is of another kind is an error that names it, so that no default stands in its place.

use serde_json::Value;

use crate::Result;
use crate::error::bail;

/// A JSON object in a file.
#[derive(Clone, Copy)]
pub(super) struct Section<'j> {
    /// An object, or null where the file leaves it open.
    json: &'j Value,
    pub file: &'static str,
    /// What stands before its keys: `vision_cfg.`.
    path: &'static str,
}

impl<'j> Section<'j> {
    /// # Errors
    /// When the value is neither an object nor null.
    pub fn new(json: &'j Value, file: &'static str, path: &'static str) -> Result<Self> {
        if json.is_object() || json.is_null() {
            return Ok(Self { json, file, path });
        }
        let name = path.trim_end_matches('.');
        bail!(
            Weights,
            "{file} {} where an object belongs: correct it in the file",
            match name {
                "" => format!("holds {json}"),
                name => format!("asks for {name} {json}"),
            }
        )
    }

    /// The part of this key, whose own keys stand behind `path`.
    pub fn inner(self, key: &str, path: &'static str) -> Result<Self> {
        Self::new(&self.json[key], self.file, path)
    }

    /// Whether the file leaves it open.
    pub fn is_absent(self) -> bool {
        self.json.is_null()
    }

    /// All keys that are not null, with their values.
    pub fn entries(self) -> impl Iterator<Item = (&'j str, &'j Value)> {
        let entries = self.json.as_object().into_iter().flatten();
        let entries = entries.map(|(key, value)| (key.as_str(), value));
        entries.filter(|(_, value)| !value.is_null())
    }

    /// The value of a key, null where there is none.
    pub fn get(self, key: &str) -> &'j Value {
        &self.json[key]
    }

    /// Whether the file has this key, be it null.
    pub fn has(self, key: &str) -> bool {
        self.json.get(key).is_some()
    }

    /// A key with what stands before it.
    pub fn name(self, key: &str) -> String {
        format!("{}{key}", self.path)
    }

    /// A whole number from 0.
    ///
    /// # Errors
    /// When the value is none.
    pub fn whole(self, key: &str) -> Result<Option<usize>> {
        self.read(key, whole, "a whole number")
    }

    /// Whether something is on.
    ///
    /// # Errors
    /// When the value is neither true nor false, nor 1 nor 0.
    pub fn is_on(self, key: &str) -> Result<Option<bool>> {
        self.read(key, truth, "true or false")
    }

    /// A text.
    ///
    /// # Errors
    /// When the value is none.
    pub fn text(self, key: &str) -> Result<Option<&'j str>> {
        self.read(key, Value::as_str, "a text")
    }

    fn read<T>(
        self,
        key: &str,
        read: impl Fn(&'j Value) -> Option<T>,
        kind: &str,
    ) -> Result<Option<T>> {
        let value = self.get(key);
        match (value, read(value)) {
            (Value::Null, _) => Ok(None),
            (_, Some(read)) => Ok(Some(read)),
            (_, None) => bail!(
                Weights,
                "{} asks for {} {value} where {kind} belongs: correct it in the file",
                self.file,
                self.name(key)
            ),
        }
    }
}

/// A whole number from 0, however it is written.
pub(super) fn whole(value: &Value) -> Option<usize> {
    let written = || {
        let number = value.as_f64()?;
        let is_whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
        is_whole.then_some(number as u64)
    };
    usize::try_from(value.as_u64().or_else(written)?).ok()
}

fn truth(value: &Value) -> Option<bool> {
    match (value.as_bool(), value.as_f64()) {
        (Some(truth), _) => Some(truth),
        (None, Some(0.0)) => Some(false),
        (None, Some(1.0)) => Some(true),
        _ => None,
    }
}

/// Whether a value switches nothing on.
pub(super) fn is_off(value: &Value) -> bool {
    value.is_null() || truth(value) == Some(false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_taken_as_python_takes_them() {
        let json =
            json!({"one": 1, "zero": 0.0, "null": null, "heads": 24.0, "yes": true, "name": "x"});
        let section = Section::new(&json, "a.json", "part.").unwrap();
        assert_eq!(section.is_on("one").unwrap(), Some(true));
        assert_eq!(section.is_on("zero").unwrap(), Some(false));
        assert_eq!(section.is_on("yes").unwrap(), Some(true));
        assert_eq!(section.is_on("null").unwrap(), None);
        assert_eq!(section.whole("heads").unwrap(), Some(24));
        assert_eq!(section.whole("nothing").unwrap(), None);
        assert_eq!(section.text("name").unwrap(), Some("x"));
        assert!(section.inner("null", "").unwrap().is_absent());
    }

    #[test]
    fn values_of_another_kind_are_refused_by_key_and_file() {
        let json = json!({"a": "80", "b": 24.5, "c": -1, "d": [1], "e": 2, "f": 1e300});
        let section = Section::new(&json, "a.json", "part.").unwrap();
        let says = |report: String, key: &str| {
            let name = format!("a.json asks for part.{key} ");
            assert!(
                report.starts_with(&name) && report.ends_with("correct it in the file"),
                "{report}"
            );
        };
        for key in ["a", "b", "c", "d", "f"] {
            says(section.whole(key).unwrap_err().report(), key);
        }
        for key in ["a", "b", "d", "e"] {
            says(section.is_on(key).unwrap_err().report(), key);
        }
        for key in ["b", "d"] {
            says(section.text(key).unwrap_err().report(), key);
        }
        let report = section.inner("a", "a.").err().unwrap().report();
        assert!(
            report.contains("a \"80\" where an object belongs"),
            "{report}"
        );
        assert!(Section::new(&json!([1]), "a.json", "").is_err());
    }
}
