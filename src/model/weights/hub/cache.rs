//! The folder of a repository in the cache that the hub's tools share.
//!
//! A file's bytes lie in `blobs/ETAG`; `snapshots/COMMIT/NAME` is a link to them, `refs/REVISION` holds the commit that
//! a branch or tag was at, and `.no_exist/COMMIT/NAME` says that the repository has no such file there. While a
//! file comes, `.locks/REPOSITORY/ETAG.lock` beside the folder is locked.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::Builder;

use super::{place, promise};

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
        let text = fs::read_to_string(self.reference(revision)).ok()?;
        let commit = text.trim();
        is_name(commit).then(|| commit.to_owned())
    }

    /// Where that is noted.
    pub fn reference(&self, revision: &str) -> PathBuf {
        self.folder.join("refs").join(revision)
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
        let _ = put(&self.reference(revision), |new| fs::write(new, commit));
    }

    /// Where the bytes of this ETag belong.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.blobs().join(etag)
    }

    /// Where they are while they come.
    pub fn part(&self, etag: &str) -> PathBuf {
        let name = format!("{etag}{}", place::ENDING);
        self.blobs().join(name)
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
    pub fn name(&self, etag: &str, commit: &str, file: &str) -> io::Result<PathBuf> {
        let (blob, path) = (self.blob(etag), self.snapshot(commit, file));
        let up = "../".repeat(2 + file.split('/').count() - 1);
        let target = format!("{up}blobs/{etag}");
        let target = Path::new(&target);
        if fs::read_link(&path).is_ok_and(|link| link == target) || promise::are_one(&path, &blob) {
            return Ok(path);
        }
        let linked = match self.links {
            true => put(&path, |new| link(target, new)),
            false => Err(io::ErrorKind::Unsupported.into()),
        };
        linked
            .or_else(|_| put(&path, |new| fs::hard_link(&blob, new)))
            .or_else(|_| put(&path, |new| fs::copy(&blob, new).map(|_| ())))?;
        Ok(path)
    }

    /// Where blobs lie.
    pub fn blobs(&self) -> PathBuf {
        self.folder.join("blobs")
    }

    /// Where commits' files lie.
    pub fn snapshots(&self) -> PathBuf {
        self.folder.join("snapshots")
    }

    fn snapshot(&self, commit: &str, file: &str) -> PathBuf {
        self.snapshots().join(commit).join(file)
    }

    fn mark(&self, commit: &str, file: &str) -> PathBuf {
        self.folder.join(".no_exist").join(commit).join(file)
    }
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

/// Puts a whole file, or a link, at a path, in place of what is there.
fn put(path: &Path, mut write: impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    parent(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let write = |new: &Path| {
        write(new).inspect_err(|error| {
            // What is there already is another's.
            if error.kind() != io::ErrorKind::AlreadyExists {
                let _ = fs::remove_file(new);
            }
        })
    };
    let new = Builder::new().suffix(".tmp").make_in(folder, write)?;
    Ok(new.persist(path)?)
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
    fn what_is_written_by_half_takes_no_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "old").unwrap();
        let half = put(&path, |new| {
            fs::write(new, "ne")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(half.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        put(&path, |new| fs::write(new, "new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
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
}
