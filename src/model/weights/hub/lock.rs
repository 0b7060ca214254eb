//! One process at a time fetches a file: the lock is the one that Python's `filelock` takes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// Locks the file at a path, which is made where there is none; calls `wait` as often as another process holds it.
/// None where the file system has no locks.
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
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => wait()?,
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
}

/// Others of the group may wait for it too, where a group shares the cache.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o664);
    options
}
