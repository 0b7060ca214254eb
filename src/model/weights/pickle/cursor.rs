//! A position in the pickle's bytes.

use crate::Result;
use crate::error::bail;

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((taken, _)) = self.bytes[self.at..].split_at_checked(count) else {
            bail!(Weights, "it ends in the middle of a value");
        };
        self.at += count;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Text of `length` bytes.
    pub fn text(&mut self, length: u32) -> Result<&'a str> {
        utf8(self.take(length as usize)?)
    }

    /// Text up to the next line feed, which is taken too.
    pub fn line(&mut self) -> Result<&'a str> {
        let Some(length) = self.bytes[self.at..].iter().position(|&byte| byte == b'\n') else {
            bail!(Weights, "it ends in the middle of a name");
        };
        let line = utf8(self.take(length)?)?;
        self.at += 1;
        Ok(line)
    }
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => bail!(Weights, "it has a text that is not UTF-8"),
    }
}
