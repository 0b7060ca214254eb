//! Products of fields with frozen matrices: packed once, multiplied at every step.
//!
//! `y (rows, outputs) = x (rows, depth) . w (depth, outputs)`. The matrix is cut into panels of as
//! many outputs as a tile of the kernel computes at once; a panel holds them together for each
//! depth, in the order in which the kernel reads. What follows a product in a network (bias, sum
//! with another field, ReLU and its bits, or the gate of an earlier ReLU) is done on each tile while
//! it is still in registers or close to them.
//!
//! Every output is one chain of multiply-adds from depth 0 up, whatever rows are computed beside it
//! and on however many threads, so its bits depend on nothing else.

mod bits;
pub mod finish;
mod kernel;
mod tasks;

use std::ops::Range;

use super::buffer::Buffer;
use super::mask::Mask;
use super::number::Number;
use super::threads::{each, each_row};
use finish::Rows;
use tasks::{share, split};

/// The widest panel: two vectors of 16 numbers.
const WIDEST: usize = 32;

/// Elements of `x` that are read against one panel after another, about half of a 512 KiB cache.
const BLOCK_ELEMENTS: usize = 1 << 16;

/// Elements of a matrix from which on it is better not to read it twice.
const FAR_ELEMENTS: usize = 1 << 19;

/// A frozen matrix `(depth, outputs)`.
#[derive(Debug)]
pub struct Packed<T: Multiply> {
    panels: Buffer<T>,
    depth: usize,
    outputs: usize,
    width: usize,
}

impl<T: Multiply> Packed<T> {
    /// From the function that gives the element at `(depth, output)`.
    pub fn new(depth: usize, outputs: usize, element: impl Fn(usize, usize) -> T + Sync) -> Self {
        let width = T::panel_width();
        let mut panels = Buffer::zeros(outputs.div_ceil(width) * depth * width);
        each_row(&mut panels, depth * width, |panel, elements| {
            let first = panel * width;
            for (k, row) in elements.chunks_exact_mut(width).enumerate() {
                for (o, value) in row.iter_mut().enumerate().take(outputs - first) {
                    *value = element(k, first + o);
                }
            }
        });
        Self {
            panels,
            depth,
            outputs,
            width,
        }
    }

    /// The element at `(depth, output)`.
    pub fn element(&self, k: usize, o: usize) -> T {
        self.panels[(o / self.width * self.depth + k) * self.width + o % self.width]
    }

    /// The same elements as an `(outputs, depth)` matrix: what a pullback multiplies by.
    #[must_use]
    pub fn transposed(&self) -> Self {
        Self::new(self.outputs, self.depth, |k, o| self.element(o, k))
    }

    /// Rows of the matrix.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Columns of the matrix.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    fn panel(&self, panel: usize) -> &[T] {
        &self.panels[panel * self.depth * self.width..][..self.depth * self.width]
    }
}

/// What happens to a product before it is written.
pub struct Epilogue<'a, T> {
    /// Added to each row, `(outputs)`.
    pub bias: Option<&'a [T]>,
    /// Added element by element, `(rows, outputs)`.
    pub add: Option<&'a [T]>,
    /// The last step.
    pub finish: Finish<'a>,
}

/// The last step before a product is written.
pub enum Finish<'a> {
    /// Nothing.
    Keep,
    /// ReLU; the mask gets its bits.
    Relu(&'a mut Mask),
    /// Zero where the mask says inactive.
    Gate(&'a Mask),
}

impl<T> Default for Epilogue<'_, T> {
    fn default() -> Self {
        Self {
            bias: None,
            add: None,
            finish: Finish::Keep,
        }
    }
}

/// Places that several threads write to, none of them twice.
#[doc(hidden)]
pub struct Places<'a, T> {
    elements: *mut T,
    mask: Mask8,
    epilogue: Shared<'a, T>,
}

/// An epilogue without its exclusive borrow.
#[derive(Clone, Copy)]
struct Shared<'a, T> {
    bias: Option<&'a [T]>,
    add: Option<&'a [T]>,
}

/// A mask as the tiles see it.
#[derive(Clone, Copy)]
enum Mask8 {
    None,
    Write { bytes: *mut u8, stride: usize },
    Read { bytes: *const u8, stride: usize },
}

