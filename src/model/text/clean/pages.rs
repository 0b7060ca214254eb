//! The single-byte encodings that UTF-8 is mistaken for.
//!
//! Facts from Unicode's mapping tables (<https://www.unicode.org/Public/MAPPINGS/>). Bytes that Windows'
//! encodings leave unassigned are passed on as the control character of the same number, as most decoders do;
//! such a decoder may also have put U+FFFD for a byte that it could not read.

use std::sync::LazyLock;

/// What matters of where an encoding comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Latin-1, which every byte is in.
    Latin1,
    /// Windows' encodings, with their letters in the same places.
    Windows,
    /// The Macintosh's.
    Mac,
    /// Any other.
    Other,
}

/// One encoding.
pub struct Page {
    /// Where it comes from.
    pub family: Family,
    /// What the bytes from 0x80 on stand for.
    upper: Vec<char>,
}

/// Stands for U+FFFD in the bytes of a Windows encoding: ASCII's SUBSTITUTE.
pub const LOST: u8 = 0x1a;

impl Page {
    /// The bytes of which this encoding makes this text, if it can.
    pub fn encode(&self, text: &str) -> Option<Vec<u8>> {
        text.chars().map(|c| self.byte(c)).collect()
    }

    fn byte(&self, c: char) -> Option<u8> {
        let is_windows = self.family == Family::Windows;
        match c {
            char::REPLACEMENT_CHARACTER if is_windows => Some(LOST),
            '\x1a' if is_windows => None,
            '\0'..='\x7f' => Some(c as u8),
            _ => {
                let place = self.upper.iter().position(|&own| own == c)?;
                u8::try_from(0x80 + place).ok()
            }
        }
    }

    /// What a byte from 0x80 on stands for.
    pub fn character(&self, byte: u8) -> Option<char> {
        self.upper
            .get(usize::from(byte.checked_sub(0x80)?))
            .copied()
    }
}

/// The encodings in the order in which they are tried (ftfy 6.3.1, `CHARMAP_ENCODINGS`).
pub static PAGES: LazyLock<[Page; 10]> = LazyLock::new(|| {
    let page = |family, upper: &str| Page {
        family,
        upper: upper.chars().collect(),
    };
    let latin_1: String = ('\u{80}'..='\u{ff}').collect();
    let controls: String = ('\u{80}'..='\u{9f}').collect();
    [
        page(Family::Latin1, &latin_1),
        page(Family::Windows, WINDOWS_1252),
        page(Family::Windows, WINDOWS_1251),
        page(Family::Windows, WINDOWS_1250),
        page(Family::Windows, WINDOWS_1253),
        page(Family::Windows, WINDOWS_1254),
        page(Family::Windows, WINDOWS_1257),
        page(Family::Other, &(controls + ISO_8859_2)),
        page(Family::Mac, MAC_ROMAN),
        page(Family::Other, CODE_PAGE_437),
    ]
});

/// A control character from U+0080 to U+009F as windows-1252 has it; any other character as it is.
pub fn windows_1252(c: char) -> char {
    match c {
        '\u{80}'..='\u{9f}' => PAGES[1].character(c as u8).unwrap_or(c),
        _ => c,
    }
}

const WINDOWS_1252: &str = "\
    €\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ\
    \u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´µ¶·¸¹º»¼½¾¿\
    ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞß\
    àáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ";

const WINDOWS_1251: &str = "\
    ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—\u{98}™љ›њќћџ\
    \u{a0}ЎўЈ¤Ґ¦§Ё©Є«¬\u{ad}®Ї°±Ііґµ¶·ё№є»јЅѕї\
    АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ\
    абвгдежзийклмнопрстуфхцчшщъыьэюя";

const WINDOWS_1250: &str = "\
    €\u{81}‚\u{83}„…†‡\u{88}‰Š‹ŚŤŽŹ\u{90}‘’“”•–—\u{98}™š›śťžź\
    \u{a0}ˇ˘Ł¤Ą¦§¨©Ş«¬\u{ad}®Ż°±˛ł´µ¶·¸ąş»Ľ˝ľż\
    ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢß\
    ŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙";

const WINDOWS_1253: &str = "\
    €\u{81}‚ƒ„…†‡\u{88}‰\u{8a}‹\u{8c}\u{8d}\u{8e}\u{8f}\
    \u{90}‘’“”•–—\u{98}™\u{9a}›\u{9c}\u{9d}\u{9e}\u{9f}\
    \u{a0}΅Ά£¤¥¦§¨©ª«¬\u{ad}®―°±²³΄µ¶·ΈΉΊ»Ό½ΎΏ\
    ΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡÒΣΤΥΦΧΨΩΪΫάέήί\
    ΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώÿ";

const WINDOWS_1254: &str = "\
    €\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}\u{8e}\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}\u{9e}Ÿ\
    \u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´µ¶·¸¹º»¼½¾¿\
    ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏĞÑÒÓÔÕÖ×ØÙÚÛÜİŞß\
    àáâãäåæçèéêëìíîïğñòóôõö÷øùúûüışÿ";

const WINDOWS_1257: &str = "\
    €\u{81}‚\u{83}„…†‡\u{88}‰\u{8a}‹\u{8c}¨ˇ¸\u{90}‘’“”•–—\u{98}™\u{9a}›\u{9c}¯˛\u{9f}\
    \u{a0}¡¢£¤¥¦§Ø©Ŗ«¬\u{ad}®Æ°±²³´µ¶·ø¹ŗ»¼½¾æ\
    ĄĮĀĆÄÅĘĒČÉŹĖĢĶĪĻŠŃŅÓŌÕÖ×ŲŁŚŪÜŻŽß\
    ąįāćäåęēčéźėģķīļšńņóōõö÷ųłśūüżž˙";

/// From 0xA0 on.
const ISO_8859_2: &str = "\
    \u{a0}Ą˘Ł¤ĽŚ§¨ŠŞŤŹ\u{ad}ŽŻ°ą˛ł´ľśˇ¸šşťź˝žż\
    ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢß\
    ŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙";

const MAC_ROMAN: &str = "\
    ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü\
    †°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø\
    ¿¡¬√ƒ≈∆«»…\u{a0}ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ\
    ‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\u{f8ff}ÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ";

const CODE_PAGE_437: &str = "\
    ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ\
    áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
    └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
    αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
