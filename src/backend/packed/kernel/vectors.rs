//! Tiles of `f32`, in vectors.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::super::finish::{Rows, finish_group, finish_plain};
use super::super::{Multiply, Part, Places, WIDEST};
use super::{Ahead, Place, Tiles, for_each_tile, place};

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

impl<S: Simd, const V: usize> Tiles<f32> for Wide<'_, S, V> {
    /// With two vectors a row, three quarters of the machine's registers are sums, enough to hide
    /// the latency of a multiply-add: 12 of 16, or 24 of AVX-512's 32.
    const ROWS: usize = if S::F32_LANES == 16 { 12 } else { 6 };

    #[inline(always)]
    fn tile(&self, rows: Range<usize>, panel: usize, ahead: Ahead<f32>) {
        let (work, simd) = (self.work, self.simd);
        match rows.len() {
            12 => work.tile::<S, 12, V>(simd, rows.start, panel, ahead),
            11 => work.tile::<S, 11, V>(simd, rows.start, panel, ahead),
            10 => work.tile::<S, 10, V>(simd, rows.start, panel, ahead),
            9 => work.tile::<S, 9, V>(simd, rows.start, panel, ahead),
            8 => work.tile::<S, 8, V>(simd, rows.start, panel, ahead),
            7 => work.tile::<S, 7, V>(simd, rows.start, panel, ahead),
            6 => work.tile::<S, 6, V>(simd, rows.start, panel, ahead),
            5 => work.tile::<S, 5, V>(simd, rows.start, panel, ahead),
            4 => work.tile::<S, 4, V>(simd, rows.start, panel, ahead),
            3 => work.tile::<S, 3, V>(simd, rows.start, panel, ahead),
            2 => work.tile::<S, 2, V>(simd, rows.start, panel, ahead),
            _ => work.tile::<S, 1, V>(simd, rows.start, panel, ahead),
        }
    }
}

