//! Whether a text looks as if UTF-8 had been read as something else.
//!
//! The heuristic is ftfy's (`badness`, 6.3.1, Robyn Speer): characters that such misreadings are made of fall
//! into classes, and a text is suspicious where classes meet that hardly meet in writing.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A set of classes.
type Classes = u16;

const COMMON: Classes = 1;
const CONTROL: Classes = 1 << 1;
/// Hardly ever used on purpose.
const BAD: Classes = 1 << 2;
const LAW: Classes = 1 << 3;
const CURRENCY: Classes = 1 << 4;
const OPENING: Classes = 1 << 5;
const CLOSING: Classes = 1 << 6;
const NUMERIC: Classes = 1 << 7;
/// What faces are made of.
const FACE: Classes = 1 << 8;
/// Latin capitals with accents.
const UPPER: Classes = 1 << 9;
const LOWER: Classes = 1 << 10;
/// Capitals that may well end a word: Greek, Cyrillic.
const OTHER_UPPER: Classes = 1 << 11;
const OTHER_LOWER: Classes = 1 << 12;
const BOX: Classes = 1 << 13;

/// Who is in each class; `a-b` are all from a to b.
const MEMBERS: [(Classes, &str); 14] = [
    (COMMON, "\u{a0}\u{ad}·´–—―…’"),
    (CONTROL, "\u{80}-\u{9f}"),
    (BAD, "¦¤¨¬¯¸ƒˆˇ˘˛˜†‡‰⌐◊\u{fffd}ªº"),
    (LAW, "¶§"),
    (CURRENCY, "¢£¥₧€"),
    (OPENING, "¡«¿©΄΅‘‚“„•‹\u{f8ff}"),
    (CLOSING, "®»˝”›™"),
    (NUMERIC, "²³¹±¼½¾×µ÷⁄∂∆∏∑√∞∩∫≈≠≡≤≥№"),
    (FACE, "Ò-ÖÙ-Üò-öø-üŐŌŪŲ°"),
    (UPPER, "À-ÑØÜÝĂĀĄĆČĎĐĘĚĒĖĞĢİĪĶĹĽŁĻŃŇŅŒŘŚŞŠŢŤŮŰŸŹŻŽҐ"),
    (LOWER, "ßà-ñăąāćčďđęěēėğģįīķĺľłļœŕśşšťüźżžґﬁﬂ"),
    (OTHER_UPPER, "ÞΑ-ΩΆΈΉΊΌΎΏΪΫЁ-Я"),
    (OTHER_LOWER, "α-ωάέήίΰа-џ"),
    (BOX, "│┌┐┘├┤┬┼═-╬▀▄█▌▐░▒▓"),
];

/// Two neighbours that give a text away.
const PAIRS: [(Classes, Classes); 10] = [
    (BAD | LETTER | BOX | SIGN | LAW, BAD),
    (BAD, LETTER | BOX | SIGN | LAW),
    (
        LOWER | OTHER_LOWER | BOX | CLOSING | CURRENCY | NUMERIC,
        UPPER,
    ),
    (BOX | CLOSING | CURRENCY | NUMERIC, LOWER),
    (LOWER | BOX | CLOSING, CURRENCY),
    (UPPER | BOX, NUMERIC | LAW),
    (CURRENCY | NUMERIC | BOX, OPENING),
    (BOX, FACE),
    (LETTER | SIGN | LAW, BOX),
    (BOX, CLOSING),
];

const LETTER: Classes = LOWER | UPPER;
const SIGN: Classes = OPENING | CLOSING | CURRENCY | NUMERIC;

/// Two neighbours, given by name, that do.
const NAMED_PAIRS: [(&str, &str); 8] = [
    ("ÂÃÎÐ", "€œŠš¢£Ÿž\u{a0}\u{ad}®©°·»–—´"),
    ("×", "²³"),
    ("à", "²µ¹¼½¾"),
    ("√", "±∂†≠®™´≤≥¥µø"),
    ("≈", "°¢"),
    ("в", "Ђ"),
    ("Ã", "\u{a0}¡"),
    ("ā", "€"),
];

/// Three, given by name.
const NAMED_TRIPLES: [(&str, &str, &str); 3] = [
    ("‚", "Ä", "ìîïòôúùû†°¢π"),
    ("‚", "âó", "àä°ê"),
    ("β", "€", "™\u{a0}Ά\u{ad}®°"),
];

static CLASSES: LazyLock<HashMap<char, Classes>> = LazyLock::new(|| {
    let mut classes = HashMap::new();
    for (class, members) in MEMBERS {
        let members: Vec<char> = members.chars().collect();
        let mut rest = &members[..];
        while let [first, others @ ..] = rest {
            let (last, others) = match others {
                ['-', last, others @ ..] => (last, others),
                _ => (first, others),
            };
            for c in *first..=*last {
                *classes.entry(c).or_default() |= class;
            }
            rest = others;
        }
    }
    classes
});

