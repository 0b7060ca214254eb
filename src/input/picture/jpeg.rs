//! JPEG files: what their headers say, whether their data are whole, and their pixels.
//!
//! JPEG has no checksum, and decoders make up what is missing, so the entropy-coded data are
//! walked first (`scan.rs`): every code must be one of the file's own, and the last one must end
//! where the data end.

mod block;
mod huffman;
mod scan;

use super::fault::Fault;
use huffman::Table;
use scan::{Progress, Scan};

/// The marker that ends a file's picture.
pub(super) const END: [u8; 2] = [0xff, END_OF_IMAGE];

const RESTARTS: std::ops::RangeInclusive<u8> = 0xd0..=0xd7;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// The size of a picture and of its components, from its start-of-frame segment.
#[derive(Debug)]
pub(super) struct Frame {
    pub width: usize,
    pub height: usize,
    is_progressive: bool,
    components: Vec<Component>,
}

#[derive(Debug)]
struct Component {
    id: u8,
    /// Blocks a unit of the interleaved picture, across and down.
    across: usize,
    down: usize,
}

impl Frame {
    fn parse(marker: u8, body: &[u8]) -> Result<Self, Fault> {
        let is_progressive = match marker {
            0xc0 | 0xc1 => false,
            0xc2 => true,
            0xc9..=0xcb | 0xcd..=0xcf => return Err(Fault::unsupported("arithmetic coding")),
            _ => return Err(Fault::unsupported("lossless or hierarchical coding")),
        };
        let [bits, h1, h0, w1, w0, count, components @ ..] = body else {
            return Err(Fault::damaged("its frame header is too short"));
        };
        if *bits != 8 {
            return Err(Fault::unsupported(format!("{bits} bits a sample")));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(Fault::unsupported(format!("{count} colour components")));
        }
        if components.len() != 3 * usize::from(*count) {
            return Err(Fault::damaged("its frame header has the wrong length"));
        }
        let components = components.chunks_exact(3).map(|component| Component {
            id: component[0],
            across: usize::from(component[1] >> 4),
            down: usize::from(component[1] & 15),
        });
        let frame = Self {
            width: usize::from(u16::from_be_bytes([*w1, *w0])),
            height: usize::from(u16::from_be_bytes([*h1, *h0])),
            is_progressive,
            components: components.collect(),
        };
        let factors = |c: &Component| (1..=4).contains(&c.across) && (1..=4).contains(&c.down);
        if !frame.components.iter().all(factors) {
            return Err(Fault::damaged(
                "its frame header has a sampling factor of 0",
            ));
        }
        if frame.width == 0 || frame.height == 0 {
            return Err(Fault::damaged(
                "its frame header says that it has no pixels",
            ));
        }
        Ok(frame)
    }

    /// The largest number of blocks across and down a unit.
    fn most(&self) -> (usize, usize) {
        let most = |of: fn(&Component) -> usize| self.components.iter().map(of).max().unwrap_or(1);
        (most(|c| c.across), most(|c| c.down))
    }

    /// Units across and down the picture.
    fn units(&self) -> (usize, usize) {
        let (across, down) = self.most();
        (
            self.width.div_ceil(8 * across),
            self.height.div_ceil(8 * down),
        )
    }

    /// Bytes that the smallest possible coding of so many pixels takes: a block takes a bit, and
    /// another where its end is coded with it.
    pub(super) fn least_bytes(&self) -> usize {
        let (across, down) = self.units();
        let blocks: usize = self.components.iter().map(|c| c.across * c.down).sum();
        let bits = if self.is_progressive { 1 } else { 2 };
        across * down * blocks * bits / 8
    }
}

/// Reads the headers up to the first scan; `None` when the bytes end before it.
pub(super) fn frame(bytes: &[u8]) -> Result<Option<(Frame, usize)>, Fault> {
    let mut at = 2;
    let mut frame = None;
    loop {
        let Some(Segment { marker, body, end }) = segment(bytes, at)? else {
            return Ok(None);
        };
        match marker {
            START_OF_SCAN => {
                let frame = frame.ok_or_else(|| Fault::damaged("it has no frame header"))?;
                return Ok(Some((frame, end)));
            }
            END_OF_IMAGE => return Err(Fault::damaged("it has no picture data")),
            _ if is_frame(marker) => frame = Some(Frame::parse(marker, body)?),
            _ => {}
        }
        at = end;
    }
}

