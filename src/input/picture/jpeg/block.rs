//! The coefficients of a block, code by code.

use super::huffman::{Bits, Table};
use super::{Fault, RESTARTS};

/// The last coefficient of a block, in the order in which they are coded.
pub(super) const LAST: usize = 63;

/// Most bits of a difference of two blocks' means, and of any other coefficient, with eight bits a
/// sample.
const MEAN_BITS: u32 = 11;
const OTHER_BITS: u32 = 10;

/// Means, before they are multiplied by their quantum, lie within these.
const MEANS: std::ops::RangeInclusive<i32> = -2048..=2047;

fn beyond() -> Fault {
    Fault::damaged("a block has more coefficients than there are")
}

/// What is carried from block to block.
pub(super) struct Blocks<'a> {
    bits: Bits<'a>,
    bytes: &'a [u8],
    /// The last block's mean, of each component of the scan.
    means: Vec<i32>,
    /// Blocks to come that have no more coefficients.
    empty: u32,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize, components: usize) -> Self {
        Self {
            bits: Bits::new(bytes, at),
            bytes,
            means: vec![0; components],
            empty: 0,
        }
    }

    /// Begins anew after a restart marker, which must be the one with this number.
    pub(super) fn restart(self, number: usize) -> Result<Self, Fault> {
        let Self {
            bits, bytes, means, ..
        } = self;
        let mut at = bits.finish()?;
        while bytes.get(at + 1) == Some(&0xff) {
            at += 1;
        }
        let expected = RESTARTS.start() + (number % 8) as u8;
        match bytes.get(at + 1) {
            Some(&marker) if marker == expected => Ok(Self::new(bytes, at + 2, means.len())),
            Some(_) => Err(Fault::damaged(format!(
                "a restart marker is missing at byte {at}"
            ))),
            None => Err(Fault::cut()),
        }
    }

    pub(super) fn mean(&mut self, table: &Table, component: usize) -> Result<(), Fault> {
        let bits = u32::from(self.bits.symbol(table)?);
        if bits > MEAN_BITS {
            return Err(Fault::damaged("a block's mean is out of range"));
        }
        let mean = self.means[component] + self.bits.number(bits)?;
        if !MEANS.contains(&mean) {
            return Err(Fault::damaged("a block's mean is out of range"));
        }
        self.means[component] = mean;
        Ok(())
    }

    pub(super) fn refine_mean(&mut self) -> Result<(), Fault> {
        self.bits.take(1).map(drop)
    }

    /// The place of the marker after the last block.
    pub(super) fn finish(self) -> Result<usize, Fault> {
        self.bits.finish()
    }

    fn coefficient(&mut self, bits: u32) -> Result<(), Fault> {
        if bits > OTHER_BITS {
            return Err(Fault::damaged("a coefficient is out of range"));
        }
        self.bits.take(bits).map(drop)
    }

    /// All coefficients but the mean of a sequential block.
    pub(super) fn sequential(&mut self, table: &Table) -> Result<(), Fault> {
        let mut next = 1;
        while next <= LAST {
            let symbol = self.bits.symbol(table)?;
            let (zeros, bits) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (zeros, bits) {
                (0, 0) => return Ok(()),
                (15, 0) => next += 16,
                (_, 0) => return Err(Fault::damaged("a code means nothing")),
                _ => {
                    next += zeros + 1;
                    if next > LAST + 1 {
                        return Err(beyond());
                    }
                    self.coefficient(bits)?;
                }
            }
        }
        Ok(())
    }

    /// The upper bits of a band of coefficients.
    pub(super) fn others(
        &mut self,
        table: &Table,
        first: usize,
        last: usize,
        nonzero: &mut u64,
    ) -> Result<(), Fault> {
        if self.empty > 0 {
            self.empty -= 1;
            return Ok(());
        }
        let mut next = first;
        while next <= last {
            let symbol = self.bits.symbol(table)?;
            let (zeros, bits) = (symbol >> 4, u32::from(symbol & 15));
            match (zeros, bits) {
                (15, 0) => next += 16,
                (_, 0) => {
                    self.empty = (1 << zeros) - 1 + self.bits.take(u32::from(zeros))?;
                    return Ok(());
                }
                _ => {
                    next += usize::from(zeros);
                    if next > last {
                        return Err(beyond());
                    }
                    self.coefficient(bits)?;
                    *nonzero |= 1 << next;
                    next += 1;
                }
            }
        }
        Ok(())
    }

    /// One more bit of a band of coefficients.
    pub(super) fn refine(
        &mut self,
        table: &Table,
        first: usize,
        last: usize,
        nonzero: &mut u64,
    ) -> Result<(), Fault> {
        let mut next = first;
        while self.empty == 0 && next <= last {
            let symbol = self.bits.symbol(table)?;
            let (zeros, bits) = (symbol >> 4, symbol & 15);
            match (zeros, bits) {
                (15, 0) => {}
                (_, 0) => {
                    self.empty = (1 << zeros) + self.bits.take(u32::from(zeros))?;
                    break;
                }
                (_, 1) => self.bits.take(1).map(drop)?,
                _ => return Err(Fault::damaged("a refinement has more than one bit")),
            }
            let mut zeros = zeros;
            while next <= last {
                if *nonzero >> next & 1 == 1 {
                    self.bits.take(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                next += 1;
            }
            if bits == 1 {
                if next > last {
                    return Err(beyond());
                }
                *nonzero |= 1 << next;
            }
            next += 1;
        }
        if self.empty > 0 {
            for place in next..=last {
                if *nonzero >> place & 1 == 1 {
                    self.bits.take(1)?;
                }
            }
            self.empty -= 1;
        }
        Ok(())
    }
}