/// Whether some of the text's characters stand together as they hardly do in writing.
pub fn is_suspicious(text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let classes = text.iter().map(|c| CLASSES.get(c).copied().unwrap_or(0));
    let classes: Vec<Classes> = classes.collect();
    (0..text.len()).any(|place| {
        classes[place] != 0
            && Place {
                text: &text,
                classes: &classes,
                place,
            }
            .is_suspicious()
    })
}

/// A character with what is around it.
struct Place<'a> {
    text: &'a [char],
    classes: &'a [Classes],
    place: usize,
}

impl Place<'_> {
    /// The character so many places further.
    fn at(&self, offset: isize) -> Option<char> {
        self.text
            .get(self.place.checked_add_signed(offset)?)
            .copied()
    }

    /// Whether the character so many places further is of one of these classes.
    fn is(&self, offset: isize, wanted: Classes) -> bool {
        let place = self.place.checked_add_signed(offset);
        let classes = place.and_then(|place| self.classes.get(place));
        classes.is_some_and(|classes| classes & wanted != 0)
    }

    fn is_one_of(&self, offset: isize, characters: &str) -> bool {
        self.at(offset).is_some_and(|c| characters.contains(c))
    }

    fn meets(&self, offset: isize, test: impl Fn(char) -> bool) -> bool {
        self.at(offset).is_some_and(test)
    }

    /// Whether a rule finds this character, which has a class, in its middle or at its beginning.
    fn is_suspicious(&self) -> bool {
        self.is(0, CONTROL)
            || PAIRS.iter().any(|&(a, b)| self.is(0, a) && self.is(1, b))
            || self.is_named()
            || self.is_amid()
            || self.is_capital_out_of_place()
            || self.is_doubled()
    }

    fn is_named(&self) -> bool {
        let pair = |(a, b): &(&str, &str)| self.is_one_of(0, a) && self.is_one_of(1, b);
        let triple = |(a, b, c): &(&str, &str, &str)| {
            self.is_one_of(0, a) && self.is_one_of(1, b) && self.is_one_of(2, c)
        };
        NAMED_PAIRS.iter().any(pair)
            || NAMED_TRIPLES.iter().any(triple)
            || self.is_one_of(0, "ÂÃÎÐ") && self.is(1, OPENING | CLOSING)
            || self.is_one_of(0, "Œœ") && self.meets(1, |c| !c.is_ascii_alphabetic())
            || self.is(0, UPPER) && self.at(1) == Some('°')
    }

    /// Rules about a character between two others.
    fn is_amid(&self) -> bool {
        self.is(0, OTHER_LOWER | OTHER_UPPER)
            && self.meets(-1, |c| c.is_ascii_alphabetic())
            && self.is(1, BAD)
            || self.is(0, OPENING)
                && (self.is(-1, LETTER | BOX | CURRENCY | CLOSING) && self.is(1, NUMERIC))
            || self.is(0, CLOSING)
                && (self.is(-1, LETTER | CURRENCY | NUMERIC | BOX | LAW) && self.is(1, OPENING))
            || self.is(0, OPENING | CLOSING) && (self.is(-1, LETTER) && self.meets(1, is_word))
    }

    /// Rules about the capitals that UTF-8's first bytes become.
    fn is_capital_out_of_place(&self) -> bool {
        let after = |test: fn(char) -> bool| self.meets(-1, test);
        let after_small = after(|c| c.is_ascii_lowercase());
        let after_small_and_space = after(is_space) && self.meets(-2, |c| c.is_ascii_lowercase());
        self.is(0, UPPER) && after(is_space) && self.is(1, CURRENCY)
            || self.is(0, UPPER) && after_small && self.is(1, OPENING | CURRENCY)
            || self.is_one_of(0, "ÃÂ")
                && self.at(1) == Some(' ')
                && (self.place == 0 || after_small || after_small_and_space)
            || self.at(0) == Some('Â')
                && (after_small || self.is_one_of(-1, ".,?!") || self.is(-1, CLOSING))
                && (self.at(1) == Some(' ') || self.is(1, OPENING | CLOSING))
    }

    /// Rules that need to see two characters of UTF-8.
    fn is_doubled(&self) -> bool {
        const MARK: Classes = CONTROL | BAD | OPENING | CLOSING | CURRENCY;
        let arabic = |at: isize| {
            self.is_one_of(at, "ØÙ")
                && (self.is(at + 1, COMMON | CURRENCY | BAD | NUMERIC | OPENING)
                    || self.is_one_of(at + 1, "ŸŠ®°µ»"))
        };
        let around = |letters: &str, also: &str| {
            self.is_one_of(0, letters)
                && (self.is(1, MARK) || self.is_one_of(1, also))
                && self.is_one_of(2, letters)
        };
        let spelled = || {
            (0..)
                .zip("ГўВЂВ".chars())
                .all(|(at, c)| self.at(at) == Some(c))
        };
        arabic(0) && arabic(2)
            || around("ВГРС", "°µ")
            || around("ΒΓΞΟ", "°")
            || spelled()
                && self.meets(5, |c| c != '\n')
                && self.meets(6, |c| c.is_ascii_alphabetic() || c == ' ')
    }
}

/// Python's `\w`.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Python's `\s`.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}
