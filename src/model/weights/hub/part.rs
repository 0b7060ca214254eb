//! The part of a file that is there: it grows, and is hashed as it does.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::cache::{self, Cache};

/// Bytes that are read at once.
pub const CHUNK: usize = 1 << 18;

/// A file that comes, under a name that says so.
pub struct Part {
    etag: String,
    path: PathBuf,
    file: File,
    length: u64,
    hash: Sha256,
    /// The longest that it was.
    best: u64,
    _lock: Option<File>,
}

impl Part {
    /// Opens what is there of the file, if its ETag can tell whether that is right; else nothing is kept.
    pub fn open(cache: &Cache, etag: &str, lock: Option<File>) -> io::Result<Self> {
        let path = cache.part(etag);
        cache::parent(&path)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut part = Self {
            file: options.open(&path)?,
            etag: etag.to_owned(),
            path,
            length: 0,
            hash: Sha256::new(),
            best: 0,
            _lock: lock,
        };
        match part.is_checked() {
            true => part.length = feed(&mut part.file, &mut part.hash)?,
            false => part.restart()?,
        }
        part.best = part.length;
        Ok(part)
    }

    /// Whether the ETag is the SHA-256 of the file.
    pub fn is_checked(&self) -> bool {
        cache::is_sha256(&self.etag)
    }

    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// Bytes that are there.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether it has grown by so much since it was asked last and said yes.
    pub fn has_grown(&mut self, by: u64) -> bool {
        let has = self.length >= self.best + by;
        if has {
            self.best = self.length;
        }
        has
    }

    /// Throws away what is there.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.length = 0;
        self.hash = Sha256::new();
        Ok(())
    }

    /// Adds bytes at the end.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// The SHA-256 of what is there.
    pub fn digest(&self) -> String {
        hex(self.hash.clone())
    }

    /// Gives the file its own name.
    pub fn finish(self, blob: &Path) -> io::Result<()> {
        drop(self.file);
        fs::rename(&self.path, blob)
    }
}

/// The SHA-256 of a file, which need not fit into memory.
pub fn digest(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    feed(&mut File::open(path)?, &mut hash)?;
    Ok(hex(hash))
}

fn feed(file: &mut File, hash: &mut Sha256) -> io::Result<u64> {
    let mut buffer = vec![0; CHUNK];
    let mut length = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(length),
            read => {
                hash.update(&buffer[..read]);
                length += read as u64;
            }
        }
    }
}

fn hex(hash: Sha256) -> String {
    let bytes = hash.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
