//! What percept may replace: nothing but its own files, which say so themselves.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use serde::Deserialize;
use zip::ZipArchive;

use super::file::is_missing;
use super::{picture, sidecar};
use crate::error::{Error, Kind, Result, bail};

/// What an output of `encode` is known by: a key of a safetensors file's metadata.
pub const KEY: &str = "percept";

/// What an output of `encode` is known by: a member of an `.npz`.
pub const MEMBER: &str = "percept.json";

/// The longest header that a safetensors file may have.
const LONGEST_HEADER: u64 = 100_000_000;

/// Whether percept may write a file in this place: nothing lies there yet, or a file that percept wrote: a PNG
/// that carries its recipe, a sidecar, an `.npz` or `.safetensors` with the key [`MEMBER`] or [`KEY`].
///
/// # Errors
/// When anything else lies there, a link too; or when there can be no file of this name.
pub fn check_replaceable(path: &Path) -> Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(source) if is_missing(source.kind()) => return Ok(()),
        Err(source) if source.kind() == ErrorKind::InvalidFilename => {
            return Err(too_long(path, source));
        }
        Err(source) => return Err(Error::io("cannot write", path, source)),
    };
    let kind = path
        .metadata()
        .map_or(found.file_type(), |led_to| led_to.file_type());
    if kind.is_dir() {
        let source = std::io::Error::from(ErrorKind::IsADirectory);
        return Err(Error::io("cannot write", path, source));
    }
    let why = if !kind.is_file() && !kind.is_symlink() {
        "is a pipe or a device, and percept writes whole files"
    } else if found.is_symlink() {
        "is a link, and percept replaces none"
    } else if !is_own(path) {
        "is there already, and percept did not write it"
    } else {
        return Ok(());
    };
    bail!(
        Request,
        "{} {why}: move it away, or give --out another name",
        path.display()
    )
}

/// Whether there can be a file of this name.
///
/// # Errors
/// When its name or path is longer than the system allows.
pub fn check_name(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(source) if source.kind() == ErrorKind::InvalidFilename => Err(too_long(path, source)),
        _ => Ok(()),
    }
}

fn too_long(path: &Path, source: std::io::Error) -> Error {
    let message = format!(
        "{} is too long a name for its file system: give --out a shorter one",
        path.display()
    );
    Error::new(Kind::Request, message).caused_by(source)
}

/// Whether percept wrote the file. One that cannot be read is somebody else's.
fn is_own(path: &Path) -> bool {
    let Ok(file) = File::open(path).map(BufReader::new) else {
        return false;
    };
    let ending = path.extension().and_then(|ending| ending.to_str());
    match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("png") => picture::carries_recipe(file),
        Some("json") => sidecar::is_sidecar(file),
        Some("npz") => {
            ZipArchive::new(file).is_ok_and(|archive| archive.index_for_name(MEMBER).is_some())
        }
        Some("safetensors") => metadata(file).is_some_and(|keys| keys.contains_key(KEY)),
        _ => false,
    }
}

/// A safetensors file's metadata.
fn metadata(mut file: impl Read) -> Option<HashMap<String, String>> {
    #[derive(Deserialize)]
    struct Header {
        #[serde(rename = "__metadata__")]
        metadata: HashMap<String, String>,
    }

    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER {
        return None;
    }
    let header: Header = serde_json::from_reader(file.take(length)).ok()?;
    Some(header.metadata)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;
    use candle_core::{Device, Tensor};

    fn is_refused(folder: &Path, name: &str, bytes: &[u8]) -> bool {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        match check_replaceable(&path) {
            Ok(()) => false,
            Err(error) => {
                let said = error.report();
                assert!(said.contains("percept did not write it"), "{said}");
                assert!(said.contains("--out"), "{said}");
                true
            }
        }
    }

    fn npz(members: &[&str]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for &member in members {
            let options = zip::write::SimpleFileOptions::default();
            archive.start_file(member, options).unwrap();
            archive.write_all(b"{}").unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    fn tensors(key: &str) -> Vec<u8> {
        let tensor = Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).unwrap();
        let metadata = HashMap::from([(key.to_owned(), String::new())]);
        safetensors::serialize([("a", tensor)], Some(metadata)).unwrap()
    }

    #[test]
    fn files_that_percept_wrote_are_known_by_what_they_hold() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let grey = Tensor::full(0.5f32, (1, 3, 4, 4), &Device::Cpu).unwrap();
        let own = picture::encode(&grey, 1, "{}").unwrap();
        let mut foreign = Cursor::new(Vec::new());
        let image = image::RgbImage::new(4, 4);
        image
            .write_to(&mut foreign, image::ImageFormat::Png)
            .unwrap();
        assert!(!is_refused(folder, "a.png", &own));
        assert!(!is_refused(folder, "a.PNG", &own));
        assert!(is_refused(folder, "b.png", foreign.get_ref()));
        assert!(is_refused(folder, "a.webp", &own));
        assert!(!is_refused(folder, "a.npz", &npz(&["input.npy", MEMBER])));
        assert!(is_refused(folder, "b.npz", &npz(&["input.npy"])));
        assert!(!is_refused(folder, "a.safetensors", &tensors(KEY)));
        assert!(is_refused(folder, "b.safetensors", &tensors("format")));
        assert!(is_refused(
            folder,
            "package.json",
            b"{\"name\": \"web\", \"percept\": 1}"
        ));
        for ending in ["png", "json", "npz", "safetensors", "txt"] {
            for bytes in [&b""[..], b"text", &[0xff; 64]] {
                assert!(
                    is_refused(folder, &format!("c.{ending}"), bytes),
                    "{ending}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_there_may_be_written_unless_its_name_is_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        check_replaceable(&path("a.png")).unwrap();
        check_replaceable(&path("no/folder/a.png")).unwrap();
        check_name(&path("a.png")).unwrap();
        let long = path(&format!("{}.png", "x".repeat(300)));
        for error in [check_replaceable(&long), check_name(&long)] {
            assert!(error.unwrap_err().report().contains("too long"));
        }
    }
}
