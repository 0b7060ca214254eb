//! One process at a time fetches a file: the lock is the one that Python's `filelock` takes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// Locks the file at a path, which is made where there is none; calls `wait` as often as another process holds it.
/// None where the file system has no locks, or grants one to everybody.
///
/// # Errors
/// When the file cannot be made, or `wait` fails.
pub fn take<E: From<io::Error>>(
    path: &Path,
    mut wait: impl FnMut() -> Result<(), E>,
) -> Result<Option<File>, E> {
    super::cache::parent(path)?;
    let file = options().open(path)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(excludes(path)?.then_some(file)),
            Err(TryLockError::WouldBlock) => wait()?,
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
}

/// Whether the lock that is held at a path keeps others away: some network file systems lock for everybody at once.
fn excludes(path: &Path) -> io::Result<bool> {
    let second = options().open(path)?.try_lock();
    Ok(matches!(second, Err(TryLockError::WouldBlock)))
}

/// Others of the group may wait for it too, where a group shares the cache.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o664);
    options
}
