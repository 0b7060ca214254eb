//! Files that appear whole or not at all.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;

use super::{own, temporary};
use crate::error::{Error, Kind, Result, bail};

/// Bytes without which no picture can be written.
const ROOM: usize = 4096;

/// The folder that a file lies in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Whether an error says that nothing lies at a path.
pub fn is_missing(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Creates the folder, removes from it what runs that were killed have left half written, and proves that a
/// file can be made in it, so that a long run does not end without a place for its result.
///
/// # Errors
/// When the folder cannot be made or written to, or there is no room in it.
pub fn prepare_folder(folder: &Path) -> Result<()> {
    let refused = |source| Error::io("cannot write into the folder", folder, source);
    if let Some((other, kind)) = folder
        .ancestors()
        .find_map(|path| Some((path, no_folder(path)?)))
    {
        bail!(
            Io,
            "cannot make the folder {}: {} is {kind}; give --out another place",
            folder.display(),
            other.display()
        );
    }
    fs::create_dir_all(folder).map_err(refused)?;
    temporary::sweep(folder);
    let probe = temporary::create(folder).map_err(refused)?;
    let written = probe.as_file().write_all(&[0; ROOM]);
    written
        .and_then(|()| probe.as_file().sync_all())
        .map_err(refused)
}

/// What lies at a path, where it is something else than a folder.
fn no_folder(path: &Path) -> Option<&'static str> {
    let found = path.symlink_metadata().ok()?;
    match path.metadata() {
        Ok(led_to) if led_to.is_dir() => None,
        Ok(led_to) if led_to.is_file() => Some("a file"),
        Err(_) if found.is_symlink() => Some("a link that leads nowhere"),
        _ => Some("a pipe or a device"),
    }
}

/// As [`prepare_folder`], for the folder of a file that will be written.
///
/// # Errors
/// As [`prepare_files`].
pub fn prepare_file(path: &Path) -> Result<()> {
    prepare_files(&[path])
}

/// As [`prepare_folder`], for the folders of files that will be written.
///
/// # Errors
/// When a folder cannot be made or written to, a name is too long, or something lies in the place of a file that
/// percept did not write.
pub fn prepare_files(paths: &[impl AsRef<Path>]) -> Result<()> {
    let paths = || paths.iter().map(AsRef::as_ref);
    paths().try_for_each(own::check_replaceable)?;
    let folders: BTreeSet<&Path> = paths().map(folder_of).collect();
    folders.into_iter().try_for_each(prepare_folder)?;
    // A name can be looked up only where its folder is.
    paths().try_for_each(own::check_name)
}

/// A file without a name in the folder of another, to keep what is not finished; the system removes
/// it when it is closed, however the process ends.
///
/// # Errors
/// When no file can be made there.
pub fn nameless_beside(path: &Path) -> Result<fs::File> {
    tempfile::tempfile_in(folder_of(path)).map_err(|source| Error::io("cannot write", path, source))
}

/// A file in the making, under another name in the folder of its place.
pub struct Pending {
    file: tempfile::NamedTempFile,
    path: PathBuf,
    replaces_any: bool,
}

impl Pending {
    /// For a place where only a file that percept wrote may be replaced ([`own::check_replaceable`]).
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn create(path: &Path) -> Result<Self> {
        let pending = Self::create_in(folder_of(path), path)?;
        Ok(Self {
            replaces_any: false,
            ..pending
        })
    }

    /// As [`Pending::create`], in another folder of the same file system, and for a place of which the caller
    /// knows that its file may be replaced.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn create_in(folder: &Path, path: &Path) -> Result<Self> {
        let file = temporary::create(folder);
        Ok(Self {
            file: file.map_err(|source| Error::io("cannot write", path, source))?,
            path: path.to_owned(),
            replaces_any: true,
        })
    }

    fn holding(mut self, bytes: &[u8]) -> Result<Self> {
        let written = self.file().write_all(bytes);
        written.map_err(|source| Error::io("cannot write", &self.path, source))?;
        Ok(self)
    }

    /// The file to write to.
    pub fn file(&mut self) -> &mut fs::File {
        self.file.as_file_mut()
    }

    /// Moves the finished file to its place, over what was there.
    ///
    /// # Errors
    /// When the system refuses, or the file there may not be replaced; it is then still there.
    pub fn finish(self) -> Result<()> {
        self.sync()?;
        self.check_place()?;
        self.place()
    }

    fn check_place(&self) -> Result<()> {
        match self.replaces_any {
            true => Ok(()),
            false => own::check_replaceable(&self.path),
        }
    }

    fn sync(&self) -> Result<()> {
        let synced = self.file.as_file().sync_all();
        synced.map_err(|source| Error::io("cannot write", &self.path, source))
    }

    fn place(self) -> Result<()> {
        let Self { file, path, .. } = self;
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
/// When a file cannot be made, the system refuses, or what lies in a place may not be replaced; those before it
/// may be in their places.
pub fn finish(files: impl IntoIterator<Item = Result<Pending>>) -> Result<()> {
    let mut files = files.into_iter();
    loop {
        let some: Vec<Pending> = files.by_ref().take(OPEN).collect::<Result<_>>()?;
        if some.is_empty() {
            return Ok(());
        }
        sync(&some)?;
        some.iter().try_for_each(Pending::check_place)?;
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
    Pending::create(path)?.holding(bytes)
}

/// As [`stage`], in another folder of the same file system, and for a place of which the caller knows that its
/// file may be replaced.
///
/// # Errors
/// When the system refuses; nothing is then left behind.
pub fn stage_in(folder: &Path, path: &Path, bytes: &[u8]) -> Result<Pending> {
    Pending::create_in(folder, path)?.holding(bytes)
}

/// The names in a folder, sorted.
#[cfg(test)]
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::picture;
    use candle_core::{Device, Tensor};

    fn png(value: f32) -> Vec<u8> {
        let image = Tensor::full(value, (1, 3, 2, 2), &Device::Cpu).unwrap();
        picture::encode(&image, 1, "{}").unwrap()
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        stage(&path, &png(0.0)).unwrap().finish().unwrap();
        stage(&path, &png(1.0)).unwrap().finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), png(1.0));
        drop(Pending::create(&path).unwrap());
        assert_eq!(names(folder.path()), ["a.png"]);
    }

    #[test]
    fn a_file_that_came_meanwhile_is_not_replaced_and_none_of_the_others_is() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a.png", "b.png"].map(|name| folder.path().join(name));
        let staged: Vec<_> = paths.iter().map(|path| stage(path, &png(1.0))).collect();
        fs::write(&paths[1], "mine").unwrap();
        assert!(finish(staged).unwrap_err().report().contains("b.png"));
        assert_eq!(names(folder.path()), ["b.png"]);
        assert_eq!(fs::read(&paths[1]).unwrap(), b"mine");
        stage_in(folder.path(), &paths[1], b"ours")
            .unwrap()
            .finish()
            .unwrap();
        assert_eq!(fs::read(&paths[1]).unwrap(), b"ours");
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
