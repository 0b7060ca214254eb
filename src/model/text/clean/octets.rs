//! Bytes that were UTF-8 before something altered them.

use super::pages::LOST;

/// Puts byte A0 back where a program took it for a space, as ftfy's `restore_byte_a0` does: where the bytes are
/// UTF-8 with it and not without, and make a letter that is likely.
pub fn with_spaces_restored(bytes: &[u8]) -> Vec<u8> {
    let bytes = replaced(bytes, |rest| {
        is_lone_a_grave(rest).then(|| (2, vec![0xc3, 0xa0, b' ']))
    });
    replaced(&bytes, |rest| {
        let length = with_space(rest)?;
        let bytes = rest[..length].iter();
        let restored = bytes.map(|&byte| if byte == b' ' { 0xa0 } else { byte });
        Some((length, restored.collect()))
    })
}

/// Puts U+FFFD for every character of UTF-8 that lost a byte, as ftfy's `replace_lossy_sequences` does.
pub fn with_lost_replaced(bytes: &[u8]) -> Vec<u8> {
    let replacement = char::REPLACEMENT_CHARACTER.to_string().into_bytes();
    replaced(bytes, |rest| Some((with_loss(rest)?, replacement.clone())))
}

/// Decodes UTF-8, and what Java and old databases write for it: characters as two surrogates (CESU-8), and NUL
/// as C0 80. `None` where the bytes are none of these.
pub fn decode(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    let (mut start, mut place) = (0, 0);
    while place < bytes.len() {
        let Some((c, length)) = variant(&bytes[place..]) else {
            place += 1;
            continue;
        };
        text.push_str(std::str::from_utf8(&bytes[start..place]).ok()?);
        text.push(c);
        place += length;
        start = place;
    }
    text.push_str(std::str::from_utf8(&bytes[start..]).ok()?);
    Some(text)
}

/// The bytes with what `at` finds replaced: how many bytes, and by what.
fn replaced(bytes: &[u8], at: impl Fn(&[u8]) -> Option<(usize, Vec<u8>)>) -> Vec<u8> {
    let mut changed = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, others @ ..] = rest {
        if let Some((length, replacement)) = at(rest) {
            changed.extend(replacement);
            rest = &rest[length..];
        } else {
            changed.push(*first);
            rest = others;
        }
    }
    changed
}

/// C3 and a space that ends a word: "à" as a word of its own, and not the first letter of the Portuguese words
/// that begin with it.
fn is_lone_a_grave(bytes: &[u8]) -> bool {
    const BEGUN: [&[u8]; 5] = [b" ", b"quele", b"quela", b"quilo", b"s "];
    match bytes {
        [0xc3, b' ', rest @ ..] => !BEGUN.iter().any(|begun| rest.starts_with(begun)),
        _ => false,
    }
}

/// The length of a character of UTF-8 in which a space stands for A0.
fn with_space(bytes: &[u8]) -> Option<usize> {
    let follows = |byte: u8| matches!(byte, 0x80..=0xbf);
    // 85 would be an ellipsis, and A0 is what is looked for.
    let plain = |byte: u8| follows(byte) && byte != 0x85 && byte != 0xa0;
    match *bytes {
        [0xc2 | 0xc3 | 0xc5 | 0xce | 0xd0 | 0xd9, b' ', ..] => Some(2),
        [0xe2 | 0xe3, b' ', c, ..] if plain(c) => Some(3),
        [0xe0..=0xe3, b, b' ', ..] if plain(b) => Some(3),
        [0xf0, b' ', c, d, ..] if follows(c) && follows(d) => Some(4),
        [0xf0, b, b' ', d, ..] if follows(b) && follows(d) => Some(4),
        [0xf0, b, c, b' ', ..] if follows(b) && follows(c) => Some(4),
        _ => None,
    }
}

/// The length of a character of UTF-8 some of whose bytes are lost, one of them perhaps to a question mark.
fn with_loss(bytes: &[u8]) -> Option<usize> {
    let lost = |byte: u8| byte == LOST || byte == b'?';
    let follows = |byte: u8| byte == LOST || matches!(byte, 0x80..=0xbf);
    let low = |byte: u8| matches!(byte, 0xb0..=0xbf);
    let either = |byte: u8| lost(byte) || follows(byte);
    match *bytes {
        [0xc2..=0xdf, LOST, ..] | [0xc2 | 0xc3, b'?', ..] => Some(2),
        [0xed, 0xa0..=0xaf, b, 0xed, c, d, ..]
            if low(c) && (lost(b) && either(d) || either(b) && lost(d)) =>
        {
            Some(6)
        }
        [0xe0..=0xef, b, c, ..] if lost(b) && follows(c) || follows(b) && lost(c) => Some(3),
        [0xf0..=0xf4, b, c, d, ..]
            if lost(b) && follows(c) && follows(d)
                || follows(b) && lost(c) && follows(d)
                || follows(b) && follows(c) && lost(d) =>
        {
            Some(4)
        }
        [LOST, ..] => Some(1),
        _ => None,
    }
}

/// A character that is not written as UTF-8 writes it, and its length.
fn variant(bytes: &[u8]) -> Option<(char, usize)> {
    let half = |a: u8, b: u8| 0xd000 | u16::from(a & 0x3f) << 6 | u16::from(b & 0x3f);
    match *bytes {
        [0xc0, 0x80, ..] => Some(('\0', 2)),
        [
            0xed,
            a @ 0xa0..=0xaf,
            b @ 0x80..=0xbf,
            0xed,
            c @ 0xb0..=0xbf,
            d @ 0x80..=0xbf,
            ..,
        ] => {
            let pair = [half(a, b), half(c, d)];
            let c = char::decode_utf16(pair).next()?.ok()?;
            Some((c, 6))
        }
        _ => None,
    }
}
