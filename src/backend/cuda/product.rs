//! Matrix products by cuBLAS, row-major, with sums in `f32`.

use std::ffi::{c_int, c_longlong, c_void};
use std::ops::Range;

use cudarc::cublas::result::gemm_strided_batched_ex;
use cudarc::cublas::sys::{cublasComputeType_t, cublasGemmAlgo_t, cublasOperation_t};
use cudarc::driver::{DevicePtr, DevicePtrMut};

use super::array::{Array, Float};
use super::device::Gpu;
use super::error::blas_error;
use crate::error::{Result, bail};

/// One matrix, or `count` of them: where the first begins and how far they lie apart, in elements.
#[derive(Debug, Clone, Copy)]
pub struct Matrices {
    /// Of the first matrix.
    pub start: usize,
    /// From one matrix to the next; 0 takes the same again.
    pub apart: usize,
}

impl Matrices {
    /// A single matrix at the array's beginning.
    pub const ONE: Self = Self { start: 0, apart: 0 };

    /// Matrices that lie `apart`, the first at the array's beginning.
    pub const fn every(apart: usize) -> Self {
        Self { start: 0, apart }
    }

    /// The elements that are touched, for matrices of `size` elements.
    fn span(self, size: usize, count: usize) -> Range<usize> {
        self.start..self.start + (count - 1) * self.apart + size
    }
}

/// `c (m, n) = scale * a (m, k) . b (k, n) + keep * c`, `count` times.
#[derive(Debug, Clone, Copy)]
pub struct Product {
    /// Rows of `a` and `c`.
    pub m: usize,
    /// Columns of `b` and `c`.
    pub n: usize,
    /// Columns of `a`, rows of `b`.
    pub k: usize,
    /// How many products.
    pub count: usize,
    /// Whether `a` lies transposed, `(k, m)`.
    pub a_transposed: bool,
    /// Whether `b` lies transposed, `(n, k)`.
    pub b_transposed: bool,
    /// Of what was in `c`: 0 or 1. With 0 it need not be a number.
    pub keep: f32,
}

impl Product {
    /// A single product of matrices as they lie.
    pub fn new(m: usize, k: usize, n: usize) -> Self {
        Self {
            m,
            n,
            k,
            count: 1,
            a_transposed: false,
            b_transposed: false,
            keep: 0.0,
        }
    }

    /// As many times.
    #[must_use]
    pub fn times(self, count: usize) -> Self {
        Self { count, ..self }
    }

    /// With the first factor transposed in memory.
    #[must_use]
    pub fn a_transposed(self) -> Self {
        Self {
            a_transposed: true,
            ..self
        }
    }

    /// With the second factor transposed in memory.
    #[must_use]
    pub fn b_transposed(self) -> Self {
        Self {
            b_transposed: true,
            ..self
        }
    }

    /// Added to what is there.
    #[must_use]
    pub fn added(self) -> Self {
        Self { keep: 1.0, ..self }
    }

    /// Runs it. Products of `f16` or `bf16` may be stored as `f32`.
    ///
    /// # Errors
    /// When an array is too short (a defect of the caller), or the device failed.
    pub fn run<T: Float, U: Float>(
        self,
        gpu: &Gpu,
        (a, of_a): (&Array<T>, Matrices),
        (b, of_b): (&Array<T>, Matrices),
        (c, of_c): (&mut Array<U>, Matrices),
    ) -> Result<()> {
        let Self { m, n, k, count, .. } = self;
        if m == 0 || n == 0 || count == 0 {
            return Ok(());
        }
        let fits = of_a.span(m * k, count).end <= a.len()
            && of_b.span(k * n, count).end <= b.len()
            && of_c.span(m * n, count).end <= c.len();
        let most = c_int::MAX as usize;
        if !fits || k == 0 || m.max(n).max(k).max(count) > most {
            bail!(
                Internal,
                "a product of {m}x{k} and {k}x{n}, {count} times, does not fit its arrays"
            );
        }
        let transposed = |is: bool| {
            if is {
                cublasOperation_t::CUBLAS_OP_T
            } else {
                cublasOperation_t::CUBLAS_OP_N
            }
        };
        let rows = |is_transposed: bool, rows: usize, columns: usize| {
            (if is_transposed { rows } else { columns }) as c_int
        };
        let (scale, keep) = (1.0f32, self.keep);
        let stream = &gpu.stream;
        let (a, _a) = a.slice.device_ptr(stream);
        let (b, _b) = b.slice.device_ptr(stream);
        let (c, _c) = c.slice.device_ptr_mut(stream);
        let at = |pointer: u64, start: usize, size: usize| {
            (pointer + (start * size) as u64) as *const c_void
        };
        // SAFETY: cuBLAS is column-major: to it the row-major c is c^T = b^T . a^T, with b as its
        // first factor. The matrices lie within their arrays (checked above), which live on this device
        // and whose element types are those that are named; scalars are f32, as the compute type
        // asks, and are read before the call returns.
        unsafe {
            gemm_strided_batched_ex(
                *gpu.blas.handle(),
                transposed(self.b_transposed),
                transposed(self.a_transposed),
                n as c_int,
                m as c_int,
                k as c_int,
                (&raw const scale).cast(),
                at(b, of_b.start, size_of::<T>()),
                T::DATA_TYPE,
                rows(self.b_transposed, k, n),
                of_b.apart as c_longlong,
                at(a, of_a.start, size_of::<T>()),
                T::DATA_TYPE,
                rows(self.a_transposed, m, k),
                of_a.apart as c_longlong,
                (&raw const keep).cast(),
                at(c, of_c.start, size_of::<U>()).cast_mut(),
                U::DATA_TYPE,
                n as c_int,
                of_c.apart as c_longlong,
                count as c_int,
                cublasComputeType_t::CUBLAS_COMPUTE_32F,
                cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        }
        .map_err(blas_error)
    }
}
