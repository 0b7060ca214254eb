//! Why a file is no picture that can be read.

use std::fmt;
use std::io;
use std::path::Path;

use super::MOST_PIXELS;
use crate::error::{Error, Kind};

/// The rest of a sentence that begins with the file's name.
#[derive(Debug)]
pub(super) struct Fault(String);

impl Fault {
    pub(super) fn cut() -> Self {
        Self("is cut off: the file ends before its picture does".into())
    }

    pub(super) fn damaged(how: impl fmt::Display) -> Self {
        Self(format!("is damaged: {how}"))
    }

    pub(super) fn unsupported(what: impl fmt::Display) -> Self {
        Self(format!(
            "is coded in a way that cannot be read here: {what}"
        ))
    }

    pub(super) fn foreign() -> Self {
        Self("is no picture that can be read here (PNG, JPEG, WebP, GIF or BMP)".into())
    }

    pub(super) fn empty() -> Self {
        Self("is empty: a picture was expected (PNG, JPEG, WebP, GIF or BMP)".into())
    }

    pub(super) fn no_file(what: &str) -> Self {
        Self(format!("is {what}: give a picture file"))
    }

    pub(super) fn large(width: u64, height: u64) -> Self {
        let most = MOST_PIXELS / 1_000_000;
        Self(format!(
            "has {width}x{height} pixels: at most {most} million can be read, make it smaller"
        ))
    }

    pub(super) fn implausible(width: u64, height: u64, length: u64) -> Self {
        Self(format!(
            "is damaged: it claims {width}x{height} pixels, for which its {length} bytes are too few"
        ))
    }

    pub(super) fn profile(how: impl fmt::Display) -> Self {
        Self(format!(
            "has a colour profile that cannot be used: {how}; without --colour-managed it is ignored"
        ))
    }

    /// The whole sentence.
    pub(super) fn of(self, path: &Path) -> Error {
        Error::new(Kind::Input, format!("{} {}", path.display(), self.0))
    }
}

impl From<image::ImageError> for Fault {
    fn from(source: image::ImageError) -> Self {
        use image::ImageError;
        match source {
            ImageError::IoError(source) => source.into(),
            ImageError::Unsupported(source) => Self::unsupported(source),
            ImageError::Limits(source) => Self::damaged(source),
            ImageError::Decoding(source) => Self::damaged(source),
            source => Self::damaged(source),
        }
    }
}

impl From<jpeg_decoder::Error> for Fault {
    fn from(source: jpeg_decoder::Error) -> Self {
        match source {
            jpeg_decoder::Error::Unsupported(what) => Self::unsupported(format!("{what:?}")),
            source => Self::damaged(source),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => Self::cut(),
            _ => Self(format!("cannot be read: {source}")),
        }
    }
}
