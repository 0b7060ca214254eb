//! The part of a file that is there: it grows, and is hashed as it does.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::cache::{self, Cache};
use super::place::Place;

/// Bytes that are read at once.
pub const CHUNK: usize = 1 << 18;

/// A file that comes, under a name that says so.
pub struct Part {
    etag: String,
    place: Place,
    file: File,
    length: u64,
    hash: Sha256,
    /// The longest that it was.
    best: u64,
    lock: Option<File>,
}

impl Part {
    /// Opens what is there of the file, if its ETag can tell whether that is right; else nothing is kept. Without a
    /// lock no other process finds it until it is closed again.
    pub fn open(cache: &Cache, etag: &str, lock: Option<File>) -> io::Result<Self> {
        let shared = cache.part(etag);
        cache::parent(&shared)?;
        let (place, file) = match lock {
            Some(_) => Place::locked(shared)?,
            None => Place::claimed(shared)?,
        };
        let mut part = Self {
            file,
            place,
            etag: etag.to_owned(),
            length: 0,
            hash: Sha256::new(),
            best: 0,
            lock,
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
        self.file = self.place.renew()?;
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

    /// Whether all of the file is there, as its ETag tells. Without a lock the file itself is asked, and not what this
    /// process wrote to it.
    pub fn is_right(&self) -> io::Result<bool> {
        let is_right = self.is_checked() && hex(self.hash.clone()) == self.etag;
        match is_right && self.lock.is_none() {
            true => Ok(digest(self.place.path())? == self.etag),
            false => Ok(is_right),
        }
    }

    /// Leaves nothing of it.
    pub fn discard(self) {
        // What cannot be removed is in nobody's way.
        let _ = fs::remove_file(self.place.path());
    }

    /// Gives the file its own name, unless another process has done so with the same file.
    pub fn finish(self, blob: &Path) -> io::Result<()> {
        let is_checked = self.is_checked();
        let Self { etag, place, .. } = self;
        place.become_blob(blob).or_else(|error| {
            let is_there = blob.is_file() && (!is_checked || digest(blob)? == etag);
            is_there.then_some(()).ok_or(error)
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_lock_the_file_is_looked_at_and_not_what_was_sent() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), "o/n", true);
        let bytes = b"weights";
        let etag = crate::input::sha256(bytes);
        let mut part = Part::open(&cache, &etag, None).unwrap();
        part.write(bytes).unwrap();
        assert!(part.is_right().unwrap());
        fs::write(part.place.path(), "Weights").unwrap();
        assert!(!part.is_right().unwrap());
    }

    #[test]
    fn who_comes_second_finds_the_same_file_there() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), "o/n", true);
        let etag = crate::input::sha256(b"weights");
        let blob = cache.blob(&etag);
        for (there, is_done) in [("weights", true), ("Weights", false)] {
            let mut part = Part::open(&cache, &etag, None).unwrap();
            part.restart().unwrap();
            part.write(b"weights").unwrap();
            fs::rename(part.place.path(), folder.path().join("elsewhere")).unwrap();
            fs::write(&blob, there).unwrap();
            assert_eq!(part.finish(&blob).is_ok(), is_done);
        }
    }
}
