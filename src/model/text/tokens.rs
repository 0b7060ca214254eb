//! From a text to the numbers of its tokens.

use std::sync::LazyLock;

use instant_clip_tokenizer::{Token, Tokenizer};
use regex::Regex;

use super::clean;
use crate::error::{Error, Kind, Result, bail, shorten};
use crate::model::weights::Format;

/// Entries of the vocabulary that OpenAI published and every later CLIP took over.
const FULL_VOCABULARY: usize = 49408;

/// The first merges of that vocabulary, for the embedded model, which was trained with a part of it.
const FIRST_MERGES: &str = include_str!("../mini/merges.txt");

/// Tokens that are no merges: each byte, each byte at the end of a word, the two markers.
const BASE_TOKENS: usize = 2 * 256 + 2;

/// Bytes of the longest token of the vocabulary.
const LONGEST_TOKEN: usize = 32;

/// How much longer a text may be than its longest tokens: tokens of that length are rare, and what was misread
/// twice has 4 to 6 bytes for one.
const LONGEST_SPELLING: usize = 8;

static FULL: LazyLock<Option<Tokenizer>> = LazyLock::new(|| Some(Tokenizer::new()));

static FIRST: LazyLock<Option<Tokenizer>> = LazyLock::new(|| {
    let size = u16::try_from(BASE_TOKENS + first_merges()).ok()?;
    Tokenizer::with_vocabulary(FIRST_MERGES.as_bytes(), size).ok()
});

/// The first line is a title.
fn first_merges() -> usize {
    FIRST_MERGES.lines().count() - 1
}

/// Whose tokenizer a model is read with: they clean texts differently, and differ in what marks begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    OpenAi,
    OpenClip,
    HuggingFace,
}

impl Dialect {
    /// The tokenizer of the program that reads this format.
    fn of(format: Format) -> Self {
        match format {
            Format::TorchScript => Self::OpenAi,
            Format::HuggingFace => Self::HuggingFace,
            Format::Embedded
            | Format::StateDict
            | Format::OpenClipCheckpoint
            | Format::Safetensors => Self::OpenClip,
        }
    }

    /// What stands for the markers in a text.
    fn markers(self) -> [&'static str; 2] {
        match self {
            Self::OpenAi | Self::HuggingFace => ["<|startoftext|>", "<|endoftext|>"],
            Self::OpenClip => ["<start_of_text>", "<end_of_text>"],
        }
    }
}

/// Words: markers, contractions, runs of letters, single digits, runs of anything else but white space
/// (OpenAI's `simple_tokenizer.py`; open_clip and transformers have the same). Texts are in small letters by then; to the
/// patterns of OpenAI and open_clip, which ignore case, the long s is still an S.
static WORDS: LazyLock<[Option<Regex>; 3]> = LazyLock::new(|| {
    [Dialect::OpenAi, Dialect::OpenClip, Dialect::HuggingFace].map(|dialect| {
        let markers = dialect.markers().map(regex::escape).join("|");
        let words = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+";
        let words = match dialect {
            Dialect::OpenAi | Dialect::OpenClip => format!("{LONG_S}|{words}"),
            Dialect::HuggingFace => words.to_owned(),
        };
        Regex::new(&format!("{markers}|{words}")).ok()
    })
});

/// An apostrophe and a long s.
const LONG_S: &str = "'\u{17f}";

/// A model's tokenizer.
pub struct Tokens {
    vocabulary: &'static LazyLock<Option<Tokenizer>>,
    dialect: Dialect,
}

impl Tokens {
    /// The tokenizer of a model of this format with a vocabulary of this size.
    ///
    /// # Errors
    /// The reason why percept has none.
    pub fn new(format: Format, vocabulary: usize) -> std::result::Result<Self, String> {
        let (known, size) = match format {
            Format::Embedded => (&FIRST, BASE_TOKENS + first_merges()),
            _ => (&FULL, FULL_VOCABULARY),
        };
        if vocabulary != size {
            return Err(format!(
                "its vocabulary has {vocabulary} entries, and percept has the tokenizer of OpenAI's {size}"
            ));
        }
        Ok(Self {
            vocabulary: known,
            dialect: Dialect::of(format),
        })
    }