// SAFETY: `multiply_each` gives each task matrices, rows and panels of its own; a panel's width is a multiple of
// 8, so that no byte of the mask belongs to two of them. The lifetimes of what the pointers lead
// to span the call.
unsafe impl<T: Sync> Sync for Places<'_, T> {}

/// `y = finish(x . w + bias + add)`, `x` and `y` row-major without gaps.
///
/// # Panics
/// When a slice does not fit the sizes: a defect of the caller.
pub fn multiply<T: Multiply>(x: &[T], w: &Packed<T>, y: &mut [T], epilogue: Epilogue<T>) {
    multiply_each(x, std::slice::from_ref(w), y, epilogue);
}

/// Several products at once, of matrices `w` of one shape: each row of `x` has a row for the first
/// matrix, then one for the second and so on, and so has `y`.
///
/// # Panics
/// When a slice does not fit the sizes, or several matrices come with a bias, a sum or a mask: a
/// defect of the caller.
pub fn multiply_each<T: Multiply>(x: &[T], w: &[Packed<T>], y: &mut [T], epilogue: Epilogue<T>) {
    let Some(Packed {
        depth,
        outputs,
        width,
        ..
    }) = w.first()
    else {
        return;
    };
    let (depth, outputs, width) = (*depth, *outputs, *width);
    let rows = y.len() / (outputs * w.len()).max(1);
    assert!(w.iter().all(|w| (w.depth, w.outputs) == (depth, outputs)));
    assert_eq!(x.len(), rows * depth * w.len());
    assert_eq!(y.len(), rows * outputs * w.len());
    let is_bare = matches!(epilogue.finish, Finish::Keep)
        && epilogue.bias.is_none()
        && epilogue.add.is_none();
    assert!(w.len() == 1 || is_bare);
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == outputs));
    assert!(epilogue.add.is_none_or(|add| add.len() == y.len()));
    let bytes = rows * outputs.div_ceil(8);
    let mask = match epilogue.finish {
        Finish::Keep => Mask8::None,
        Finish::Relu(mask) => {
            assert_eq!(mask.bytes.len(), bytes);
            Mask8::Write {
                bytes: mask.bytes.as_mut_ptr(),
                stride: mask.stride,
            }
        }
        Finish::Gate(mask) => {
            assert_eq!(mask.bytes.len(), bytes);
            Mask8::Read {
                bytes: mask.bytes.as_ptr(),
                stride: mask.stride,
            }
        }
    };
    let places = Places {
        elements: y.as_mut_ptr(),
        mask,
        epilogue: Shared {
            bias: epilogue.bias,
            add: epilogue.add,
        },
    };
    let panels = outputs.div_ceil(width);
    let [matrix_tasks, row_tasks, panel_tasks] = split(
        [w.len(), rows, panels],
        rows * depth * outputs * w.len(),
        w[0].panels.len() > FAR_ELEMENTS,
    );
    let places = &places;
    each(matrix_tasks * row_tasks * panel_tasks, |task| {
        let (matrices, part) = (
            task / (row_tasks * panel_tasks),
            task % (row_tasks * panel_tasks),
        );
        for index in share(w.len(), matrix_tasks, matrices) {
            let part = Part {
                x,
                w: &w[index],
                next: &w[(index + 1) % w.len()],
                index,
                matrices: w.len(),
                rows: share(rows, row_tasks, part / panel_tasks),
                panels: share(panels, panel_tasks, part % panel_tasks),
            };
            T::multiply_part(part, places);
        }
    });
}

/// A part of a product: some rows, some panels.
#[doc(hidden)]
pub struct Part<'a, T: Multiply> {
    x: &'a [T],
    w: &'a Packed<T>,
    /// The matrix whose turn is next.
    next: &'a Packed<T>,
    /// The number of the matrix, of how many.
    index: usize,
    matrices: usize,
    rows: Range<usize>,
    panels: Range<usize>,
}

impl<T: Multiply> Part<'_, T> {
    /// Where a row of `x` starts.
    fn source(&self, row: usize) -> usize {
        (row * self.matrices + self.index) * self.w.depth
    }
}

/// Numbers with a kernel of the product.
pub trait Multiply: Number {
    /// Outputs of a panel: a multiple of 8, at most 32.
    fn panel_width() -> usize;

    /// Finishes rows that another kernel has written.
    fn finish(rows: Rows<Self>);

    /// Computes a part; only [`multiply_each`] can make one.
    fn multiply_part(part: Part<Self>, places: &Places<Self>);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::threads::map_images;

