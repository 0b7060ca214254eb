//! HTML's named and numbered characters.

use std::collections::HashMap;
use std::sync::LazyLock;

use entities::ENTITIES;

use super::pages;

/// The 2,231 names of the HTML standard, with `&` and, but for 106 old ones, `;`.
static NAMED: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let pairs = ENTITIES
        .iter()
        .map(|named| (named.entity, named.characters));
    pairs.collect()
});

/// Characters of the longest name that is looked for.
const LONGEST: usize = 32;

/// Characters of the longest name that counts as certain (ftfy 6.3.1, `HTML_ENTITY_RE`).
const LONGEST_CERTAIN: usize = 24;

/// Undoes every reference, as a browser does in a page's text and Python's `html.unescape` does: names
/// without `;` count where the standard knows them so, and a name may be followed by other letters.
pub fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        plain.push_str(&rest[..start]);
        rest = &rest[start..];
        let length = reference(rest);
        match numbered(&rest[..length]) {
            Some(meant) => plain.extend(meant),
            None => push_named(&rest[..length], &mut plain),
        }
        rest = &rest[length..];
    }
    plain.push_str(rest);
    plain
}

/// Undoes what can hardly be meant otherwise, as ftfy's `unescape_html` does: references that end in `;`,
/// and names that somebody wrote in capitals.
pub fn unescape_certain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        plain.push_str(&rest[..start]);
        rest = &rest[start..];
        let Some(length) = certain(rest) else {
            plain.push('&');
            rest = &rest[1..];
            continue;
        };
        plain.push_str(&meaning(&rest[..length]));
        rest = &rest[length..];
    }
    plain.push_str(rest);
    plain
}

/// Bytes of the reference that begins with the text's `&`.
fn reference(text: &str) -> usize {
    let body = &text[1..];
    let (prefix, is_part): (usize, fn(char) -> bool) = match body.as_bytes() {
        [b'#', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => {
            (2, |c| c.is_ascii_hexdigit())
        }
        [b'#', digit, ..] if digit.is_ascii_digit() => (1, |c| c.is_ascii_digit()),
        _ => (0, |c| !"\t\n\x0c <&#;".contains(c)),
    };
    let most = if prefix > 0 { usize::MAX } else { LONGEST };
    let part = body[prefix..]
        .chars()
        .take(most)
        .take_while(|&c| is_part(c));
    let end = prefix + part.map(char::len_utf8).sum::<usize>();
    let closed = end > 0 && body[end..].starts_with(';');
    1 + end + usize::from(closed)
}

/// Bytes of the reference with `;` that begins with the text's `&`.
fn certain(text: &str) -> Option<usize> {
    let body = text[1..].strip_prefix('#').unwrap_or(&text[1..]);
    let name = body.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let closed = body.as_bytes().get(name) == Some(&b';');
    ((1..=LONGEST_CERTAIN).contains(&name) && closed).then(|| text.len() - body.len() + name + 1)
}

/// What `&#...` stands for, which may be nothing; `None` where it is no number. The HTML standard, "numeric
/// character reference end state": control characters are read as windows-1252.
fn numbered(reference: &str) -> Option<Option<char>> {
    let digits = reference.strip_prefix("&#")?.trim_end_matches(';');
    let (digits, radix) = match digits.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (digits, 10),
    };
    if digits.is_empty() {
        return None;
    }
    let number = u32::from_str_radix(digits, radix).unwrap_or(u32::MAX);
    Some(match number {
        0 => Some(char::REPLACEMENT_CHARACTER),
        0x1..=0x8 | 0xb | 0xe..=0x1f | 0x7f | 0xfdd0..=0xfdef => None,
        _ => match char::from_u32(number) {
            Some(_) if number & 0xfffe == 0xfffe => None,
            Some(c) => Some(pages::windows_1252(c)),
            None => Some(char::REPLACEMENT_CHARACTER),
        },
    })
}

/// Appends the longest name that `&...` begins with, and what is left of it.
fn push_named(reference: &str, plain: &mut String) {
    let ends = reference.char_indices().map(|(end, _)| end).skip(3);
    let ends = ends.chain([reference.len()]);
    let known = ends.filter_map(|end| Some((NAMED.get(&reference[..end])?, end)));
    match known.last() {
        Some((meant, end)) => {
            plain.push_str(meant);
            plain.push_str(&reference[end..]);
        }
        None => plain.push_str(reference),
    }
}

/// What a reference with `;` stands for; itself where it stands for nothing.
fn meaning(reference: &str) -> String {
    if let Some(meant) = NAMED.get(reference) {
        return (*meant).to_owned();
    }
    let undone = unescape(reference);
    if reference.starts_with("&#") {
        return match undone.contains(';') {
            true => reference.to_owned(),
            false => undone,
        };
    }
    let in_capitals = !reference.bytes().any(|byte| byte.is_ascii_lowercase());
    let name = reference.to_ascii_lowercase();
    match NAMED.get(name.as_str()) {
        Some(meant) if in_capitals && undone == reference => meant.to_uppercase(),
        _ => reference.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_undone_as_python_undoes_them() {
        for (written, meant) in [
            ("", ""),
            ("&", "&"),
            ("a & b &&amp; &;", "a & b && &;"),
            ("&amp;amp;", "&amp;"),
            ("&ampx &notit; &notin; &not", "&x ¬it; ∉ ¬"),
            ("&nosuch; &hearts; &hearts", "&nosuch; ♥ &hearts"),
            ("&#65;&#x42;&#X43&#68", "ABCD"),
            ("&#; &#x; &#xg; &#a", "&#; &#x; &#xg; &#a"),
            (
                "&#0;&#128;&#x9D;&#xd800;&#1114112;&#99999999999;",
                "\u{fffd}€\u{9d}\u{fffd}\u{fffd}\u{fffd}",
            ),
            ("&#1;&#xb;&#127;&#xfdd0;&#x1ffff;&#13;.", "\r."),
            ("&NotEqualTilde; &CounterClockwiseContourIntegral;", "≂̸ ∳"),
            ("&é;&\u{1f600};", "&é;&\u{1f600};"),
        ] {
            assert_eq!(unescape(written), meant, "{written}");
        }
    }

    #[test]
    fn what_may_be_meant_otherwise_stays() {
        for (written, meant) in [
            ("this&not that", "this&not that"),
            ("P&EACUTE;REZ P&eacute;rez", "PÉREZ Pérez"),
            ("BUNDESSTRA&SZLIG;E", "BUNDESSTRASSE"),
            ("&ntilde; &Ntilde; &NTILDE; &nTILDE;", "ñ Ñ Ñ &nTILDE;"),
            ("&#59; &#39; &#x2019; &#x", "&#59; ' ’ &#x"),
            ("&AMP;amp; &;", "&amp; &;"),
            (
                "&CounterClockwiseContourIntegral;",
                "&CounterClockwiseContourIntegral;",
            ),
        ] {
            assert_eq!(unescape_certain(written), meant, "{written}");
        }
    }
}
