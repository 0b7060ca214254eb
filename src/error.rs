//! The one error type of the library.

mod nearest;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of thing went wrong: what a caller can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The request cannot be met: an unknown tap, a unit out of range, a size that does not fit.
    Request,
    /// A weight file is truncated, foreign, misshapen or not the one that was asked for.
    Weights,
    /// A picture, tensor file, recipe or sidecar cannot be used.
    Input,
    /// The operating system refused: no such file, no permission, a full disk.
    Io,
    /// The hub cannot be reached, or does not have the file.
    Network,
    /// A number became infinite or undefined, or a gradient vanished.
    Numeric,
    /// A device is missing, unfit, out of memory, or failed.
    Device,
    /// The user stopped the run.
    Interrupted,
    /// An operation of the tensor library failed: a defect in percept.
    Internal,
}

/// An error with its cause: `{}` prints one line, [`Error::report`] the whole chain.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync + 'static>>,
}

impl Error {
    /// An error without a cause. The message says what was found and what to do instead.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Attaches the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Wraps the error in a line that says what was being done; the kind stays.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        Self {
            kind: self.kind,
            message: message.into(),
            source: Some(Box::new(self)),
        }
    }

    /// What sort of error this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The message and every cause below it, joined by `: `; a cause that the line above it
    /// already quotes is left out. One line, whatever it quotes.
    pub fn report(&self) -> String {
        let mut text = self.message.clone();
        let mut last = text.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let line = error.to_string();
            if !last.contains(&line) {
                text.push_str(": ");
                text.push_str(&line);
            }
            last = line;
            cause = error.source();
        }
        printable(&text).into_owned()
    }

    /// An I/O error at `path`, with what was being attempted: "cannot read", "cannot write".
    pub(crate) fn io(attempt: &str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::new(Kind::Io, format!("{attempt} {}", path.display())).caused_by(source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

impl From<candle_core::Error> for Error {
    fn from(source: candle_core::Error) -> Self {
        let source = without_backtrace(source);
        Self::new(Kind::Internal, "a tensor operation failed").caused_by(source)
    }
}

/// The longest piece of the user's own text that an error repeats.
const LONGEST_QUOTE: usize = 80;

/// The text, cut where it would drown the message.
pub(crate) fn shorten(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}

/// The text with every character escaped that does something to a terminal or to the text around it: control
/// characters, line breaks among them, and those that turn the direction of writing.
pub fn printable(text: &str) -> Cow<'_, str> {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(acts) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match acts(c) {
            true => escaped.extend(c.escape_default()),
            false => escaped.push(c),
        }
    }
    escaped.into()
}

/// The error itself: with `RUST_BACKTRACE=1` candle wraps it in a stack trace, which is no part of
/// a message.
pub(crate) fn without_backtrace(error: candle_core::Error) -> candle_core::Error {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => *inner,
        other => other,
    }
}

/// Adds a line of context to the error of a [`Result`].
pub(crate) trait Context<T> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.into().context(message()))
    }
}

/// Returns early with an [`Error`] of the given [`Kind`].
macro_rules! bail {
    ($kind:ident, $($message:tt)*) => {
        return Err($crate::Error::new($crate::error::Kind::$kind, format!($($message)*)))
    };
}
pub(crate) use bail;
pub(crate) use nearest::{alike, did_you_mean};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_prints_each_cause_once() {
        let inner = Error::new(Kind::Io, "no space left");
        let outer = Error::new(Kind::Io, "cannot write a.png: no space left").caused_by(inner);
        let error = outer.context("rendering unit 3");
        assert_eq!(
            error.report(),
            "rendering unit 3: cannot write a.png: no space left"
        );
        assert_eq!(error.kind(), Kind::Io);
    }

    #[test]
    fn what_would_act_on_a_terminal_is_escaped() {
        let name = "a\u{1b}[2Jb\r\n\t\u{9b}c\u{202e}d\u{7f}";
        let escaped = r"a\u{1b}[2Jb\r\n\t\u{9b}c\u{202e}d\u{7f}";
        assert_eq!(printable(name), escaped);
        assert_eq!(printable(escaped), escaped);
        assert_eq!(printable("größe 大 \\"), "größe 大 \\");
        let error = Error::new(Kind::Io, format!("cannot read {name}"));
        assert_eq!(error.report(), format!("cannot read {escaped}"));
    }
}
