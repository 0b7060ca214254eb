//! Files that appear whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;

use crate::error::{Error, Kind, Result, bail};

/// The folder that a file lies in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Creates the folder and proves that a file can be made in it, so that a long run does not end
/// without a place for its result.
///
/// # Errors
/// When the folder cannot be made or written to.
pub fn prepare_folder(folder: &Path) -> Result<()> {
    let refused = |source| Error::io("cannot write into the folder", folder, source);
    if let Some(file) = folder.ancestors().find(|path| path.is_file()) {
        bail!(
            Io,
            "cannot make the folder {}: {} is a file; give --out another place",
            folder.display(),
            file.display()
        );
    }
    fs::create_dir_all(folder).map_err(refused)?;
    tempfile::tempfile_in(folder).map_err(refused)?;
    Ok(())
}

/// As [`prepare_folder`], for the folder of a file that will be written.
///
/// # Errors
/// When the folder cannot be made or written to, or the path is a folder itself.
pub fn prepare_file(path: &Path) -> Result<()> {
    if path.is_dir() {
        let source = std::io::Error::from(std::io::ErrorKind::IsADirectory);
        return Err(Error::io("cannot write", path, source));
    }
    prepare_folder(folder_of(path))
}

/// A file in the making, under another name in the folder of its place.
pub struct Pending {
    file: tempfile::NamedTempFile,
    path: PathBuf,
}

impl Pending {
    /// # Errors
    /// When no file can be made there.
    pub fn create(path: &Path) -> Result<Self> {
        Self::create_in(folder_of(path), path)
    }

    /// As [`Pending::create`], in another folder of the same file system.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn create_in(folder: &Path, path: &Path) -> Result<Self> {
        let file = tempfile::Builder::new()
            .prefix(".percept-")
            .permissions_like_a_new_file()
            .tempfile_in(folder)
            .map_err(|source| Error::io("cannot write", path, source))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// The file to write to.
    pub fn file(&mut self) -> &mut fs::File {
        self.file.as_file_mut()
    }

    /// Moves the finished file to its place, over what was there.
    ///
    /// # Errors
    /// When the system refuses; the old file is then still there.
    pub fn finish(self) -> Result<()> {
        self.sync()?;
        self.place()
    }

    fn sync(&self) -> Result<()> {
        let synced = self.file.as_file().sync_all();
        synced.map_err(|source| Error::io("cannot write", &self.path, source))
    }

    fn place(self) -> Result<()> {
        let Self { file, path } = self;
        file.persist(&path)
            .map_err(|error| Error::io("cannot write", &path, error.error))?;
        Ok(())
    }

    /// Moves the finished file to its place, where nothing may lie yet.
    ///
    /// # Errors
    /// Of the kind `AlreadyExists` when something does, or when the system refuses.
    pub fn finish_new(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist_noclobber(&self.path)?;
        Ok(())
    }
}

/// Files that are open at a time, of the 1,024 that a process may have by default.
const OPEN: usize = 96;

/// Threads that wait for the disk at a time: what many ask for at once a journalling file system puts
/// on disk at once.
const WAITING: usize = 16;

/// Moves finished files to their places, in their order: a few dozen at a time, when all of those are
/// on disk.
///
/// # Errors
/// When a file cannot be made, or the system refuses; those before it may be in their places.
pub fn finish(files: impl IntoIterator<Item = Result<Pending>>) -> Result<()> {
    let mut files = files.into_iter();
    loop {
        let some: Vec<Pending> = files.by_ref().take(OPEN).collect::<Result<_>>()?;
        if some.is_empty() {
            return Ok(());
        }
        sync(&some)?;
        some.into_iter().try_for_each(Pending::place)?;
    }
}

/// Puts files on disk, side by side.
fn sync(files: &[Pending]) -> Result<()> {
    let sync = |files: &[Pending]| files.iter().try_for_each(Pending::sync);
    thread::scope(|scope| {
        let mut waiting = Vec::new();
        for files in files.chunks(files.len().div_ceil(WAITING)) {
            // Where there are no more threads, this one does it.
            match thread::Builder::new().spawn_scoped(scope, move || sync(files)) {
                Ok(thread) => waiting.push(thread),
                Err(_) => sync(files)?,
            }
        }
        waiting.into_iter().try_for_each(|thread| {
            let gone = |_| Error::new(Kind::Internal, "a thread that wrote files is gone");
            thread.join().map_err(gone)?
        })
    })
}

/// Writes a whole file, still under its other name.
///
/// # Errors
/// When the system refuses; nothing is then left behind.
pub fn stage(path: &Path, bytes: &[u8]) -> Result<Pending> {
    stage_in(folder_of(path), path, bytes)
}

/// As [`stage`], in another folder of the same file system.
///
/// # Errors
/// When the system refuses; nothing is then left behind.
pub fn stage_in(folder: &Path, path: &Path, bytes: &[u8]) -> Result<Pending> {
    let mut pending = Pending::create_in(folder, path)?;
    pending
        .file()
        .write_all(bytes)
        .map_err(|source| Error::io("cannot write", path, source))?;
    Ok(pending)
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

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        stage(&path, b"first").unwrap().finish().unwrap();
        stage(&path, b"second").unwrap().finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        drop(Pending::create(&path).unwrap());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_path_below_a_file_is_refused_before_any_work() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = prepare_file(&file.join("a.png")).unwrap_err();
        assert!(error.report().contains("file"), "{}", error.report());
        assert!(prepare_file(folder.path()).is_err());
    }
}