/// Whether the marker opens a frame: of the sixteen, three mean something else.
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// A marker with what belongs to it, and where the next one begins.
struct Segment<'a> {
    marker: u8,
    body: &'a [u8],
    end: usize,
}

/// The segment at a place; `None` when the bytes end before it does.
fn segment(bytes: &[u8], mut at: usize) -> Result<Option<Segment<'_>>, Fault> {
    if bytes.get(at).is_some_and(|&byte| byte != 0xff) {
        return Err(Fault::damaged(format!("there is no marker at byte {at}")));
    }
    while bytes.get(at) == Some(&0xff) {
        at += 1;
    }
    let Some(&marker) = bytes.get(at) else {
        return Ok(None);
    };
    let start = at + 1;
    match marker {
        END_OF_IMAGE | 0x01 => {
            let (body, end) = (&[][..], start);
            return Ok(Some(Segment { marker, body, end }));
        }
        0x00 | 0x02..=0xbf | 0xd0..=0xd8 => {
            return Err(Fault::damaged(format!(
                "the marker {marker:#04x} stands where none may"
            )));
        }
        _ => {}
    }
    let Some(&[high, low]) = bytes.get(start..start + 2) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length < 2 {
        return Err(Fault::damaged("a segment is shorter than its length"));
    }
    let Some(body) = bytes.get(start + 2..start + length) else {
        return Ok(None);
    };
    let end = start + length;
    Ok(Some(Segment { marker, body, end }))
}

/// Walks the whole file, as far as its end-of-image marker; what follows it is not looked at.
///
/// # Errors
/// When the file ends before that, or a code in it cannot be.
fn walk(bytes: &[u8]) -> Result<(), Fault> {
    let (frame, _) = frame(bytes)?.ok_or_else(Fault::cut)?;
    let mut tables = Tables::default();
    let mut progress = Progress::of(&frame);
    let mut at = 2;
    loop {
        let Segment { marker, body, end } = segment(bytes, at)?.ok_or_else(Fault::cut)?;
        at = match marker {
            END_OF_IMAGE => return progress.finish(),
            START_OF_SCAN => Scan::parse(&frame, body)?.walk(&tables, &mut progress, bytes, end)?,
            0xc4 => {
                tables.define(body)?;
                end
            }
            0xdd => {
                let &[high, low] = body else {
                    return Err(Fault::damaged("its restart interval has no length"));
                };
                tables.restart = usize::from(u16::from_be_bytes([high, low]));
                end
            }
            _ => end,
        };
    }
}

/// What segments before a scan set for it.
#[derive(Default)]
struct Tables {
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    /// Units between restart markers; 0 for none.
    restart: usize,
}

impl Tables {
    fn define(&mut self, mut body: &[u8]) -> Result<(), Fault> {
        while let [place, rest @ ..] = body {
            let (table, rest) = Table::parse(rest)?;
            let kind = if place >> 4 == 0 {
                &mut self.dc
            } else {
                &mut self.ac
            };
            let slot = kind.get_mut(usize::from(place & 15));
            *slot.ok_or_else(|| Fault::damaged("it has more than four code tables"))? = Some(table);
            body = rest;
        }
        Ok(())
    }
}

/// A decoded file.
pub(super) struct Decoded {
    pub width: u32,
    pub height: u32,
    /// Eight bits a sample; one (grey), three (RGB) or four (inks, CMYK, 255 is full) a pixel.
    pub samples: Vec<u8>,
    pub exif: Option<Vec<u8>>,
    pub profile: Option<Vec<u8>>,
}

/// The pixels of a whole file, within a few levels of libjpeg's: the same upsampling, the same
/// conversion of inks, which are taken as inverted with Adobe's marker and without.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, Fault> {
    walk(bytes)?;
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    let samples = decoder.decode()?;
    let info = decoder
        .info()
        .ok_or_else(|| Fault::damaged("it has no frame header"))?;
    Ok(Decoded {
        width: info.width.into(),
        height: info.height.into(),
        samples,
        exif: decoder.exif_data().map(Vec::from),
        profile: decoder.icc_profile(),
    })
}
