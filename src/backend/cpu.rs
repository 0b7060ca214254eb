//! Tensors as slices, and the matrix product.

use std::ops::{Deref, Range};

use candle_core::{Device, Shape, Storage, Tensor};
use gemm::Parallelism;

use super::lanes::Vectorised;
use super::packed::Multiply;
use crate::error::{Error, Kind, Result};

/// Numbers that have all kernels of the CPU: `f32` for work, `f64` for checks.
pub trait Real: Multiply + Vectorised {}

impl Real for f32 {}
impl Real for f64 {}

/// The elements of a contiguous tensor in CPU memory.
pub struct Elements<'a, T> {
    guard: Box<dyn Deref<Target = Storage> + 'a>,
    range: Range<usize>,
    element: std::marker::PhantomData<T>,
}

impl<'a, T: Real> Elements<'a, T> {
    /// # Errors
    /// When the tensor is not contiguous, not of type `T`, or not in CPU memory.
    pub fn of(tensor: &'a Tensor) -> Result<Self> {
        let (guard, layout) = tensor.storage_and_layout();
        let Some((start, end)) = layout.contiguous_offsets() else {
            return Err(Error::new(Kind::Internal, "a kernel got a strided tensor"));
        };
        match &*guard {
            Storage::Cpu(storage) => storage.as_slice::<T>().map(drop)?,
            _ => {
                return Err(Error::new(
                    Kind::Internal,
                    "a CPU kernel got a tensor of another device",
                ));
            }
        }
        Ok(Self {
            guard: Box::new(guard),
            range: start..end,
            element: std::marker::PhantomData,
        })
    }
}

impl<T: Real> Deref for Elements<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &**self.guard {
            Storage::Cpu(storage) => storage
                .as_slice::<T>()
                .map(|elements| &elements[self.range.clone()])
                .unwrap_or_default(),
            _ => &[],
        }
    }
}

/// A tensor in CPU memory that owns `elements`.
pub fn tensor<T: Real>(elements: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor> {
    Ok(Tensor::from_vec(elements, shape.into(), &Device::Cpu)?)
}

/// A matrix laid over a slice with any strides.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T> {
    elements: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T: Real> Matrix<'a, T> {
    /// A row-major matrix of `rows` x `columns`.
    pub fn new(elements: &'a [T], rows: usize, columns: usize) -> Self {
        Self::strided(elements, rows, columns, columns)
    }

    /// A row-major matrix whose rows lie `row_stride` apart.
    ///
    /// # Panics
    /// When the slice is too short for the matrix: a defect of the caller.
    pub fn strided(elements: &'a [T], rows: usize, columns: usize, row_stride: usize) -> Self {
        if rows > 0 && columns > 0 {
            assert!((rows - 1) * row_stride + columns <= elements.len());
        }
        Self {
            elements,
            rows,
            columns,
            row_stride,
            column_stride: 1,
        }
    }

    /// The transposed matrix over the same slice.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            elements: self.elements,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// `out (m, n) = scale * a (m, k) . b (k, n)`, `out` row-major with rows `out_stride` apart.
///
/// On a thread of the pool the product runs alone, elsewhere it uses the whole pool; the order
/// of the additions is the same in both cases.
///
/// # Panics
/// When the shapes do not fit together: a defect of the caller.
pub fn product<T: Real>(out: &mut [T], out_stride: usize, scale: T, a: Matrix<T>, b: Matrix<T>) {
    assert_eq!(a.columns, b.rows);
    let (rows, columns, depth) = (a.rows, b.columns, a.columns);
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(out_stride >= columns && (rows - 1) * out_stride + columns <= out.len());
    let parallelism = if rayon::current_thread_index().is_some() {
        Parallelism::None
    } else {
        Parallelism::Rayon(0)
    };
    // SAFETY: `out` is an exclusive slice that holds (m - 1) * out_stride + n elements, checked
    // above; `a` and `b` were checked against their slices when they were made, and transposing
    // swaps rows and strides together. `T` is f32 or f64, which `gemm` supports.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            false,
            a.elements.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.elements.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            T::zero(),
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_matches_the_triple_loop_on_strided_and_transposed_operands() {
        let (m, n, k) = (5, 7, 3);
        let a: Vec<f64> = (0..m * (k + 2)).map(|i| (i as f64 * 0.7).sin()).collect();
        let b: Vec<f64> = (0..n * k).map(|i| (i as f64 * 1.3).cos()).collect();
        let mut out = vec![f64::NAN; m * (n + 1)];
        product(
            &mut out,
            n + 1,
            2.0,
            Matrix::strided(&a, m, k, k + 2),
            Matrix::new(&b, n, k).transposed(),
        );
        for i in 0..m {
            for j in 0..n {
                let naive: f64 = (0..k).map(|l| a[i * (k + 2) + l] * b[j * k + l]).sum();
                let error = (out[i * (n + 1) + j] - 2.0 * naive).abs();
                assert!(error <= 1e-12, "({i},{j}) is off by {error}");
            }
        }
    }

    #[test]
    fn product_has_the_same_bits_inside_and_outside_the_pool() {
        let (m, n, k) = (67, 1031, 129);
        let a: Vec<f32> = (0..m * k).map(|i| (i as f32 * 0.37).sin()).collect();
        let b: Vec<f32> = (0..n * k).map(|i| (i as f32 * 0.11).cos()).collect();
        let run = || {
            let mut out = vec![0f32; m * n];
            product(
                &mut out,
                n,
                1.0,
                Matrix::new(&a, m, k),
                Matrix::new(&b, k, n),
            );
            out
        };
        let outside = run();
        let inside = rayon::scope(|_| rayon::join(run, || ()).0);
        assert_eq!(outside, inside);
    }
}