    fn wave<T: Multiply>(count: usize, phase: f64) -> Vec<T> {
        let value = |i: usize| (i as f64 * 0.71 + phase).sin() + (i as f64 * 0.013).cos() * 0.3;
        (0..count).map(|i| T::of(value(i))).collect()
    }

    /// The same, by three loops in `f64`; and the sum before the last thing.
    fn naive<T: Multiply>(x: &[T], w: &Packed<T>, bias: &[T], add: &[T]) -> Vec<f64> {
        let f = |value: T| value.to_f64();
        let rows = x.len() / w.depth;
        let mut y = Vec::new();
        for row in 0..rows {
            for o in 0..w.outputs {
                let products = (0..w.depth).map(|k| f(x[row * w.depth + k]) * f(w.element(k, o)));
                y.push(products.sum::<f64>() + f(bias[o]) + f(add[row * w.outputs + o]));
            }
        }
        y
    }

    fn after<'a, T>(bias: &'a [T], add: &'a [T], finish: Finish<'a>) -> Epilogue<'a, T> {
        Epilogue {
            bias: Some(bias),
            add: Some(add),
            finish,
        }
    }

    fn matches_naive<T: Multiply>(tolerance: f64) {
        for (rows, depth, outputs) in [
            (1, 1, 1),
            (5, 3, 7),
            (6, 16, 16),
            (13, 29, 33),
            (49, 64, 40),
            (200, 31, 67),
        ] {
            let x = wave::<T>(rows * depth, 0.2);
            let matrix = wave::<T>(depth * outputs, 1.3);
            let w = Packed::new(depth, outputs, |k, o| matrix[k * outputs + o]);
            let (bias, add) = (wave::<T>(outputs, 2.0), wave::<T>(rows * outputs, 0.7));
            let expected = naive(&x, &w, &bias, &add);
            let mut mask = Mask::new(rows, outputs);
            let mut y = vec![T::of(f64::NAN); rows * outputs];
            let close = |y: &[T], expected: &dyn Fn(usize) -> f64| {
                for (index, &ours) in y.iter().enumerate() {
                    let error = (ours.to_f64() - expected(index)).abs();
                    let fits = error <= tolerance * (1.0 + depth as f64);
                    assert!(fits, "{rows}x{depth}x{outputs}[{index}] is off by {error}");
                }
            };
            multiply(&x, &w, &mut y, after(&bias, &add, Finish::Keep));
            close(&y, &|index| expected[index]);
            let kept = y.clone();
            y.fill(T::of(f64::NAN));
            multiply(&x, &w, &mut y, after(&bias, &add, Finish::Relu(&mut mask)));
            close(&y, &|index| expected[index].max(0.0));
            for (index, &kept) in kept.iter().enumerate() {
                let active = mask.is_active(index / outputs, index % outputs);
                assert_eq!(active, kept > T::zero());
            }
            y.fill(T::of(f64::NAN));
            multiply(&x, &w, &mut y, after(&bias, &add, Finish::Gate(&mask)));
            close(&y, &|index| {
                if kept[index] > T::zero() {
                    expected[index]
                } else {
                    0.0
                }
            });
            assert_eq!(w.transposed().transposed().panels[..], w.panels[..]);
        }
    }

    #[test]
    fn products_match_the_triple_loop() {
        matches_naive::<f64>(1e-15);
        matches_naive::<f32>(3e-7);
    }

    #[test]
    fn bits_do_not_depend_on_threads_or_on_neighbouring_rows() {
        let (rows, depth, outputs) = (157, 300, 96);
        let x = wave::<f32>(rows * depth, 0.2);
        let matrix = wave::<f32>(depth * outputs, 1.3);
        let w = Packed::new(depth, outputs, |k, o| matrix[k * outputs + o]);
        let run = |x: &[f32]| {
            let mut y = vec![f32::NAN; x.len() / depth * outputs];
            multiply(x, &w, &mut y, Epilogue::default());
            y
        };
        let outside = run(&x);
        let copies = vec![&x; rayon::current_num_threads()];
        for alone in map_images(copies, |_, x| run(x)) {
            assert_eq!(outside, alone);
        }
        for row in [0, 5, 100] {
            let alone = run(&x[row * depth..][..depth]);
            assert_eq!(alone, outside[row * outputs..][..outputs]);
        }
    }
}
