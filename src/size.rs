//! The size of a canvas.

use std::fmt;
use std::str::FromStr;

use candle_core::Tensor;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result, bail, shorten};

/// Height and width in pixels. Spelled `128` where it is a square, else `WIDTHxHEIGHT`; as JSON a number where it is a
/// square, else a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Size {
    /// `side x side` pixels.
    pub const fn square(side: usize) -> Self {
        Self {
            height: side,
            width: side,
        }
    }

    /// Of planes `(n, channels, height, width)`.
    ///
    /// # Errors
    /// When it is a tensor of another shape.
    pub fn of(planes: &Tensor) -> Result<Self> {
        let (_, _, height, width) = planes.dims4()?;
        Ok(Self { height, width })
    }

    /// How many pixels there are.
    pub const fn pixels(self) -> usize {
        self.height * self.width
    }

    /// The longer side.
    pub fn longest(self) -> usize {
        self.height.max(self.width)
    }

    /// Whether height and width are the same.
    pub const fn is_square(self) -> bool {
        self.height == self.width
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_square() {
            true => self.width.fmt(f),
            false => write!(f, "{}x{}", self.width, self.height),
        }
    }
}

impl FromStr for Size {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let sides = match text.split_once('x') {
            Some((width, height)) => (width.parse(), height.parse()),
            None => (text.parse(), text.parse()),
        };
        match sides {
            (Ok(width), Ok(height)) => Ok(Self { height, width }),
            _ => bail!(
                Request,
                "\"{}\" is no size in pixels: give a square's side, such as 128, or WIDTHxHEIGHT, such as 320x96",
                shorten(text)
            ),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.is_square() {
            true => self.width.serialize(serializer),
            false => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrText)
    }
}

struct NumberOrText;

impl Visitor<'_> for NumberOrText {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a square's side in pixels or \"WIDTHxHEIGHT\"")
    }

    fn visit_u64<E: de::Error>(self, side: u64) -> Result<Size, E> {
        match usize::try_from(side) {
            Ok(side) => Ok(Size::square(side)),
            Err(_) => Err(E::invalid_value(de::Unexpected::Unsigned(side), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_is_a_number_and_another_rectangle_says_its_width_first() {
        let wide = Size {
            height: 96,
            width: 320,
        };
        for (size, text, json) in [
            (Size::square(128), "128", "128"),
            (wide, "320x96", "\"320x96\""),
        ] {
            assert_eq!(size.to_string(), text);
            assert_eq!(text.parse::<Size>().unwrap(), size);
            assert_eq!(serde_json::to_string(&size).unwrap(), json);
            assert_eq!(serde_json::from_str::<Size>(json).unwrap(), size);
        }
        assert_eq!("64x64".parse::<Size>().unwrap(), Size::square(64));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "x", "64x", "x64", "64x64x3", "-3", "64 x 64", "1e3"] {
            let message = text.parse::<Size>().unwrap_err().to_string();
            assert!(message.contains("320x96"), "{text}: {message}");
        }
        for json in ["-1", "1.5", "null", "[64, 64]", "\"wide\""] {
            assert!(serde_json::from_str::<Size>(json).is_err(), "{json}");
        }
    }
}
