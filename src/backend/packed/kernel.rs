//! The tiles: up to six rows by one panel, in registers.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::finish::{Last, PlainOne, Rows, finish_group, finish_plain};
use super::{BLOCK_ELEMENTS, Mask8, Multiply, Part, Places, TILE_ROWS, WIDEST};
use crate::backend::cpu::Real;

/// The panel width of `f64`, whose tiles are plain loops.
const PLAIN_WIDTH: usize = 8;

/// Computes tiles.
trait Tiles {
    /// A few rows by one panel. Inlined, not a closure: a closure would be compiled for the
    /// smallest machine.
    fn tile(&self, rows: Range<usize>, panel: usize);
}

/// Every tile of a part: rows in blocks that stay in the cache, panels within a block, and within
/// a panel tiles of almost equal heights.
#[inline(always)]
fn for_each_tile<T: Real>(part: &Part<T>, tiles: &impl Tiles) {
    let rows = &part.rows;
    let block = if part.w.panels.len() <= BLOCK_ELEMENTS {
        // The whole matrix stays in the cache: rows are written, and summed with others, in order.
        TILE_ROWS
    } else {
        (BLOCK_ELEMENTS / part.w.depth.max(1)).max(TILE_ROWS)
    };
    let mut start = rows.start;
    while start < rows.end {
        let end = rows.end.min(start + block);
        for panel in part.panels.clone() {
            let mut row = start;
            let mut left = (end - start).div_ceil(TILE_ROWS);
            while row < end {
                let height = (end - row).div_ceil(left);
                tiles.tile(row..row + height, panel);
                row += height;
                left -= 1;
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
unsafe fn place<'a, T: Real>(
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
        rows.each(&PlainOne);
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

impl Tiles for Plain<'_> {
    fn tile(&self, rows: Range<usize>, panel: usize) {
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

impl Multiply for f32 {
    fn panel_width() -> usize {
        Arch::new().dispatch(PanelWidth)
    }

    fn finish(rows: Rows<Self>) {
        Arch::new().dispatch(rows);
    }

    fn multiply_part(part: Part<Self>, places: &Places<Self>) {
        Arch::new().dispatch(Vectors { part, places });
    }
}

/// Vectors of a panel: two, or four of those with only four lanes.
#[inline(always)]
fn vectors<S: Simd>() -> usize {
    if S::F32_LANES <= 4 { 4 } else { 2 }
}

struct PanelWidth;

impl WithSimd for PanelWidth {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        (vectors::<S>() * S::F32_LANES).max(8)
    }
}

struct Vectors<'a> {
    part: Part<'a, f32>,
    places: &'a Places<'a, f32>,
}

impl WithSimd for Vectors<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let part = &self.part;
        match vectors::<S>() {
            4 if S::F32_LANES == 1 => for_each_tile(part, &Wide::<S, 8> { work: &self, simd }),
            4 => for_each_tile(part, &Wide::<S, 4> { work: &self, simd }),
            _ => for_each_tile(part, &Wide::<S, 2> { work: &self, simd }),
        }
    }
}

/// Tiles of `f32` in panels of `V` vectors.
struct Wide<'a, S, const V: usize> {
    work: &'a Vectors<'a>,
    simd: S,
}

impl<S: Simd, const V: usize> Tiles for Wide<'_, S, V> {
    #[inline(always)]
    fn tile(&self, rows: Range<usize>, panel: usize) {
        let (work, simd) = (self.work, self.simd);
        match rows.len() {
            6 => work.tile::<S, 6, V>(simd, rows.start, panel),
            5 => work.tile::<S, 5, V>(simd, rows.start, panel),
            4 => work.tile::<S, 4, V>(simd, rows.start, panel),
            3 => work.tile::<S, 3, V>(simd, rows.start, panel),
            2 => work.tile::<S, 2, V>(simd, rows.start, panel),
            _ => work.tile::<S, 1, V>(simd, rows.start, panel),
        }
    }
}

impl Vectors<'_> {
    /// `R` rows by one panel of `V` vectors.
    #[inline(always)]
    #[expect(
        clippy::manual_memcpy,
        clippy::needless_range_loop,
        reason = "what is only indexed by constants stays in registers"
    )]
    fn tile<S: Simd, const R: usize, const V: usize>(&self, simd: S, row: usize, panel: usize) {
        let (part, depth) = (&self.part, self.part.w.depth);
        let (w, _) = S::as_simd_f32s(part.w.panel(panel));
        let stride = part.matrices * depth;
        let x = &part.x[part.source(row)..][..(R - 1) * stride + depth];
        // SAFETY: the panel holds `V` vectors for each of `depth` numbers, and `x` holds `R` rows of
        // `depth` numbers, `stride` apart, as sliced above.
        let sums = unsafe { sums::<S, R, V>(simd, x.as_ptr(), stride, depth, w.as_ptr()) };
        let first = panel * V * S::F32_LANES;
        let count = (V * S::F32_LANES).min(part.w.outputs - first);
        for r in 0..R {
            // SAFETY: the row and the panel are of this part.
            let Place { y, bias, add, last } =
                unsafe { place(part, self.places, row + r, first, count) };
            if count == V * S::F32_LANES {
                let (y, _) = S::as_mut_simd_f32s(y);
                let finished = finish_group(simd, sums[r], bias, add, last);
                for v in 0..V {
                    y[v] = finished[v];
                }
            } else {
                let mut whole = [0f32; WIDEST];
                let (vectors, _) = S::as_mut_simd_f32s(&mut whole);
                for v in 0..V {
                    vectors[v] = sums[r][v];
                }
                y.copy_from_slice(&whole[..count]);
                finish_plain(y, bias, add, last);
            }
        }
    }
}

/// The sums of `R` rows of `x`, `stride` apart, by a panel. By value, so that they stay in
/// registers.
///
/// # Safety
/// `x` leads to `R` rows of `depth` numbers, `w` to `depth * V` vectors.
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "what is only indexed by constants stays in registers"
)]
unsafe fn sums<S: Simd, const R: usize, const V: usize>(
    simd: S,
    x: *const f32,
    stride: usize,
    depth: usize,
    w: *const S::f32s,
) -> [[S::f32s; V]; R] {
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    let mut k = 0;
    while k < depth {
        let mut own = [simd.splat_f32s(0.0); V];
        for v in 0..V {
            // SAFETY: see above.
            own[v] = unsafe { w.add(k * V + v).read() };
        }
        for r in 0..R {
            // SAFETY: see above.
            let x = simd.splat_f32s(unsafe { x.add(r * stride + k).read() });
            for v in 0..V {
                sums[r][v] = simd.mul_add_e_f32s(x, own[v], sums[r][v]);
            }
        }
        k += 1;
    }
    sums
}
