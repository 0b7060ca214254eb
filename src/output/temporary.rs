//! Files in the making: `.percept-` and six letters or digits, locked for as long as a process writes them, so
//! that what a process that died has left can be told from what is being written.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

const PREFIX: &str = ".percept-";

/// Letters and digits after [`PREFIX`].
const RANDOM: usize = 6;

/// Where a file system has no locks: what nobody wrote to for so long is nobody's.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes a file in the folder, which is removed when it is dropped, and locks it.
///
/// # Errors
/// When the system refuses.
pub fn create(folder: &Path) -> io::Result<NamedTempFile> {
    loop {
        let file = tempfile::Builder::new()
            .prefix(PREFIX)
            .rand_bytes(RANDOM)
            .permissions_like_a_new_file()
            .tempfile_in(folder)?;
        // Who sweeps the folder may have been faster than this lock.
        let is_taken = matches!(file.as_file().try_lock(), Err(TryLockError::WouldBlock));
        if !is_taken && is_at(file.as_file(), file.path()) {
            return Ok(file);
        }
    }
}

/// Whether a name has the form of a file in the making.
pub fn is_temporary(name: &OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    random.is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Removes from the folder the files in the making that no process writes any more. What cannot be removed
/// stays, and harms nobody.
pub fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if is_temporary(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = remove_abandoned(&entry.path());
        }
    }
}

fn remove_abandoned(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(source)) => {
            let age = file.metadata()?.modified()?.elapsed();
            if age.is_ok_and(|age| age < ABANDONED) {
                return Err(source);
            }
        }
    }
    match is_at(&file, path) {
        true => fs::remove_file(path),
        false => Ok(()),
    }
}

/// Whether the path still leads to this file, and not to none or another.
#[cfg(unix)]
pub fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |own: fs::Metadata, there: fs::Metadata| {
        (own.dev(), own.ino()) == (there.dev(), there.ino())
    };
    let found = file
        .metadata()
        .and_then(|own| Ok((own, path.symlink_metadata()?)));
    found.is_ok_and(|(own, there)| same(own, there))
}

/// Whether the path still leads to a file: which one, this system does not tell.
#[cfg(not(unix))]
pub fn is_at(_: &File, path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|there| there.is_file())
}

/// Temporary files are private by default; a result is to be as readable as any other file.
trait LikeANewFile {
    fn permissions_like_a_new_file(&mut self) -> &mut Self;
}

impl LikeANewFile for tempfile::Builder<'_, '_> {
    #[cfg(unix)]
    fn permissions_like_a_new_file(&mut self) -> &mut Self {
        use std::os::unix::fs::PermissionsExt;
        self.permissions(fs::Permissions::from_mode(0o666))
    }

    #[cfg(not(unix))]
    fn permissions_like_a_new_file(&mut self) -> &mut Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::file::names;

    #[test]
    fn only_files_of_exactly_our_form_that_nobody_writes_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| fs::write(folder.path().join(name), "x").unwrap();
        let others = [
            ".percept-notes",
            ".percept-abc12",
            ".percept-abc1234",
            ".percept-abc-12",
            ".percept-abcdé",
            "percept-abc123",
            "a.percept-abc123",
        ];
        for name in others {
            put(name);
        }
        fs::create_dir(folder.path().join(".percept-folder")).unwrap();
        put(".percept-abc123");
        let written = create(folder.path()).unwrap();
        sweep(folder.path());
        let mut left: Vec<String> = others.map(str::to_owned).to_vec();
        left.push(".percept-folder".to_owned());
        left.push(
            written
                .path()
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned(),
        );
        left.sort();
        assert_eq!(names(folder.path()), left);
        assert!(written.path().is_file());
    }

    #[test]
    #[cfg(unix)]
    fn a_link_of_our_form_is_left_alone_and_so_is_what_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let file = elsewhere.path().join("mine");
        fs::write(&file, "mine").unwrap();
        std::os::unix::fs::symlink(&file, folder.path().join(".percept-abc123")).unwrap();
        sweep(folder.path());
        assert_eq!(names(folder.path()), [".percept-abc123"]);
        assert_eq!(fs::read(&file).unwrap(), b"mine");
    }

    #[test]
    fn a_file_that_was_removed_or_replaced_is_not_at_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = create(folder.path()).unwrap();
        assert!(is_at(file.as_file(), file.path()));
        fs::remove_file(file.path()).unwrap();
        assert!(!is_at(file.as_file(), file.path()));
        if cfg!(unix) {
            fs::write(file.path(), "another").unwrap();
            assert!(!is_at(file.as_file(), file.path()));
        }
    }
}
