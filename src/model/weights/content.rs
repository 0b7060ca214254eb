//! What a file is, by its first bytes: names lie, and downloads go wrong.

use crate::Result;
use crate::error::bail;

/// The two containers that weights come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// A zip archive, as PyTorch writes since version 1.6.
    Archive,
    Safetensors,
}

/// Beginnings of files that people pass by mistake, and what to say about them.
const FOREIGN: [(&[u8], &str); 14] = [
    (b"\xff\xd8\xff", "it is a JPEG picture"),
    (b"\x89PNG", "it is a PNG picture"),
    (b"GIF8", "it is a GIF picture"),
    (b"RIFF", "it is a WebP picture or a sound"),
    (b"%PDF", "it is a PDF document"),
    (b"\x1f\x8b", "it is compressed with gzip: unpack it first"),
    (b"\x93NUMPY", "it is a NumPy array"),
    (
        b"\x89HDF",
        "it is an HDF5 file, as TensorFlow writes: percept reads the PyTorch weights",
    ),
    (
        b"GGUF",
        "it is a GGUF file: percept reads the PyTorch weights",
    ),
    (
        b"<",
        "it is a web page: the download went to a page about the file, not to the file",
    ),
    (
        b"{",
        "it is JSON text: give the folder that it lies in, or the weight file beside it",
    ),
    (
        b"version https://git-lfs",
        "it is a pointer to a file that git did not fetch: run git lfs pull",
    ),
    (b"PK\x05\x06", "it is an empty zip archive"),
    (
        b"\x80",
        "it is a bare pickle, as PyTorch wrote before version 1.6: save it again with a current \
         PyTorch, torch.save(torch.load(old), new)",
    ),
];

/// Recognises a weight file; the error for any other says what the file is.
pub(super) fn recognise(bytes: &[u8]) -> Result<Container> {
    if bytes.is_empty() {
        bail!(Weights, "it is empty: probably the download did not start");
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return Ok(Container::Archive);
    }
    let text = bytes.trim_ascii_start();
    let foreign = FOREIGN
        .iter()
        .find(|(start, _)| bytes.starts_with(start) || text.starts_with(start));
    // A safetensors file begins with its header's length, whose low byte can be anything.
    let is_safetensors = bytes.get(8) == Some(&b'{');
    match foreign {
        _ if is_safetensors => Ok(Container::Safetensors),
        Some((_, what)) => bail!(Weights, "{what}"),
        None => bail!(
            Weights,
            "it is neither a PyTorch archive nor a safetensors file (it begins with the bytes \
             {:02x?})",
            &bytes[..bytes.len().min(8)]
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight_files_are_recognised() {
        assert_eq!(recognise(b"PK\x03\x04rest").unwrap(), Container::Archive);
        for low in [b'<', b'{', 0x80, 0xff] {
            let bytes = [low, 1, 0, 0, 0, 0, 0, 0, b'{', b'}'];
            assert_eq!(recognise(&bytes).unwrap(), Container::Safetensors);
        }
    }

    #[test]
    fn other_files_are_called_by_their_name() {
        for (bytes, says) in [
            (&b""[..], "empty"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG"),
            (b"\n\n<!DOCTYPE html><html>", "web page"),
            (
                b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
                "before version 1.6",
            ),
            (
                b"version https://git-lfs.github.com/spec/v1\n",
                "git lfs pull",
            ),
            (b"{\"architectures\": []}", "JSON"),
            (b"\0\0\0", "neither"),
            (b"      {", "JSON"),
        ] {
            let report = recognise(bytes).unwrap_err().report();
            assert!(report.contains(says), "{report}");
        }
    }
}
