//! Where the part of a file lies.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::Builder;

/// What the names of parts end in.
pub const ENDING: &str = ".incomplete";

/// The path of a part: the one that all processes share and take turns at, or one of this process alone.
pub struct Place {
    path: PathBuf,
    /// The shared path, to which a part of this process goes back when it is stopped.
    shared: Option<PathBuf>,
}

impl Place {
    /// The shared path, at which a lock keeps all others away, and what lies there, or an empty file.
    pub fn locked(shared: PathBuf) -> io::Result<(Self, File)> {
        let file = open(&shared)?;
        let place = Self {
            path: shared,
            shared: None,
        };
        Ok((place, file))
    }

    /// A path of this process alone, to which whatever lies at the shared one is moved.
    pub fn claimed(shared: PathBuf) -> io::Result<(Self, File)> {
        let name = shared.file_name().unwrap_or_default().to_string_lossy();
        let prefix = format!("{}.", name.trim_end_matches(ENDING));
        let claim = |path: &Path| match fs::rename(&shared, path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => open(path),
        };
        let mut named = Builder::new();
        named.prefix(&prefix).suffix(ENDING).rand_bytes(8);
        let (file, path) = named
            .make_in(shared.parent().unwrap_or(Path::new("")), claim)?
            .keep()?;
        let place = Self {
            path,
            shared: Some(shared),
        };
        Ok((place, file))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An empty file. The one that lay there is not cut: where locks do not hold, another process may have given it
    /// its name by now, and read from it.
    pub fn renew(&self) -> io::Result<File> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => open(&self.path),
        }
    }

    /// Gives what lies there another name.
    pub fn become_blob(self, blob: &Path) -> io::Result<()> {
        fs::rename(&self.path, blob)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(shared) = &self.shared else {
            return;
        };
        let length = |path: &Path| path.metadata().map_or(0, |file| file.len());
        // What cannot be moved or removed is in nobody's way.
        let _ = match length(&self.path) > length(shared) {
            true => fs::rename(&self.path, shared),
            false => fs::remove_file(&self.path),
        };
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect()
    }

    #[test]
    fn what_is_claimed_is_of_one_process_and_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let shared = folder.path().join("etag.incomplete");
        fs::write(&shared, "half").unwrap();
        let (first, _) = Place::claimed(shared.clone()).unwrap();
        let (second, _) = Place::claimed(shared.clone()).unwrap();
        assert_eq!(fs::read_to_string(first.path()).unwrap(), "half");
        assert_eq!(fs::read_to_string(second.path()).unwrap(), "");
        assert!(!shared.exists());
        fs::write(second.path(), "more than a half").unwrap();
        drop(second);
        drop(first);
        // The longer one is kept.
        assert_eq!(names(folder.path()), ["etag.incomplete"]);
        assert_eq!(fs::read_to_string(&shared).unwrap(), "more than a half");
    }

    #[test]
    fn what_has_its_name_is_not_cut_by_who_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let shared = folder.path().join("etag.incomplete");
        let blob = folder.path().join("etag");
        fs::write(&shared, "whole").unwrap();
        let (ours, _) = Place::locked(shared.clone()).unwrap();
        let (theirs, _) = Place::locked(shared).unwrap();
        ours.become_blob(&blob).unwrap();
        theirs.renew().unwrap();
        assert_eq!(fs::read_to_string(&blob).unwrap(), "whole");
    }
}
