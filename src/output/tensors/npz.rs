//! NumPy's archive: a ZIP of `.npy` files, uncompressed.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Array, Content, Copy};
use crate::output::own::MEMBER;

pub(super) fn write(
    file: &mut File,
    parts: &[(Array, Content)],
    notes: &str,
    copy: Copy,
) -> io::Result<()> {
    let mut patient = Patient::new(BufWriter::with_capacity(1 << 16, file));
    let written = archive(&mut patient, parts, notes, copy);
    patient.flush()?;
    match patient.failed {
        Some(failed) => Err(failed),
        None => written,
    }
}

fn archive(
    out: impl Write + Seek,
    parts: &[(Array, Content)],
    notes: &str,
    copy: Copy,
) -> io::Result<()> {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut archive = ZipWriter::new(out);
    archive.start_file(MEMBER, stored)?;
    archive.write_all(notes.as_bytes())?;
    for (array, content) in parts {
        let head = header(&array.shape);
        let is_large = (array.bytes() + head.len()) as u64 >= u64::from(u32::MAX);
        archive.start_file(format!("{}.npy", array.name), stored.large_file(is_large))?;
        archive.write_all(&head)?;
        copy(content, &mut archive)?;
    }
    archive.finish()?;
    Ok(())
}

/// What begins an `.npy` file of this shape: its length is a multiple of 64.
fn header(shape: &[usize]) -> Vec<u8> {
    let shape = match shape {
        [length] => format!("{length},"),
        _ => shape
            .iter()
            .map(usize::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    };
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{text:<width$}\n", width = length - 1).as_bytes());
    bytes
}

/// A file that keeps its first failure and seems to take everything after it: a `ZipWriter` that
/// cannot write complains on standard error when it is dropped.
struct Patient<W> {
    inner: W,
    /// Where the next byte goes, and the length so far.
    at: u64,
    end: u64,
    failed: Option<io::Error>,
}

impl<W> Patient<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            at: 0,
            end: 0,
            failed: None,
        }
    }

    fn attempt<T>(&mut self, work: impl FnOnce(&mut W) -> io::Result<T>) -> Option<T> {
        if self.failed.is_some() {
            return None;
        }
        work(&mut self.inner)
            .map_err(|error| self.failed = Some(error))
            .ok()
    }
}

impl<W: Write> Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.attempt(|inner| inner.write(bytes));
        let written = written.unwrap_or(bytes.len());
        self.at += written as u64;
        self.end = self.end.max(self.at);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt(W::flush);
        Ok(())
    }
}

impl<W: Seek> Seek for Patient<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(distance) => self.at.checked_add_signed(distance),
            SeekFrom::End(distance) => self.end.checked_add_signed(distance),
        };
        self.at = place.ok_or(io::ErrorKind::InvalidInput)?;
        let place = self.at;
        self.attempt(|inner| inner.seek(SeekFrom::Start(place)));
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_what_numpy_reads() {
        for (shape, text) in [
            (&[][..], "()"),
            (&[3], "(3,)"),
            (&[2, 3, 64, 64], "(2, 3, 64, 64)"),
        ] {
            let bytes = header(shape);
            assert_eq!(bytes.len() % 64, 0);
            assert_eq!(bytes.last(), Some(&b'\n'));
            assert!(String::from_utf8_lossy(&bytes).contains(text), "{text}");
        }
    }

    /// A disk with room for so many bytes.
    struct Full(usize, io::Cursor<Vec<u8>>);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.0.checked_sub(bytes.len()) {
                Some(room) => self.0 = room,
                None => return Err(io::ErrorKind::StorageFull.into()),
            }
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Full {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.1.seek(to)
        }
    }

    #[test]
    fn the_first_failure_is_kept_and_the_archive_closed_in_peace() {
        let array = Array {
            name: "a".into(),
            shape: vec![1000],
        };
        let parts = [(array, Content::Whole(vec![7; 4000]))];
        for room in [0, 10, 100, 1000, 4100] {
            let disk = Full(room, io::Cursor::default());
            let mut patient = Patient::new(disk);
            let mut copy = |content: &Content, out: &mut dyn Write| match content {
                Content::Whole(bytes) => out.write_all(bytes),
                Content::Rows(_) => Ok(()),
            };
            archive(&mut patient, &parts, "{}", &mut copy).unwrap();
            let failed = patient.failed.unwrap();
            assert_eq!(failed.kind(), io::ErrorKind::StorageFull, "{room}");
        }
    }
}
