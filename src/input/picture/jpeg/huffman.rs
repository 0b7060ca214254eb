//! Huffman codes, and the bits that they are read from.

use super::Fault;

/// The codes of one table, shortest first.
pub(super) struct Table {
    /// For codes of each length up to 16 the first 16-bit word beyond them.
    limits: [u32; 16],
    /// What to add to a code of each length to have its place in `symbols`.
    offsets: [i32; 16],
    symbols: Vec<u8>,
}

impl Table {
    /// Reads one table of a segment; returns the rest of the segment too.
    pub(super) fn parse(body: &[u8]) -> Result<(Self, &[u8]), Fault> {
        let short = || Fault::damaged("a code table is cut short");
        let (counts, rest) = body.split_first_chunk::<16>().ok_or_else(short)?;
        let all = counts.iter().map(|&count| usize::from(count)).sum();
        let (symbols, rest) = rest.split_at_checked(all).ok_or_else(short)?;
        let (mut code, mut place) = (0u32, 0i32);
        let (mut limits, mut offsets) = ([0; 16], [0; 16]);
        for (index, &count) in counts.iter().enumerate() {
            offsets[index] = place - code as i32;
            code += u32::from(count);
            place += i32::from(count);
            if code > 2 << index {
                return Err(Fault::damaged(
                    "a code table has more codes than there can be",
                ));
            }
            limits[index] = code << (15 - index);
            code <<= 1;
        }
        let table = Self {
            limits,
            offsets,
            symbols: symbols.to_vec(),
        };
        Ok((table, rest))
    }
}

/// The bits of entropy-coded data, up to the next marker.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The first byte that is not in `buffer`.
    at: usize,
    /// Bits that were read, the next one highest.
    buffer: u64,
    held: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            buffer: 0,
            held: 0,
        }
    }

    fn fill(&mut self) {
        while self.held <= 56 {
            let byte = match self.bytes.get(self.at..) {
                Some([0xff, 0x00, ..]) => {
                    self.at += 1;
                    0xff
                }
                Some([0xff, ..] | []) | None => return,
                Some([byte, ..]) => *byte,
            };
            self.at += 1;
            self.buffer |= u64::from(byte) << (56 - self.held);
            self.held += 8;
        }
    }

    fn drop(&mut self, count: u32) -> Result<(), Fault> {
        if count > self.held {
            return Err(self.ended());
        }
        self.buffer <<= count;
        self.held -= count;
        Ok(())
    }

    /// The data ended in the middle of a block: with the file, or at a marker.
    fn ended(&self) -> Fault {
        match self.bytes.get(self.at..self.at + 2) {
            None => Fault::cut(),
            Some(_) => Fault::damaged(format!("its data end too early, at byte {}", self.at)),
        }
    }

    /// The next bits, at most 16, as a number.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, Fault> {
        if count == 0 {
            return Ok(0);
        }
        if count > self.held {
            self.fill();
        }
        let value = (self.buffer >> (64 - count)) as u32;
        self.drop(count)?;
        Ok(value)
    }

    /// The next symbol.
    pub(super) fn symbol(&mut self, table: &Table) -> Result<u8, Fault> {
        if self.held < 16 {
            self.fill();
        }
        let word = (self.buffer >> 48) as u32;
        let length = table.limits.iter().position(|&limit| word < limit);
        let symbol = length.and_then(|index| {
            let place = (word >> (15 - index)) as i32 + table.offsets[index];
            table.symbols.get(place as usize).copied()
        });
        match (length, symbol) {
            (Some(index), Some(symbol)) => {
                self.drop(index as u32 + 1)?;
                Ok(symbol)
            }
            _ if self.held < 16 => Err(self.ended()),
            _ => Err(Fault::damaged(format!(
                "there is no such code as before byte {}",
                self.at
            ))),
        }
    }

    /// A number of so many bits, whose first bit tells its sign.
    pub(super) fn number(&mut self, bits: u32) -> Result<i32, Fault> {
        let value = self.take(bits)? as i32;
        Ok(match bits {
            0 => 0,
            _ if value >> (bits - 1) == 0 => value - (1 << bits) + 1,
            _ => value,
        })
    }

    /// The place of the marker that follows, when nothing but the padding of the last byte lies
    /// before it.
    pub(super) fn finish(mut self) -> Result<usize, Fault> {
        self.fill();
        match self.bytes.get(self.at..self.at + 2) {
            None => Err(Fault::cut()),
            Some(_) if self.held < 8 => Ok(self.at),
            Some(_) => Err(Fault::damaged(format!(
                "more data than its pixels take lie before byte {}",
                self.at
            ))),
        }
    }
}
