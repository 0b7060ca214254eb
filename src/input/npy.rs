//! The header of NumPy's `.npy` files (`numpy.lib.format`): a Python dictionary, before the numbers.

use num_traits::ToPrimitive;
use py_literal::Value;

use super::array::Layout;
use super::number::Number;
use crate::error::{Result, bail, shorten};

/// What such a file begins with.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest header that NumPy itself reads (`max_header_size`).
const LONGEST_HEADER: usize = 10_000;

/// The brackets of a plain array's header: those of the dictionary and of the shape. Where they are nested, `py_literal`
/// takes twice as long for each that is open: a minute for 18.
const BRACKETS: usize = 2;

/// Finds the array in a file's bytes; no memory is taken for what the header claims.
///
/// # Errors
/// When it is none of real numbers, or they are not as many as it claims.
pub(super) fn layout(bytes: &[u8]) -> Result<Layout> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        bail!(Input, "it does not begin like an .npy file");
    };
    let (length, begin) = match *rest {
        [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([a, b])), 10),
        [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([a, b, c, d]) as usize, 12),
        _ => bail!(Input, "its header is cut short, or of a version after 3"),
    };
    if length > LONGEST_HEADER {
        bail!(
            Input,
            "its header has {length} bytes, and NumPy reads {LONGEST_HEADER} at most"
        );
    }
    let start = begin + length;
    let Some(header) = bytes.get(begin..start) else {
        bail!(Input, "its header is cut short");
    };
    let Some((descriptor, is_fortran, shape)) = fields(header) else {
        bail!(Input, "its header is not that of a plain array");
    };
    let Some(number) = Number::of_numpy(&descriptor) else {
        bail!(
            Input,
            "it holds values of the type {}; f16, f32, f64 and whole numbers of 8 to 64 bits can be read here",
            shorten(&descriptor)
        );
    };
    let layout = Layout {
        number,
        shape,
        is_fortran,
        start,
    };
    let stored = bytes.len() - start;
    match layout.bytes() {
        Some(claimed) if claimed == stored => Ok(layout),
        _ => bail!(
            Input,
            "it holds {stored} bytes of numbers, and its header claims another size: the shape {:?} of {} bytes each",
            layout.shape,
            number.size
        ),
    }
}

/// The type, whether the first axis is the fastest, and the shape.
fn fields(header: &[u8]) -> Option<(String, bool, Vec<usize>)> {
    let opens = |byte: &&u8| matches!(byte, b'(' | b'[' | b'{');
    if header.iter().filter(opens).count() != BRACKETS {
        return None;
    }
    let header: Value = str::from_utf8(header).ok()?.trim().parse().ok()?;
    let entries = header.as_dict().filter(|entries| entries.len() == 3)?;
    let field = |name: &str| {
        let mut entries = entries.iter();
        let found = entries.find(|(key, _)| key.as_string().is_some_and(|key| key == name));
        found.map(|(_, value)| value)
    };
    let shape = field("shape")?.as_tuple()?.iter();
    let shape = shape.map(|size| size.as_integer()?.to_usize());
    Some((
        field("descr")?.as_string()?.clone(),
        field("fortran_order")?.as_boolean()?,
        shape.collect::<Option<_>>()?,
    ))
}
