//! UTF-8 that was read as something else, once or several times, made whole again: ftfy's `fix_encoding`
//! (6.3.1, with its defaults).

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use super::octets;
use super::pages::{Family, PAGES, Page, windows_1252};
use super::suspicion::is_suspicious;

/// Undoes misreadings for as long as the text looks like one.
pub fn undo(text: String) -> String {
    let mut text = text;
    loop {
        let undone = undo_once(&text);
        if undone == text {
            return text;
        }
        text = undone;
    }
}

fn undo_once(text: &str) -> String {
    if text.is_ascii() || !is_suspicious(text) {
        return text.to_owned();
    }
    if let Some(whole) = PAGES.iter().find_map(|page| read_again(text, page)) {
        return whole;
    }
    let parts = undo_parts(text);
    if parts != text {
        return parts;
    }
    text.chars().map(windows_1252).collect()
}

/// The text as UTF-8, if it is UTF-8 that was read as `page`.
fn read_again(text: &str, page: &Page) -> Option<String> {
    let mut bytes = page.encode(text)?;
    // In the Macintosh's encoding a dash before a space would be taken for half a letter.
    if page.family != Family::Mac {
        bytes = octets::with_spaces_restored(&bytes);
    }
    if page.family == Family::Windows {
        bytes = octets::with_lost_replaced(&bytes);
    }
    octets::decode(&bytes)
}

/// Undoes misreadings of parts of the text that look like nothing else.
fn undo_parts(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut undone = String::with_capacity(text.len());
    let mut place = 0;
    while place < characters.len() {
        let follows_others = place > 0 && CLUES.certain.contains(&characters[place - 1]);
        let end = match follows_others {
            true => place,
            false => sequences(&characters, place),
        };
        let part: String = characters[place..end.max(place + 1)].iter().collect();
        let is_whole = end - place == characters.len();
        if end > place && !is_whole && is_suspicious(&part) {
            undone.push_str(&undo(part));
        } else {
            undone.push_str(&part);
        }
        place = end.max(place + 1);
    }
    undone
}

/// Where the characters end that stand for one character of UTF-8 after another from `start` on.
fn sequences(characters: &[char], start: usize) -> usize {
    let mut end = start;
    'next: loop {
        for (first, following) in [
            (&CLUES.first_of_2, 1),
            (&CLUES.first_of_3, 2),
            (&CLUES.first_of_4, 3),
        ] {
            let Some(sequence) = characters.get(end..=end + following) else {
                continue;
            };
            if first.contains(&sequence[0])
                && sequence[1..].iter().all(|c| CLUES.following.contains(c))
            {
                end += sequence.len();
                continue 'next;
            }
        }
        return end;
    }
}

/// What the bytes of UTF-8 become in Latin-1 and Windows' encodings.
struct Clues {
    first_of_2: HashSet<char>,
    first_of_3: HashSet<char>,
    first_of_4: HashSet<char>,
    /// Any byte but the first, with the space that A0 was taken for.
    following: HashSet<char>,
    /// The same without what is often written for itself: spaces, dashes, quotation marks.
    certain: HashSet<char>,
}

static CLUES: LazyLock<Clues> = LazyLock::new(|| {
    let pages = || {
        PAGES
            .iter()
            .filter(|page| matches!(page.family, Family::Latin1 | Family::Windows))
    };
    let read = |bytes: RangeInclusive<u8>| -> HashSet<char> {
        bytes
            .flat_map(|byte| pages().filter_map(move |page| page.character(byte)))
            .collect()
    };
    let following = read(0x80..=0xbf);
    let written: HashSet<char> = "–—―‘’‚“”„•…".chars().collect();
    Clues {
        first_of_2: read(0xc2..=0xdf),
        first_of_3: read(0xe0..=0xef),
        first_of_4: read(0xf0..=0xf0)
            .union(&read(0xf3..=0xf3))
            .copied()
            .collect(),
        certain: following.difference(&written).copied().collect(),
        following: following.into_iter().chain([' ']).collect(),
    }
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fine_stays() {
        for text in [
            "",
            "plain",
            "JOSÉ™ Ångström façade naïve 20° ½ £5 «oui» Привет Γειά 日本語 🙂",
            "Ã",
            "CAFÉ® CAÑÓN",
        ] {
            assert_eq!(undo(text.to_owned()), text);
        }
    }

    #[test]
    fn utf_8_is_made_whole() {
        for (misread, meant) in [
            ("schÃ¶n", "schön"),
            ("âœ” No problems", "✔ No problems"),
            ("ã\u{83}\u{84}", "ツ"),
            ("LâÂ\u{80}Â\u{99}oeil", "L’oeil"),
            ("voilÃ le travail", "voilà le travail"),
            ("â€œ like this â€\u{fffd}", "“ like this \u{fffd}"),
            ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "привет"),
            ("ÃƒÂ©", "é"),
        ] {
            assert_eq!(undo(misread.to_owned()), meant, "{misread}");
        }
    }
}
