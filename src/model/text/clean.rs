//! Texts as CLIP's tokenizers clean them before they look for words.

mod entities;
mod misread;
mod octets;
mod pages;
mod repair;
mod suspicion;

use unicode_normalization::UnicodeNormalization;

/// As OpenAI's tokenizer and open_clip's clean: ftfy's repairs, HTML's references undone twice, lower case.
///
/// White space stays as it is, where they collapse it: it separates words and is no part of any.
pub fn openai(text: &str) -> String {
    let plain = entities::unescape(&entities::unescape(&repair::repair(text)));
    plain.to_lowercase()
}

/// As the normaliser of transformers' tokenizer cleans: NFC, and every character by itself in lower case.
pub fn huggingface(text: &str) -> String {
    text.nfc().flat_map(char::to_lowercase).collect()
}
