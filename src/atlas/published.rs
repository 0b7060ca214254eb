//! What publishing has written, by name and digest: nothing else is replaced or removed by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::manifest::{FileEntry, Files, Listed, listed};
use super::publish::MANIFEST;
use super::within::{self, Found, find};
use super::{site, table};
use crate::error::{Error, Kind, Result};
use crate::output::file;

/// The folder of files in the making.
pub const MAKING: &str = ".publishing";

/// What a publishing that is not done yet writes, and what it found: files may be in their places that the
/// manifest does not list yet, or not any more.
const BEGUN: &str = ".publishing/files.json";

/// Files that a message names before it counts the others.
const NAMED: usize = 3;

/// The SHA-256s that the files of an atlas have where percept wrote them, by name.
type Digests = BTreeMap<String, BTreeSet<String>>;

/// What the publishings before wrote.
#[derive(Debug)]
pub struct Published {
    digests: Digests,
    /// Whether a version of percept published that listed only some of its files.
    is_partly_listed: bool,
}

impl Published {
    /// What the manifest in the folder lists, and a publishing that was not done.
    ///
    /// # Errors
    /// When the manifest is not as percept wrote it, or a file cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut published = Self {
            digests: Digests::new(),
            is_partly_listed: false,
        };
        if let Some(text) = read(folder, MANIFEST)? {
            let files = match listed(&text) {
                Some(Listed::Files(files)) => files,
                Some(Listed::Some(files)) => {
                    published.is_partly_listed = true;
                    files
                }
                None => return Err(not_own(folder, &[MANIFEST])),
            };
            for (name, entry) in files {
                published.add(name, entry.sha256);
            }
        }
        if let Some(text) = read(folder, BEGUN)? {
            let begun: Digests = serde_json::from_slice(&text).map_err(|source| {
                let message = format!("{} is not a list of files", folder.join(BEGUN).display());
                Error::new(Kind::Input, message).caused_by(source)
            })?;
            for (name, digests) in begun {
                digests
                    .into_iter()
                    .for_each(|digest| published.add(name.clone(), digest));
            }
        }
        Ok(published)
    }

    /// Lists come from a folder that may have been anywhere: no other file is ever touched.
    fn add(&mut self, name: String, sha256: String) {
        if is_published(&name) {
            self.digests.entry(name).or_default().insert(sha256);
        }
    }

    fn wrote(&self, name: &str, sha256: &str) -> bool {
        self.digests
            .get(name)
            .is_some_and(|known| known.contains(sha256))
    }

    /// A file that is in its place as percept wrote it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn intact(&self, folder: &Path, name: &str) -> Result<Option<FileEntry>> {
        match find(folder, name)? {
            Found::File(sha256) if self.wrote(name, &sha256) => {
                let path = folder.join(name);
                let found = path.metadata();
                let found = found.map_err(|source| Error::io("cannot read", &path, source))?;
                let bytes = found.len() as usize;
                Ok(Some(FileEntry { sha256, bytes }))
            }
            _ => Ok(None),
        }
    }

    /// Finds out before any work whether files that percept published are still its own.
    ///
    /// # Errors
    /// When one was changed since, and would be lost, or a folder is a link.
    pub fn check_unchanged(&self, folder: &Path) -> Result<()> {
        let folders = self.digests.keys().filter_map(|name| name.rsplit_once('/'));
        let folders: BTreeSet<&str> = folders.map(|(folders, _)| folders).collect();
        folders
            .into_iter()
            .try_for_each(|name| within::check(folder, name))?;
        let mut changed = Vec::new();
        for name in self.digests.keys() {
            match find(folder, name)? {
                Found::Nothing => {}
                Found::File(sha256) if self.wrote(name, &sha256) || self.is_partly_listed => {}
                _ => changed.push(name.as_str()),
            }
        }
        match changed.is_empty() {
            true => Ok(()),
            false => Err(not_own(folder, &changed)),
        }
    }

    /// The files that are not in their places yet.
    ///
    /// # Errors
    /// When something lies in such a place that percept did not write.
    pub fn missing<'a>(&self, folder: &Path, files: &'a Files) -> Result<BTreeSet<&'a str>> {
        let (mut missing, mut others) = (BTreeSet::new(), Vec::new());
        for (name, entry) in files {
            match find(folder, name)? {
                Found::File(sha256) if sha256 == entry.sha256 => continue,
                Found::Nothing => {}
                Found::File(sha256) if self.is_partly_listed || self.wrote(name, &sha256) => {}
                _ => others.push(name.as_str()),
            }
            missing.insert(name.as_str());
        }
        match others.is_empty() {
            true => Ok(missing),
            false => Err(not_own(folder, &others)),
        }
    }

    /// Writes down what may lie in the folder from now on until the manifest says it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn begin(&mut self, folder: &Path, files: &Files) -> Result<()> {
        for (name, entry) in files {
            self.add(name.clone(), entry.sha256.clone());
        }
        let text = serde_json::to_vec(&self.digests).map_err(|source| {
            Error::new(Kind::Internal, "cannot write a list of files").caused_by(source)
        })?;
        file::stage_in(&folder.join(MAKING), &folder.join(BEGUN), &text)?.finish()
    }

    /// Removes what earlier publishings wrote and this one does not have.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove_others(&self, folder: &Path, files: &Files) -> Result<()> {
        for name in self
            .digests
            .keys()
            .filter(|&name| !files.contains_key(name))
        {
            if self.intact(folder, name)?.is_some() {
                remove(&folder.join(name))?;
            }
        }
        Ok(())
    }

    /// Forgets what [`Published::begin`] wrote down.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn end(&self, folder: &Path) -> Result<()> {
        remove(&folder.join(BEGUN))
    }
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(|source| Error::io("cannot remove", path, source))
}

