//! The secret that shows the hub who asks.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::Result;
use crate::error::bail;

/// Bytes of a token's file that are looked at; tokens have 37 characters.
const MAX_FILE: u64 = 1 << 16;

/// A token of the hub. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    /// The variable or file that it was found in.
    pub from: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token in {}", self.from)
    }
}

impl Token {
    /// The token in `HF_TOKEN`, in `HUGGING_FACE_HUB_TOKEN` where the first is empty, or in the file. A file that
    /// cannot be read holds none: most models need none.
    pub fn find(variable: &dyn Fn(&str) -> Option<String>, file: &Path) -> Option<Self> {
        let told = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]
            .into_iter()
            .find_map(|name| Some((name, variable(name).filter(|value| !value.is_empty())?)));
        let told = told.and_then(|(name, value)| Some((name.to_owned(), clean(&value)?)));
        let found = told.or_else(|| Some((file.display().to_string(), clean(&read(file)?)?)));
        let (from, text) = found?;
        Some(Self { text, from })
    }

    /// # Errors
    /// When it has characters that no token has.
    pub fn check(&self) -> Result<()> {
        if !self.text.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!(
                Request,
                "the token in {} has characters that no token has: put the token alone there, as \
                 https://huggingface.co/settings/tokens shows it",
                self.from
            );
        }
        Ok(())
    }

    /// The value of the header that shows it.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.text)
    }
}

fn read(file: &Path) -> Option<String> {
    let mut text = String::new();
    let file = File::open(file).ok()?;
    file.take(MAX_FILE).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The text without line breaks and the space around it; none where nothing is left.
fn clean(text: &str) -> Option<String> {
    let text = text.replace(['\r', '\n'], "");
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
