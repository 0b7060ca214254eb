//! The tiles: a few rows by one panel, in registers (`vectors`).

mod vectors;

use std::ops::Range;

use super::finish::{Last, PlainRows, Rows, finish_plain};
use super::{BLOCK_ELEMENTS, FAR_ELEMENTS, Mask8, Multiply, Part, Places};

/// The panel width of `f64`, whose tiles are plain loops.
const PLAIN_WIDTH: usize = 8;

/// Computes tiles.
trait Tiles<T> {
    /// Rows of a tile, at most.
    const ROWS: usize;

    /// A few rows by one panel. Inlined, not a closure: a closure would be compiled for the
    /// smallest machine.
    fn tile(&self, rows: Range<usize>, panel: usize, ahead: Ahead<T>);
}

/// What a tile fetches for those after it, while it computes: of the panel that comes next, one
/// depth in `every`, from `first` on. The tiles of a panel share the next one among themselves.
#[derive(Clone, Copy)]
struct Ahead<T> {
    panel: *const T,
    first: usize,
    every: usize,
}

/// Every tile of a part: rows in blocks that stay in the cache, panels within a block, and within
/// a panel tiles of almost equal heights.
#[inline(always)]
fn for_each_tile<T: Multiply, W: Tiles<T>>(part: &Part<T>, tiles: &W) {
    let rows = &part.rows;
    let block = if part.w.panels.len() <= BLOCK_ELEMENTS {
        // The whole matrix stays in the cache: rows are written, and summed with others, in order.
        W::ROWS
    } else {
        let most = BLOCK_ELEMENTS << u32::from(part.w.panels.len() > FAR_ELEMENTS);
        let most = (most / part.w.depth.max(1)).max(W::ROWS);
        rows.len().div_ceil(rows.len().div_ceil(most).max(1)).max(1)
    };
    let is_far = part.w.panels.len() * part.matrices > BLOCK_ELEMENTS;
    let mut start = rows.start;
    while start < rows.end {
        let end = rows.end.min(start + block);
        for panel in part.panels.clone() {
            let next = match panel + 1 < part.panels.end {
                true => part.w.panel(panel + 1),
                false => part.next.panel(part.panels.start),
            };
            let mut row = start;
            let count = (end - start).div_ceil(W::ROWS);
            for tile in 0..count {
                let height = (end - row).div_ceil(count - tile);
                let ahead = Ahead {
                    panel: next.as_ptr(),
                    first: if is_far { tile } else { usize::MAX },
                    every: count,
                };
                tiles.tile(row..row + height, panel, ahead);
                row += height;
            }
        }
        start = end;
    }
}

/// One row of a tile: where it lies, and what belongs to it.
struct Place<'a, T> {
    y: &'a mut [T],
    bias: Option<&'a [T]>,
    add: Option<&'a [T]>,
    last: Last<'a>,
}

/// # Safety
/// The row and the panel belong to the caller's part, `count` is what the panel has of outputs, and
/// no two places of one row and panel are alive at once.
#[inline(always)]
unsafe fn place<'a, T: Multiply>(
    part: &Part<T>,
    places: &Places<'a, T>,
    row: usize,
    first: usize,
    count: usize,
) -> Place<'a, T> {
    let start = (row * part.matrices + part.index) * part.w.outputs + first;
    let (bytes, offset) = (count.div_ceil(8), first / 8);
    // SAFETY: the slices lie within `y` and the mask, whose lengths `multiply_each` has checked,
    // and no other task or tile has this row and panel.
    unsafe {
        Place {
            y: std::slice::from_raw_parts_mut(places.elements.add(start), count),
            bias: places.epilogue.bias.map(|bias| &bias[first..first + count]),
            add: places.epilogue.add.map(|add| &add[start..start + count]),
            last: match places.mask {
                Mask8::None => Last::Keep,
                Mask8::Write {
                    bytes: mask,
                    stride,
                } => Last::Relu(std::slice::from_raw_parts_mut(
                    mask.add(row * stride + offset),
                    bytes,
                )),
                Mask8::Read {
                    bytes: mask,
                    stride,
                } => Last::Gate(std::slice::from_raw_parts(
                    mask.add(row * stride + offset),
                    bytes,
                )),
            },
        }
    }
}

impl Multiply for f64 {
    fn panel_width() -> usize {
        PLAIN_WIDTH
    }

    fn finish(rows: Rows<Self>) {
        rows.each(&PlainRows);
    }

    fn multiply_part(part: Part<Self>, places: &Places<Self>) {
        for_each_tile(
            &part,
            &Plain {
                part: &part,
                places,
            },
        );
    }
}

/// Tiles of `f64`, one row after the other.
struct Plain<'a> {
    part: &'a Part<'a, f64>,
    places: &'a Places<'a, f64>,
}

impl Tiles<f64> for Plain<'_> {
    const ROWS: usize = 6;

    fn tile(&self, rows: Range<usize>, panel: usize, _: Ahead<f64>) {
        let (part, w) = (self.part, self.part.w);
        let first = panel * PLAIN_WIDTH;
        for row in rows {
            let mut sums = [0.0; PLAIN_WIDTH];
            let x = &part.x[part.source(row)..][..w.depth];
            for (x, w) in x.iter().zip(w.panel(panel).chunks_exact(PLAIN_WIDTH)) {
                for (sum, w) in sums.iter_mut().zip(w) {
                    *sum += x * w;
                }
            }
            let count = PLAIN_WIDTH.min(w.outputs - first);
            // SAFETY: the row and the panel are of this part.
            let Place { y, bias, add, last } =
                unsafe { place(part, self.places, row, first, count) };
            y.copy_from_slice(&sums[..count]);
            finish_plain(y, bias, add, last);
        }
    }
}
