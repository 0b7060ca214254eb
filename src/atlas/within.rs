//! What lies in an atlas' folder. The folder itself may be a link; nothing in it is written, replaced or removed
//! through one, for that would be done to what is not the atlas'.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result, bail};
use crate::input::digest;
use crate::output::file::is_missing;
use crate::output::temporary;

/// What lies at a place in an atlas.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A file, with its SHA-256.
    File(String),
    /// A folder, or something that is reached through a link, or is one.
    Other,
}

/// Looks at the file `name`, with `/` between the parts, in the folder `root`.
///
/// # Errors
/// When it cannot be read.
pub fn find(root: &Path, name: &str) -> Result<Found> {
    let mut path = root.to_owned();
    let mut parts = name.split('/').peekable();
    while let Some(part) = parts.next() {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() && parts.peek().is_some() => {}
            Ok(found) if found.is_file() && parts.peek().is_none() => {
                return digest(&path).map(Found::File);
            }
            Ok(_) => return Ok(Found::Other),
            Err(source) if is_missing(source.kind()) => return Ok(Found::Nothing),
            Err(source) => return Err(Error::io("cannot read", &path, source)),
        }
    }
    Ok(Found::Other)
}

/// Makes the folder `name`, with `/` between the parts, in the folder `root`.
///
/// # Errors
/// When the system refuses, or a link or a file lies on the way.
pub fn make(root: &Path, name: &str) -> Result<PathBuf> {
    let mut path = root.to_owned();
    for part in name.split('/') {
        path.push(part);
        match fs::create_dir(&path) {
            Err(source) if source.kind() != ErrorKind::AlreadyExists => {
                return Err(Error::io("cannot make the folder", &path, source));
            }
            _ => check_folder(root, &path)?,
        }
    }
    Ok(path)
}

/// Finds out whether [`make`] could make a folder, without making it.
///
/// # Errors
/// When a link or a file lies on the way.
pub fn check(root: &Path, name: &str) -> Result<()> {
    let mut path = root.to_owned();
    name.split('/').try_for_each(|part| {
        path.push(part);
        check_folder(root, &path)
    })
}

/// No folder yet, or one that is no link.
fn check_folder(root: &Path, path: &Path) -> Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|source| Error::io("cannot read", path, source))?,
    };
    if found.is_symlink() {
        let all = root.display();
        return Err(refuse_link(
            path,
            &format!("put a folder in its place, or move all of {all} and link that"),
        ));
    }
    if !found.is_dir() {
        bail!(
            Io,
            "cannot make the folder {0}: {0} is a file; move it away or give --out another place",
            path.display()
        );
    }
    Ok(())
}

/// Finds out that a file may be opened to be written: nothing is there yet, or no link.
///
/// # Errors
/// When it is a link; it ends with the remedy.
pub fn check_no_link(path: &Path, remedy: &str) -> Result<()> {
    match path.is_symlink() {
        true => Err(refuse_link(path, remedy)),
        false => Ok(()),
    }
}

fn refuse_link(path: &Path, remedy: &str) -> Error {
    let path = path.display();
    let message =
        format!("{path} is a link, and percept writes through none inside an atlas: {remedy}");
    Error::new(Kind::Request, message)
}

/// Proves that a file can be moved from one folder to the other.
///
/// # Errors
/// When the system refuses; it does where they are on different file systems.
pub fn prove_moves(from: &Path, to: &Path) -> Result<()> {
    temporary::sweep(to);
    let refused = |source| Error::io("cannot write into the folder", to, source);
    let probe = temporary::create(from);
    let probe = probe.map_err(|source| Error::io("cannot write into the folder", from, source))?;
    let place = to.join(probe.path().file_name().unwrap_or_default());
    match probe.persist(&place) {
        Ok(_) => fs::remove_file(&place).map_err(refused),
        Err(moved) if moved.error.kind() == ErrorKind::CrossesDevices => bail!(
            Request,
            "{} and {} are on different file systems, and an atlas is on one: mount or link its whole folder there",
            to.display(),
            from.display()
        ),
        Err(moved) => Err(refused(moved.error)),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::output::file::names;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn nothing_is_found_or_made_through_a_link() {
        let (atlas, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (root, other) = (atlas.path(), elsewhere.path());
        fs::write(other.join("a.txt"), "mine").unwrap();
        symlink(other, root.join("site")).unwrap();
        symlink(other.join("a.txt"), root.join("a.txt")).unwrap();
        symlink(other.join("none"), root.join("none")).unwrap();
        for name in ["site", "site/a.txt", "a.txt", "none", "none/b"] {
            assert_eq!(find(root, name).unwrap(), Found::Other, "{name}");
            let error = make(root, name).unwrap_err().report();
            assert!(error.contains("is a link"), "{name}: {error}");
        }
        assert_eq!(names(other), ["a.txt"]);
        // The atlas' own folder may be one.
        let link = other.join("atlas");
        symlink(root, &link).unwrap();
        make(&link, "journal/0-of-1.pending").unwrap();
        fs::write(root.join("journal/a"), "").unwrap();
        assert!(matches!(find(&link, "journal/a").unwrap(), Found::File(_)));
        assert_eq!(find(&link, "journal/b").unwrap(), Found::Nothing);
        assert!(
            make(&link, "journal/a")
                .unwrap_err()
                .report()
                .contains("is a file")
        );
    }

    #[test]
    fn folders_of_different_file_systems_are_told_apart_and_left_as_they_were() {
        let here = tempfile::tempdir().unwrap();
        prove_moves(here.path(), here.path()).unwrap();
        let Ok(there) = tempfile::tempdir_in("/dev/shm") else {
            return;
        };
        let device = |folder: &Path| folder.metadata().unwrap().dev();
        if device(here.path()) != device(there.path()) {
            let said = prove_moves(here.path(), there.path()).unwrap_err().report();
            assert!(said.contains("different file systems"), "{said}");
        }
        assert!(names(here.path()).is_empty() && names(there.path()).is_empty());
    }
}
