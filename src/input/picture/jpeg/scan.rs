//! One scan's entropy-coded data, walked block by block without computing a pixel: sequential, or
//! one of the four kinds of a progressive file.

use super::block::{Blocks, LAST};
use super::{Component, Fault, Frame, Tables};

/// What scans have told of the picture so far.
pub(super) struct Progress {
    /// Of each component, whether a scan held it.
    seen: Vec<bool>,
    /// Of each component of a progressive file, a bit for every coefficient of every block that
    /// is not zero: a later scan that refines it has a bit for it.
    nonzero: Vec<Vec<u64>>,
}

impl Progress {
    pub(super) fn of(frame: &Frame) -> Self {
        let (across, down) = frame.units();
        let blocks = |c: &Component| match frame.is_progressive {
            true => vec![0; across * down * c.across * c.down],
            false => Vec::new(),
        };
        Self {
            seen: vec![false; frame.components.len()],
            nonzero: frame.components.iter().map(blocks).collect(),
        }
    }

    pub(super) fn finish(self) -> Result<(), Fault> {
        match self.seen.iter().all(|&seen| seen) {
            true => Ok(()),
            false => Err(Fault::damaged("a colour component has no data")),
        }
    }
}

/// A scan's header.
pub(super) struct Scan<'a> {
    frame: &'a Frame,
    /// Numbers of its components in the frame, with those of their tables.
    parts: Vec<Part>,
    /// The coefficients that it codes.
    first: usize,
    last: usize,
    is_refinement: bool,
}

struct Part {
    component: usize,
    dc: usize,
    ac: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn parse(frame: &'a Frame, body: &[u8]) -> Result<Self, Fault> {
        let wrong = || Fault::damaged("a scan header cannot be");
        let (&count, rest) = body.split_first().ok_or_else(wrong)?;
        let (parts, rest) = rest
            .split_at_checked(2 * usize::from(count))
            .ok_or_else(wrong)?;
        let &[first, last, approximation] = rest else {
            return Err(wrong());
        };
        let part = |pair: &[u8]| {
            let component = frame.components.iter().position(|c| c.id == pair[0])?;
            let (dc, ac) = (usize::from(pair[1] >> 4), usize::from(pair[1] & 15));
            (dc < 4 && ac < 4).then_some(Part { component, dc, ac })
        };
        let parts: Option<Vec<Part>> = parts.chunks_exact(2).map(part).collect();
        let parts = parts.filter(|parts| !parts.is_empty()).ok_or_else(wrong)?;
        let (first, last) = (usize::from(first), usize::from(last));
        let fits = match (frame.is_progressive, first) {
            (false, _) => true,
            (true, 0) => last == 0,
            (true, _) => first <= last && last <= LAST && parts.len() == 1,
        };
        if !fits {
            return Err(wrong());
        }
        Ok(Self {
            frame,
            parts,
            first,
            last,
            is_refinement: frame.is_progressive && approximation >> 4 > 0,
        })
    }

    /// Walks the data that begin at `at`; returns the place of the marker after them.
    pub(super) fn walk(
        &self,
        tables: &Tables,
        progress: &mut Progress,
        bytes: &[u8],
        at: usize,
    ) -> Result<usize, Fault> {
        let (across, down) = self.units();
        let mut blocks = Blocks::new(bytes, at, self.parts.len());
        for unit in 0..across * down {
            if tables.restart > 0 && unit > 0 && unit % tables.restart == 0 {
                blocks = blocks.restart(unit / tables.restart - 1)?;
            }
            for (index, part) in self.parts.iter().enumerate() {
                let component = &self.frame.components[part.component];
                let (columns, rows) = match self.parts.len() {
                    1 => (1, 1),
                    _ => (component.across, component.down),
                };
                let stride = self.frame.units().0 * component.across;
                for block in 0..columns * rows {
                    let column = unit % across * columns + block % columns;
                    let row = unit / across * rows + block / columns;
                    let nonzero = progress.nonzero[part.component].get_mut(row * stride + column);
                    self.block(part, tables, &mut blocks, index, nonzero)?;
                }
            }
        }
        for part in &self.parts {
            progress.seen[part.component] = true;
        }
        blocks.finish()
    }

    /// Units across and down: of a single component its own blocks.
    fn units(&self) -> (usize, usize) {
        let [part] = self.parts.as_slice() else {
            return self.frame.units();
        };
        let component = &self.frame.components[part.component];
        let (across, down) = self.frame.most();
        let blocks = |pixels: usize, factor: usize, most: usize| {
            (pixels * factor).div_ceil(most).div_ceil(8)
        };
        (
            blocks(self.frame.width, component.across, across),
            blocks(self.frame.height, component.down, down),
        )
    }

    fn block(
        &self,
        part: &Part,
        tables: &Tables,
        blocks: &mut Blocks,
        index: usize,
        nonzero: Option<&mut u64>,
    ) -> Result<(), Fault> {
        let dc = || tables.dc[part.dc].as_ref().ok_or_else(missing_table);
        let ac = || tables.ac[part.ac].as_ref().ok_or_else(missing_table);
        let Some(nonzero) = nonzero else {
            blocks.mean(dc()?, index)?;
            return blocks.sequential(ac()?);
        };
        match (self.first, self.is_refinement) {
            (0, false) => blocks.mean(dc()?, index),
            (0, true) => blocks.refine_mean(),
            (_, false) => blocks.others(ac()?, self.first, self.last, nonzero),
            (_, true) => blocks.refine(ac()?, self.first, self.last, nonzero),
        }
    }
}

fn missing_table() -> Fault {
    Fault::damaged("it lacks a code table")
}
