//! `flags.toml`: the user's notes on units whose pictures not everybody wants to see unasked.
//!
//! ```toml
//! ["layer4.5.sum"]
//! 89 = "about a religion"
//! ```

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::manifest::Tap;
use crate::encoder::tap::canonical;
use crate::error::{Error, Kind, Result, bail};

/// The file's name in an atlas' folder.
pub const FILE: &str = "flags.toml";

/// The notes of an atlas, by tap and unit.
#[derive(Debug, Default)]
pub struct Flags(BTreeMap<(String, usize), String>);

impl Flags {
    /// Those in the folder; none, if it has no such file.
    ///
    /// # Errors
    /// When the file cannot be read, is no TOML, or names a unit that none of `taps` has. The message
    /// says in which line.
    pub fn read(folder: &Path, taps: &[Tap]) -> Result<Self> {
        let path = folder.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, taps)
                .map_err(|error| error.context(format!("cannot use {}", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::io("cannot read", &path, error)),
        }
    }

    /// The note on a unit.
    pub fn get(&self, tap: &str, unit: usize) -> Option<&str> {
        self.0.get(&(tap.to_owned(), unit)).map(String::as_str)
    }

    fn parse(text: &str, taps: &[Tap]) -> Result<Self> {
        let line = |span: Range<usize>| 1 + text[..span.start].matches('\n').count();
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, line);
            Error::new(Kind::Input, format!("line {line}: {}", error.message()))
        })?;
        let mut flags = BTreeMap::new();
        for (name, units) in table.get_ref() {
            let at = line(name.span());
            let DeValue::Table(units) = units.get_ref() else {
                bail!(
                    Input,
                    "line {at}: start with a tap, such as [\"layer4.5.sum\"]"
                );
            };
            let tap = canonical(name.get_ref());
            let Some(known) = taps.iter().find(|known| known.name == tap) else {
                let names: Vec<_> = taps.iter().map(|tap| tap.name.as_str()).collect();
                bail!(
                    Input,
                    "line {at}: there is no tap {tap:?} in this atlas, which has {}; a name with dots \
                     needs quotes, as in [\"layer4.5.sum\"]",
                    names.join(", ")
                );
            };
            for (unit, note) in units {
                let at = line(unit.span());
                let number = unit.get_ref().parse::<usize>().ok();
                let Some(number) = number.filter(|&number| number < known.units) else {
                    bail!(
                        Input,
                        "line {at}: {tap} has the units 0 to {}, and no {:?}",
                        known.units.saturating_sub(1),
                        unit.get_ref()
                    );
                };
                let DeValue::String(note) = note.get_ref() else {
                    bail!(
                        Input,
                        "line {at}: give a note in quotes, as in {number} = \"about a religion\""
                    );
                };
                flags.insert((tap.clone(), number), note.clone().into_owned());
            }
        }
        Ok(Self(flags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Flags> {
        let tap = |name: &str, units| Tap {
            name: name.to_owned(),
            units,
            options: None,
        };
        Flags::parse(text, &[tap("layer4.5.sum", 2560), tap("stem", 40)])
    }

    #[test]
    fn notes_are_found_by_tap_and_unit() {
        let text = "# mine\n[\"layer4.5.sum\"]\n89 = \"about \\\"x\\\"\"\n\n[stem]\n3 = 'b'\n";
        let flags = parse(text).unwrap();
        assert_eq!(flags.get("layer4.5.sum", 89), Some("about \"x\""));
        assert_eq!(flags.get("stem", 3), Some("b"));
        assert_eq!(flags.get("stem", 89), None);
        let alias = parse("[\"image_block_4/5/Add_6_0\"]\n1 = \"a\"").unwrap();
        assert_eq!(alias.get("layer4.5.sum", 1), Some("a"));
        assert_eq!(parse("").unwrap().get("stem", 3), None);
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_line() {
        for (text, line, word) in [
            ("\n[stem\n", 2, ""),
            ("[stem]\n1 = \"a\"\n2 = b\n", 3, ""),
            ("[stem]\n1 = \"a\"\n1 = \"b\"\n", 3, "duplicate"),
            ("89 = \"a\"", 1, "tap"),
            ("[stem]\n1 = \"a\"\n[layer4.5.sum]\n1 = \"b\"", 3, "quotes"),
            ("[stem]\n1 = \"a\"\n40 = \"b\"", 3, "0 to 39"),
            ("[stem]\nx = \"a\"", 2, "\"x\""),
            ("[stem]\n\n-1 = \"a\"", 3, "\"-1\""),
            ("[stem]\n1 = 2", 2, "in quotes"),
            ("[stem]\n1 = true", 2, "in quotes"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Input);
            let message = error.report();
            assert!(
                message.contains(&format!("line {line}:")),
                "{text}: {message}"
            );
            assert!(message.contains(word), "{text}: {message}");
        }
    }

    #[test]
    fn a_folder_without_the_file_has_none_and_a_file_of_other_bytes_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Flags::read(folder.path(), &[]).unwrap().0.is_empty());
        std::fs::write(folder.path().join(FILE), b"\xff\xfe").unwrap();
        let error = Flags::read(folder.path(), &[]).unwrap_err();
        assert!(error.report().contains(FILE), "{}", error.report());
    }
}
