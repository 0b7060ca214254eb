//! Text as ftfy's `fix_text` leaves it (6.3.1, with its defaults, which CLIP's tokenizers use).

use unicode_normalization::UnicodeNormalization;

use super::pages::windows_1252;
use super::{entities, misread};

/// Repairs the text line by line. From the first `<` on, which makes it HTML, references to characters stay.
pub fn repair(text: &str) -> String {
    let mut is_html = false;
    let lines = text.split_inclusive('\n').map(|line| {
        is_html |= line.contains('<');
        repair_line(line, is_html)
    });
    lines.collect()
}

/// Repairs for as long as that changes something.
fn repair_line(line: &str, is_html: bool) -> String {
    let mut line = line.to_owned();
    loop {
        let plain = match is_html {
            true => line.clone(),
            false => entities::unescape_certain(&line),
        };
        let repaired = repair_characters(&misread::undo(plain));
        if repaired == line {
            return line;
        }
        line = repaired;
    }
}

fn repair_characters(text: &str) -> String {
    let mut usual = String::with_capacity(text.len());
    for c in text.chars().map(windows_1252) {
        match ligature(c) {
            Some(letters) => usual.extend(letters.chars().map(straight)),
            None => usual.extend(usual_width(c).map(straight)),
        }
    }
    let lines = usual
        .replace("\r\n", "\n")
        .replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    let plain = without_terminal_escapes(&lines);
    plain.chars().filter(|&c| !has_no_effect(c)).nfc().collect()
}

/// The text without what colours it in a terminal: ESC `[`, digits and semicolons, a letter.
fn without_terminal_escapes(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let after = part.trim_start_matches(|c: char| c == ';' || c.is_numeric());
        match after.strip_prefix(|c: char| c.is_ascii_alphabetic()) {
            Some(after) => plain.push_str(after),
            None => plain.extend(["\x1b[", part]),
        }
    }
    plain
}

/// The letters of Latin ligatures, and of digraphs that are there for old encodings' sake.
fn ligature(c: char) -> Option<&'static str> {
    Some(match c {
        'Ĳ' => "IJ",
        'ĳ' => "ij",
        'ŉ' => "ʼn",
        'Ǳ' => "DZ",
        'ǲ' => "Dz",
        'ǳ' => "dz",
        'Ǆ' => "DŽ",
        'ǅ' => "Dž",
        'ǆ' => "dž",
        'Ǉ' => "LJ",
        'ǈ' => "Lj",
        'ǉ' => "lj",
        'Ǌ' => "NJ",
        'ǋ' => "Nj",
        'ǌ' => "nj",
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ﬅ' => "ſt",
        'ﬆ' => "st",
        _ => return None,
    })
}

/// Full-width and half-width forms as their usual selves: the compatibility decomposition of U+FF01 to U+FFEF.
fn usual_width(c: char) -> impl Iterator<Item = char> {
    let (as_it_is, decomposed) = match c {
        '\u{3000}' => (Some(' '), None),
        '\u{ff01}'..='\u{ffef}' => (None, Some(c)),
        _ => (Some(c), None),
    };
    as_it_is.into_iter().chain(decomposed.into_iter().nfkc())
}

/// A quotation mark without its curl.
fn straight(c: char) -> char {
    match c {
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => '\'',
        '\u{201c}'..='\u{201f}' => '"',
        _ => c,
    }
}

/// Control characters that show nothing: all of ASCII's but white space, the byte order mark, and those that
/// Unicode calls unsuitable for marked-up text (UTR 20).
fn has_no_effect(c: char) -> bool {
    matches!(
        c,
        '\0'..='\x08'
            | '\x0b'
            | '\x0e'..='\x1f'
            | '\x7f'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffc}'
    )
}