impl Vectors<'_> {
    /// `R` rows by one panel of `V` vectors.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        row: usize,
        panel: usize,
        ahead: Ahead<f32>,
    ) {
        let (part, depth) = (&self.part, self.part.w.depth);
        let (w, _) = S::as_simd_f32s(part.w.panel(panel));
        let stride = part.matrices * depth;
        let x = &part.x[part.source(row)..][..(R - 1) * stride + depth];
        let first = panel * V * S::F32_LANES;
        for r in 0..R {
            let start = ((row + r) * part.matrices + part.index) * part.w.outputs + first;
            fetch::<S, V>(self.places.elements.wrapping_add(start));
            if let Some(add) = self.places.epilogue.add {
                fetch::<S, V>(add.as_ptr().wrapping_add(start));
            }
        }
        // SAFETY: the panel holds `V` vectors for each of `depth` numbers, and `x` holds `R` rows of
        // `depth` numbers, `stride` apart, as sliced above.
        let sums = unsafe { sums::<S, R, V>(simd, x.as_ptr(), stride, depth, w.as_ptr(), ahead) };
        // Written out: sums that a loop indexes would go through memory.
        macro_rules! write {
            ($($r:literal)*) => {
                $(if $r < R {
                    self.write(simd, sums[$r], row + $r, first);
                })*
            };
        }
        write!(0 1 2 3 4 5 6 7 8 9 10 11);
    }

    /// Finishes the sums of one row and a panel, and writes them.
    #[inline(always)]
    #[expect(
        clippy::manual_memcpy,
        reason = "what is only indexed by constants stays in registers"
    )]
    fn write<S: Simd, const V: usize>(
        &self,
        simd: S,
        sums: [S::f32s; V],
        row: usize,
        first: usize,
    ) {
        let count = (V * S::F32_LANES).min(self.part.w.outputs - first);
        // SAFETY: the row and the panel are of this part.
        let Place { y, bias, add, last } =
            unsafe { place(&self.part, self.places, row, first, count) };
        if count == V * S::F32_LANES {
            let (y, _) = S::as_mut_simd_f32s(y);
            let finished = finish_group(simd, sums, bias, add, last);
            for v in 0..V {
                y[v] = finished[v];
            }
        } else {
            let mut whole = [0f32; WIDEST];
            let (vectors, _) = S::as_mut_simd_f32s(&mut whole);
            for v in 0..V {
                vectors[v] = sums[v];
            }
            y.copy_from_slice(&whole[..count]);
            finish_plain(y, bias, add, last);
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
    ahead: Ahead<f32>,
) -> [[S::f32s; V]; R] {
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    let mut k = 0;
    let mut due = ahead.first;
    while k < depth {
        if due == k {
            fetch::<S, V>(ahead.panel.wrapping_add(k * V * S::F32_LANES));
            due += ahead.every;
        }
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

/// Numbers of a cache line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 16;

/// Asks for the cache lines of `V` vectors at a place, which need not exist.
#[inline(always)]
fn fetch<S: Simd, const V: usize>(place: *const f32) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..(V * S::F32_LANES).div_ceil(LINE) {
        // SAFETY: a hint, without effect on what the program computes, wherever it points.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(place.wrapping_add(line * LINE).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use pulp::Scalar;
    use pulp::x86::{V3, V4};

    use super::super::super::{Mask8, Packed, Shared};
    use super::*;
    use crate::backend::mask::Mask;

    /// `relu(x . w + bias + add)` and its mask, by the vectors of one machine.
    fn product<S: Simd>(simd: S, [rows, depth, outputs]: [usize; 3]) -> (Vec<f32>, Mask) {
        let wave = |i: usize| (i as f32 * 0.71).sin();
        let width = simd.vectorize(PanelWidth);
        let mut w = Packed::new(depth, outputs, |k, o| wave(k * outputs + o));
        let mut panels =
            crate::backend::buffer::Buffer::zeros(outputs.div_ceil(width) * depth * width);
        for k in 0..depth {
            for o in 0..outputs {
                panels[(o / width * depth + k) * width + o % width] = w.element(k, o);
            }
        }
        (w.panels, w.width) = (panels, width);
        let x: Vec<f32> = (0..rows * depth).map(|i| wave(i + 5)).collect();
        let bias: Vec<f32> = (0..outputs).map(|i| wave(i + 17)).collect();
        let add: Vec<f32> = (0..rows * outputs).map(|i| wave(i + 3)).collect();
        let mut y = vec![f32::NAN; rows * outputs];
        let mut mask = Mask::new(rows, outputs);
        let places = Places {
            elements: y.as_mut_ptr(),
            mask: Mask8::Write {
                bytes: mask.bytes.as_mut_ptr(),
                stride: mask.stride,
            },
            epilogue: Shared {
                bias: Some(&bias),
                add: Some(&add),
            },
        };
        let part = Part {
            x: &x,
            w: &w,
            next: &w,
            index: 0,
            matrices: 1,
            rows: 0..rows,
            panels: 0..outputs.div_ceil(width),
        };
        simd.vectorize(Vectors {
            part,
            places: &places,
        });
        (y, mask)
    }

    #[test]
    fn wide_vectors_give_the_same_bits_and_single_numbers_are_close() {
        let Some(v3) = V3::try_new() else { return };
        for sizes in [[1, 3, 7], [25, 40, 32], [13, 29, 70], [7, 300, 96]] {
            let (y, mask) = product(v3, sizes);
            if let Some(v4) = V4::try_new() {
                let (wider, wider_mask) = product(v4, sizes);
                assert!(wider == y, "{sizes:?}");
                assert!(wider_mask.bytes == mask.bytes, "{sizes:?}");
            }
            // Rounded twice a multiply-add.
            let (single, _) = product(Scalar, sizes);
            for (single, y) in single.iter().zip(&y) {
                assert!((single - y).abs() < 1e-5, "{sizes:?}");
            }
        }
    }
}