    /// The tokens of a text between the two markers.
    ///
    /// # Errors
    /// When there are more than `context`.
    pub fn encode(&self, text: &str, context: usize) -> Result<Vec<i64>> {
        let (Some(vocabulary), Some(words)) = (&**self.vocabulary, &WORDS[self.dialect as usize])
        else {
            bail!(Internal, "the embedded vocabulary is damaged");
        };
        let cutter = Cutter {
            vocabulary,
            words,
            markers: self.dialect.markers(),
        };
        let most = context * LONGEST_TOKEN * LONGEST_SPELLING;
        check_length(text, letters(text), most, context)?;
        let mut tokens = vec![vocabulary.start_of_text()];
        match self.dialect {
            Dialect::OpenAi | Dialect::OpenClip => {
                let clean = clean::openai(text);
                check_length(text, letters(&clean), context * LONGEST_TOKEN, context)?;
                cutter.push_words(&clean, &mut tokens);
            }
            Dialect::HuggingFace => {
                check_length(text, letters(text), context * LONGEST_TOKEN, context)?;
                cutter.push_parts(text, &mut tokens);
            }
        }
        tokens.push(vocabulary.end_of_text());
        if tokens.len() > context {
            let count = format!("{} tokens with its two markers", tokens.len());
            return Err(too_long(text, &count, context));
        }
        let numbers = tokens.into_iter().map(|token| i64::from(token.to_u16()));
        Ok(numbers.collect())
    }
}

/// What cuts texts into tokens.
struct Cutter<'a> {
    vocabulary: &'a Tokenizer,
    words: &'a Regex,
    markers: [&'static str; 2],
}

impl Cutter<'_> {
    /// Transformers looks for markers first, and cleans what is between them. What becomes a marker by that is
    /// a word, but none of the vocabulary's.
    fn push_parts(&self, text: &str, tokens: &mut Vec<Token>) {
        let push_words = |part: &str, tokens: &mut Vec<Token>| {
            for word in self.words.find_iter(&clean::huggingface(part)) {
                self.vocabulary.encode(word.as_str(), tokens);
            }
        };
        let mut rest = text;
        while let Some((start, marker)) = first_of(rest, self.markers) {
            push_words(&rest[..start], tokens);
            tokens.extend(self.marker(marker));
            rest = &rest[start + marker.len()..];
        }
        push_words(rest, tokens);
    }

    fn push_words(&self, text: &str, tokens: &mut Vec<Token>) {
        for word in self.words.find_iter(text) {
            match self.marker(word.as_str()) {
                Some(token) => tokens.push(token),
                None if word.as_str() == LONG_S => self.push_long_s(tokens),
                None => self.vocabulary.encode(word.as_str(), tokens),
            }
        }
    }

    /// The vocabulary would cut this word in two; the apostrophe is to be a beginning, and has no merge with the letter.
    fn push_long_s(&self, tokens: &mut Vec<Token>) {
        let end = tokens.len() + 1;
        self.vocabulary.encode("'\u{1}", tokens);
        tokens.truncate(end);
        self.vocabulary.encode("\u{17f}", tokens);
    }

    /// The token of a word that is a marker.
    fn marker(&self, word: &str) -> Option<Token> {
        let [start, end] = self.markers;
        match word {
            _ if word == start => Some(self.vocabulary.start_of_text()),
            _ if word == end => Some(self.vocabulary.end_of_text()),
            _ => None,
        }
    }
}

/// Where the first of these markers is.
fn first_of(text: &str, markers: [&'static str; 2]) -> Option<(usize, &'static str)> {
    let found = markers.map(|marker| Some((text.find(marker)?, marker)));
    found.into_iter().flatten().min()
}

/// Bytes that are not white space.
fn letters(text: &str) -> usize {
    text.split_whitespace().map(str::len).sum()
}

/// # Errors
/// When a text of so many bytes is too long whatever its tokens are: cleaning and cutting take time that grows
/// with the square of the length.
fn check_length(text: &str, bytes: usize, most: usize, context: usize) -> Result<()> {
    match bytes > most {
        true => Err(too_long(text, &format!("{bytes} bytes"), context)),
        false => Ok(()),
    }
}

fn too_long(text: &str, what: &str, context: usize) -> Error {
    let message = format!(
        "\"{}\" has {what}, and this model reads {context} tokens: shorten it",
        shorten(text)
    );
    Error::new(Kind::Request, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_s_after_an_apostrophe_is_a_contraction_where_the_pattern_ignores_case() {
        let of = |format, text: &str| {
            let tokens = Tokens::new(format, FULL_VOCABULARY).unwrap();
            tokens.encode(text, 77).unwrap()
        };
        // By Python's `regex` with IGNORECASE and the merges of the vocabulary.
        for format in [Format::TorchScript, Format::Safetensors] {
            assert_eq!(of(format, "'\u{17f}"), [49406, 6, 129, 379, 49407]);
            let word = of(format, "it'\u{17f}x");
            assert_eq!(word, [49406, 585, 6, 129, 379, 343, 49407]);
            assert_eq!(of(format, "\u{17f}"), [49406, 129, 379, 49407]);
        }
        let apart = of(Format::HuggingFace, "it'\u{17f}");
        assert_eq!(apart, [49406, 585, 262, 129, 379, 49407]);
    }
}