/// Whether publishing writes files of such names.
fn is_published(name: &str) -> bool {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\\');
    let (folder, below) = name.split_once('/').unwrap_or(("", name));
    name.split('/').all(is_plain)
        && match folder {
            "" => [site::PAGE, table::FILE].contains(&below),
            folder => [site::FOLDER, site::SPRITES].contains(&folder),
        }
}

fn read(folder: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let path = folder.join(name);
    match find(folder, name)? {
        Found::Nothing => Ok(None),
        Found::File(_) => {
            let bytes =
                fs::read(&path).map_err(|source| Error::io("cannot read", &path, source))?;
            Ok(Some(bytes))
        }
        Found::Other => Err(not_own(folder, &[name])),
    }
}

fn not_own(folder: &Path, names: &[&str]) -> Error {
    let mut listed: Vec<String> = names
        .iter()
        .take(NAMED)
        .map(|&name| name.to_owned())
        .collect();
    if names.len() > NAMED {
        listed.push(format!("{} others", names.len() - NAMED));
    }
    let (is, it) = match names.len() {
        1 => ("is", "it"),
        _ => ("are", "them"),
    };
    Error::new(
        Kind::Request,
        format!(
            "in {}, {} {is} not as percept wrote {it}, and would be replaced: move {it} out of the folder, then run this again",
            folder.display(),
            listed.join(", ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::sha256;

    fn files(of: &[(&str, &str)]) -> Files {
        let entry =
            |&(name, text): &(&str, &str)| (name.to_owned(), FileEntry::of(text.as_bytes()));
        of.iter().map(entry).collect()
    }

    fn begun(folder: &Path, of: &[(&str, &str)]) -> Published {
        fs::create_dir_all(folder.join(MAKING)).unwrap();
        let mut published = Published::read(folder).unwrap();
        published.begin(folder, &files(of)).unwrap();
        published
    }

    #[test]
    fn a_publishing_that_was_killed_is_known_to_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        begun(folder, &[("index.html", "one"), ("site/a.js", "a")]);
        fs::write(folder.join("index.html"), "one").unwrap();
        let second = begun(folder, &[("index.html", "two")]);
        // Killed before it replaced the page: both texts are percept's.
        for text in ["one", "two"] {
            fs::write(folder.join("index.html"), text).unwrap();
            let files = files(&[("index.html", "three")]);
            let missing = Published::read(folder).unwrap().missing(folder, &files);
            assert_eq!(missing.unwrap(), BTreeSet::from(["index.html"]));
        }
        fs::write(folder.join("index.html"), "mine").unwrap();
        let third = files(&[("index.html", "three")]);
        let error = second.missing(folder, &third).unwrap_err().report();
        assert!(
            error.contains("index.html is not as percept wrote it"),
            "{error}"
        );
        assert!(
            second
                .missing(folder, &files(&[("index.html", "mine")]))
                .unwrap()
                .is_empty()
        );
        second.end(folder).unwrap();
        assert!(Published::read(folder).unwrap().digests.is_empty());
    }

    #[test]
    fn what_was_changed_or_is_no_sites_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for name in ["sprites", "site/units", "pictures", "../x"] {
            let _ = fs::create_dir_all(folder.join(name));
        }
        let of = [
            ("sprites/own.jpg", "a"),
            ("sprites/changed.jpg", "a"),
            ("site/units/own.js", "a"),
            ("pictures/a.png", "a"),
            ("flags.toml", "a"),
            ("site/../flags.toml", "a"),
        ];
        for (name, text) in of {
            fs::write(folder.join(name), text).unwrap();
        }
        fs::write(folder.join("sprites/changed.jpg"), "b").unwrap();
        fs::write(folder.join("sprites/other.jpg"), "a").unwrap();
        let published = begun(folder, &of);
        published.remove_others(folder, &Files::new()).unwrap();
        let left = |name: &str| folder.join(name).exists();
        assert!(!left("sprites/own.jpg") && !left("site/units/own.js"));
        for name in [
            "sprites/changed.jpg",
            "sprites/other.jpg",
            "pictures/a.png",
            "flags.toml",
        ] {
            assert!(left(name), "{name}");
        }
        let error = published.check_unchanged(folder).unwrap_err().report();
        assert!(error.contains("sprites/changed.jpg is not"), "{error}");
        assert!(published.wrote("sprites/own.jpg", &sha256(b"a")));
    }
}
