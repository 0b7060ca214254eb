//! What the bytes of a file in the cache must be.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use super::cache::{self, Cache};
use super::part;

impl Cache {
    /// The SHA-256 that the bytes at a path of the cache must have, where a blob's name tells: large files' ETags are
    /// their SHA-256. The blob is the one that the path leads to. A path that is no link may be another name of one,
    /// or a copy; of the blobs that it may be a copy of, one whose bytes it has comes first.
    pub fn promised(&self, path: &Path) -> Option<String> {
        if let Ok(blob) = fs::read_link(path) {
            return sha256_in(blob.file_name());
        }
        let size = path.metadata().ok()?.len();
        let entries = fs::read_dir(self.blobs()).ok()?;
        let blobs = entries.filter_map(|entry| {
            let entry = entry.ok()?;
            let is_of_size = entry.metadata().is_ok_and(|blob| blob.len() == size);
            Some((sha256_in(Some(&entry.file_name()))?, entry.path())).filter(|_| is_of_size)
        });
        let (same, others): (Vec<_>, Vec<_>) = blobs.partition(|(_, blob)| are_one(path, blob));
        if let Some((sha256, _)) = same.into_iter().next() {
            return Some(sha256);
        }
        let is_free = |(_, blob): &(String, PathBuf)| !self.has_other_names(blob, path);
        let mut copied: Vec<_> = others.into_iter().filter(is_free).collect();
        if copied.len() > 1 {
            let found = part::digest(path).ok()?;
            copied.sort_by_key(|(sha256, _)| *sha256 != found);
        }
        copied.into_iter().next().map(|(sha256, _)| sha256)
    }

    /// Whether it is known what a blob is there for, which is not this path: another commit has it.
    fn has_other_names(&self, blob: &Path, path: &Path) -> bool {
        let snapshots = self.snapshots();
        let file = path.strip_prefix(&snapshots).unwrap_or(path);
        let file: PathBuf = file.components().skip(1).collect();
        let mut commits = fs::read_dir(snapshots).into_iter().flatten().flatten();
        let is_linked = commits.any(|commit| {
            let link = fs::read_link(commit.path().join(&file));
            link.is_ok_and(|link| link.file_name() == blob.file_name())
        });
        is_linked || blob.metadata().is_ok_and(|blob| names(&blob) > 1)
    }
}

/// Whether two paths are names of the same file.
pub fn are_one(path: &Path, other: &Path) -> bool {
    let identity = |path: &Path| identity(&path.metadata().ok()?);
    identity(path).is_some_and(|one| Some(one) == identity(other))
}

fn sha256_in(name: Option<&OsStr>) -> Option<String> {
    let name = name?.to_str()?;
    cache::is_sha256(name).then(|| name.to_owned())
}

#[cfg(unix)]
fn identity(file: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((file.dev(), file.ino()))
}

#[cfg(unix)]
fn names(file: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(file)
}

/// Not told.
#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(not(unix))]
fn names(_: &Metadata) -> u64 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::sha256;

    const COMMITS: [&str; 2] = [
        "0123456789abcdef0123456789abcdef01234567",
        "76543210fedcba9876543210fedcba9876543210",
    ];

    fn write(path: &Path, bytes: &str) -> PathBuf {
        cache::parent(path).unwrap();
        fs::write(path, bytes).unwrap();
        path.to_owned()
    }

    #[test]
    fn only_the_names_of_large_blobs_promise_what_they_hold() {
        for links in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let cache = Cache::new(folder.path(), "o/n", links);
            let large = "0f".repeat(32);
            for (etag, promise) in [(large.as_str(), Some(large.clone())), (COMMITS[0], None)] {
                write(&cache.blob(etag), etag);
                let path = cache.name(etag, COMMITS[0], etag).unwrap();
                assert_eq!(cache.promised(&path), promise);
            }
        }
    }

    #[test]
    fn a_copy_is_to_be_what_a_blob_of_its_size_is() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), "o/n", true);
        let copy = cache.snapshots().join(COMMITS[0]).join("w");
        assert_eq!(cache.promised(&write(&copy, "weights")), None);
        let [good, other] = ["weights", "WEIGHTS"].map(|text| sha256(text.as_bytes()));
        write(&cache.blob(&good), "weights");
        write(&cache.blob(&sha256(b"longer weights")), "longer weights");
        assert_eq!(cache.promised(&copy), Some(good.clone()));
        write(&copy, "Weights");
        assert_eq!(cache.promised(&copy), Some(good.clone()));
        write(&cache.blob(&other), "WEIGHTS");
        for (bytes, sha256) in [("weights", &good), ("WEIGHTS", &other)] {
            assert_eq!(cache.promised(&write(&copy, bytes)), Some(sha256.clone()));
        }
        // The blobs are another commit's.
        fs::remove_file(cache.blob(&other)).unwrap();
        cache.name(&good, COMMITS[1], "w").unwrap();
        assert_eq!(cache.promised(&write(&copy, "WEIGHTS")), None);
    }
}
