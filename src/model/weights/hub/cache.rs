//! The folder of a repository in the cache that the hub's tools share.
//!
//! A file's bytes lie in `blobs/ETAG`; `snapshots/COMMIT/NAME` is a link to them, `refs/REVISION` holds the commit that
//! a branch or tag was at, and `.no_exist/COMMIT/NAME` says that the repository has no such file there. While a
//! file comes, `.locks/REPOSITORY/ETAG.lock` beside the folder is locked.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;

use crate::{Error, Result};

/// What the cache knows of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    /// It is here.
    Here(PathBuf),
    /// The repository has none of this name.
    Absent,
    /// Nothing.
    Nothing,
}

/// A repository's folder.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    locks: PathBuf,
    links: bool,
}

impl Cache {
    /// The folder of the repository `id` in the cache.
    pub fn new(cache: &Path, id: &str, links: bool) -> Self {
        let name = format!("models--{}", id.replace('/', "--"));
        Self {
            folder: cache.join(&name),
            locks: cache.join(".locks").join(name),
            links,
        }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The commit that a revision is, as far as the cache knows.
    pub fn commit(&self, revision: &str) -> Option<String> {
        if is_hex(revision, 40) {
            return Some(revision.to_owned());
        }
        let text = fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        let commit = text.trim();
        is_name(commit).then(|| commit.to_owned())
    }

    /// What is known of a file at a commit.
    pub fn look(&self, commit: &str, file: &str) -> Known {
        let here = self.snapshot(commit, file);
        match here.is_file() {
            true => Known::Here(here),
            false if self.mark(commit, file).is_file() => Known::Absent,
            false => Known::Nothing,
        }
    }

    /// Keeps that the repository has no such file. A cache that cannot be written to forgets it.
    pub fn note_absent(&self, commit: &str, file: &str) {
        let mark = self.mark(commit, file);
        let _ = parent(&mark).and_then(|()| File::create(&mark));
    }

    /// Keeps which commit a revision is now. A cache that cannot be written to forgets it.
    pub fn note_commit(&self, revision: &str, commit: &str) {
        if self.commit(revision).as_deref() == Some(commit) {
            return;
        }
        let path = self.folder.join("refs").join(revision);
        let new = path.with_file_name(format!(
            "{}.{:08x}.tmp",
            path.file_name().unwrap_or_default().to_string_lossy(),
            std::process::id()
        ));
        let _ = parent(&path)
            .and_then(|()| fs::write(&new, commit))
            .and_then(|()| fs::rename(&new, &path));
    }

    /// Where the bytes of this ETag belong.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// Where they are while they come.
    pub fn part(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(format!("{etag}.incomplete"))
    }

    /// What is locked meanwhile.
    pub fn lock(&self, etag: &str) -> PathBuf {
        self.locks.join(format!("{etag}.lock"))
    }

    /// Makes the file's name at the commit lead to a blob: a link, another name for the same bytes where the system
    /// has no links, or a copy.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn name(&self, etag: &str, commit: &str, file: &str) -> Result<PathBuf> {
        let (blob, path) = (self.blob(etag), self.snapshot(commit, file));
        let cannot = |error| Error::io("cannot write", &path, error);
        parent(&path).map_err(cannot)?;
        let up = "../".repeat(2 + file.split('/').count() - 1);
        let target = format!("{up}blobs/{etag}");
        if fs::read_link(&path).is_ok_and(|link| link == Path::new(&target)) {
            return Ok(path);
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot(error)),
            _ => {}
        }
        let is_there = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
        let linked = match self.links {
            true => link(Path::new(&target), &path),
            false => Err(io::ErrorKind::Unsupported.into()),
        };
        match linked.or_else(|error| match is_there(&error) {
            // Another process was faster.
            true => Ok(()),
            false => fs::hard_link(&blob, &path),
        }) {
            Ok(()) => Ok(path),
            Err(_) => match fs::copy(&blob, &path) {
                Ok(_) => Ok(path),
                Err(error) => Err(cannot(error)),
            },
        }
    }

    fn snapshot(&self, commit: &str, file: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit).join(file)
    }

    fn mark(&self, commit: &str, file: &str) -> PathBuf {
        self.folder.join(".no_exist").join(commit).join(file)
    }
}

/// The SHA-256 that the bytes at a path of the cache must have, where its blob's name tells: large files' ETags are
/// their SHA-256.
pub fn promised(path: &Path) -> Option<String> {
    let blob = fs::read_link(path).ok()?;
    let name = blob.file_name()?.to_str()?;
    is_sha256(name).then(|| name.to_owned())
}

/// Whether a file's text is JSON; of one that cannot be read nothing is known.
pub fn is_json(path: &Path) -> bool {
    File::open(path).map_or(true, |file| {
        let read = serde_json::from_reader::<_, IgnoredAny>(io::BufReader::new(file));
        read.is_ok_and(|_| true)
    })
}

/// Whether the ETag is a SHA-256.
pub fn is_sha256(etag: &str) -> bool {
    is_hex(etag, 64)
}

/// Whether a commit or an ETag can be the name of a file.
pub fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with('.')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Makes the folder that a file is to lie in.
pub fn parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => fs::create_dir_all(folder),
        None => Ok(()),
    }
}

#[cfg(unix)]
fn link(target: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(windows)]
fn link(target: &Path, path: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, path)
}

#[cfg(not(any(unix, windows)))]
fn link(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn a_file_is_here_absent_or_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), "o/n", true);
        assert_eq!(cache.folder(), folder.path().join("models--o--n"));
        assert_eq!(cache.look(COMMIT, "a.json"), Known::Nothing);
        cache.note_absent(COMMIT, "a.json");
        assert_eq!(cache.look(COMMIT, "a.json"), Known::Absent);
        fs::create_dir_all(cache.blob("x").parent().unwrap()).unwrap();
        fs::write(cache.blob("x"), "{}").unwrap();
        for links in [true, false] {
            let cache = Cache {
                links,
                ..Cache::new(folder.path(), "o/n", true)
            };
            for file in ["b.json", "in/a/folder.json"] {
                let path = cache.name("x", COMMIT, file).unwrap();
                assert_eq!(cache.look(COMMIT, file), Known::Here(path.clone()));
                assert_eq!(path.symlink_metadata().unwrap().is_symlink(), links);
                assert_eq!(fs::read_to_string(path).unwrap(), "{}");
                fs::remove_file(cache.snapshot(COMMIT, file)).unwrap();
            }
        }
    }

    #[test]
    fn a_revision_is_a_commit_or_what_the_cache_knows() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), "o/n", true);
        assert_eq!(cache.commit(COMMIT).as_deref(), Some(COMMIT));
        assert_eq!(cache.commit("refs/pr/1"), None);
        for commit in ["c0ffee", COMMIT] {
            cache.note_commit("refs/pr/1", commit);
            assert_eq!(cache.commit("refs/pr/1").as_deref(), Some(commit));
        }
        fs::write(cache.folder().join("refs/refs/pr/1"), "../../x").unwrap();
        assert_eq!(cache.commit("refs/pr/1"), None);
    }

    #[test]
    fn only_the_names_of_large_blobs_promise_what_they_hold() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), "o/n", true);
        let large = "0f".repeat(32);
        for (etag, promise) in [(large.as_str(), Some(large.clone())), (COMMIT, None)] {
            parent(&cache.blob(etag)).unwrap();
            fs::write(cache.blob(etag), "").unwrap();
            let path = cache.name(etag, COMMIT, etag).unwrap();
            assert_eq!(promised(&path), promise);
        }
    }
}
