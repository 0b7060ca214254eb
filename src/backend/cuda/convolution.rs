//! Convolutions by cuDNN, channels last, with sums in `f32`.
//!
//! Each direction has one algorithm, whatever the shape, and neither is among those that cuDNN documents to vary from
//! run to run. None is chosen by time, so that a picture does not depend on how busy a machine was.

use std::ffi::{c_int, c_void};

use cudarc::cublas::sys::cudaDataType;
use cudarc::cudnn::result;
use cudarc::cudnn::sys::{
    cudnnConvolutionBwdDataAlgo_t, cudnnConvolutionDescriptor_t, cudnnConvolutionFwdAlgo_t,
    cudnnConvolutionMode_t, cudnnDataType_t, cudnnFilterDescriptor_t, cudnnMathType_t,
    cudnnTensorDescriptor_t, cudnnTensorFormat_t,
};
use cudarc::driver::{DevicePtr, DevicePtrMut};

use super::array::{Array, Float};
use super::field::GpuField;
use super::launch::size;
use super::library::{Descriptor, Library, cudnn_error};
use crate::backend::field::Extent;
use crate::error::{Result, bail};

const FORWARD: cudnnConvolutionFwdAlgo_t =
    cudnnConvolutionFwdAlgo_t::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
const PULLBACK: cudnnConvolutionBwdDataAlgo_t =
    cudnnConvolutionBwdDataAlgo_t::CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
const LAYOUT: cudnnTensorFormat_t = cudnnTensorFormat_t::CUDNN_TENSOR_NHWC;

/// What a field's descriptor says.
fn tensor<T: Float>(library: &Library, of: Extent) -> Result<Descriptor<cudnnTensorDescriptor_t>> {
    size(of.count())?;
    let sizes = [of.images, of.channels, of.height, of.width].map(|size| size as c_int);
    library.describe(
        result::create_tensor_descriptor,
        result::destroy_tensor_descriptor,
        // SAFETY: the descriptor was just made.
        |raw| unsafe { result::set_tensor4d_descriptor(raw, LAYOUT, data_type::<T>(), sizes) },
    )
}

fn data_type<T: Float>() -> cudnnDataType_t {
    match T::DATA_TYPE {
        cudaDataType::CUDA_R_16F => cudnnDataType_t::CUDNN_DATA_HALF,
        cudaDataType::CUDA_R_16BF => cudnnDataType_t::CUDNN_DATA_BFLOAT16,
        _ => cudnnDataType_t::CUDNN_DATA_FLOAT,
    }
}

/// Tensor cores for numbers of 16 bits; they would round those of 32.
fn math<T: Float>() -> cudnnMathType_t {
    match data_type::<T>() {
        cudnnDataType_t::CUDNN_DATA_FLOAT => cudnnMathType_t::CUDNN_FMA_MATH,
        _ => cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
    }
}

/// `y[o] = sum_i w[o, i] * x[i]` between two fields, with zero padding.
#[derive(Debug, Clone, Copy)]
pub struct Convolution {
    /// Of `x`.
    pub from: Extent,
    /// Of `y`.
    pub to: Extent,
    /// Side of the kernel.
    pub kernel: usize,
    /// Positions of `x` from one of `y` to the next.
    pub stride: usize,
    /// Zeros around `x`.
    pub padding: usize,
}

/// What cuDNN is told of a convolution.
struct Descriptors {
    x: Descriptor<cudnnTensorDescriptor_t>,
    filters: Descriptor<cudnnFilterDescriptor_t>,
    own: Descriptor<cudnnConvolutionDescriptor_t>,
    y: Descriptor<cudnnTensorDescriptor_t>,
}

impl Convolution {
    /// `y`, by filters `(outputs, kernel, kernel, inputs)`.
    ///
    /// # Errors
    /// When cuDNN is missing or fails, the device's memory is full, or an array is too short (a defect of the
    /// caller).
    pub fn forward<T: Float>(self, x: &GpuField<T>, filters: &Array<T>) -> Result<GpuField<T>> {
        self.check(x, self.from, filters)?;
        let gpu = x.gpu();
        let library = gpu.library()?;
        let of = self.descriptors::<T>(&library)?;
        // SAFETY: handle and descriptors are alive.
        let bytes = unsafe {
            result::get_convolution_forward_workspace_size(
                library.handle,
                of.x.raw,
                of.filters.raw,
                of.own.raw,
                of.y.raw,
                FORWARD,
            )
        };
        let bytes = bytes.map_err(cudnn_error)?;
        let mut workspace = Array::<u8>::any(gpu, bytes)?;
        let mut y = GpuField::any(gpu, self.to)?;
        let (scale, keep) = (1.0f32, 0.0f32);
        let stream = &gpu.stream;
        // SAFETY: handle and descriptors are alive; the arrays live on this device, are as long as the descriptors
        // say (checked above, or made so) and of the type that they say, and work on the one stream follows the
        // order of the calls; the scales are f32, as those types ask, and are read before the call returns.
        unsafe {
            result::convolution_forward(
                library.handle,
                (&raw const scale).cast(),
                of.x.raw,
                x.elements.slice.device_ptr(stream).0 as *const c_void,
                of.filters.raw,
                filters.slice.device_ptr(stream).0 as *const c_void,
                of.own.raw,
                FORWARD,
                workspace.slice.device_ptr_mut(stream).0 as *mut c_void,
                bytes,
                (&raw const keep).cast(),
                of.y.raw,
                y.elements.slice.device_ptr_mut(stream).0 as *mut c_void,
            )
        }
        .map_err(cudnn_error)?;
        Ok(y)
    }

    /// The cotangent of `x` from that of `y`, by the same filters.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn pullback<T: Float>(self, dy: &GpuField<T>, filters: &Array<T>) -> Result<GpuField<T>> {
        self.check(dy, self.to, filters)?;
        let gpu = dy.gpu();
        let library = gpu.library()?;
        let of = self.descriptors::<T>(&library)?;
        // SAFETY: handle and descriptors are alive.
        let bytes = unsafe {
            result::get_convolution_backward_data_workspace_size(
                library.handle,
                of.filters.raw,
                of.y.raw,
                of.own.raw,
                of.x.raw,
                PULLBACK,
            )
        };
        let bytes = bytes.map_err(cudnn_error)?;
        let mut workspace = Array::<u8>::any(gpu, bytes)?;
        let mut dx = GpuField::any(gpu, self.from)?;
        let (scale, keep) = (1.0f32, 0.0f32);
        let stream = &gpu.stream;
        // SAFETY: as forward.
        unsafe {
            result::convolution_backward_data(
                library.handle,
                (&raw const scale).cast(),
                of.filters.raw,
                filters.slice.device_ptr(stream).0 as *const c_void,
                of.y.raw,
                dy.elements.slice.device_ptr(stream).0 as *const c_void,
                of.own.raw,
                PULLBACK,
                workspace.slice.device_ptr_mut(stream).0 as *mut c_void,
                bytes,
                (&raw const keep).cast(),
                of.x.raw,
                dx.elements.slice.device_ptr_mut(stream).0 as *mut c_void,
            )
        }
        .map_err(cudnn_error)?;
        Ok(dx)
    }

    fn check<T: Float>(self, of: &GpuField<T>, extent: Extent, filters: &Array<T>) -> Result<()> {
        let weights = self.kernel * self.kernel * self.from.channels * self.to.channels;
        if of.extent != extent || of.elements.len() < extent.count() || filters.len() < weights {
            bail!(Internal, "{self:?} does not fit its arrays");
        }
        Ok(())
    }

    fn descriptors<T: Float>(self, library: &Library) -> Result<Descriptors> {
        let [outputs, inputs, kernel, stride, padding] = [
            self.to.channels,
            self.from.channels,
            self.kernel,
            self.stride,
            self.padding,
        ]
        .map(|size| size as c_int);
        let sizes = [outputs, inputs, kernel, kernel];
        Ok(Descriptors {
            x: tensor::<T>(library, self.from)?,
            filters: library.describe(
                result::create_filter_descriptor,
                result::destroy_filter_descriptor,
                // SAFETY: the descriptor was just made.
                |raw| unsafe {
                    result::set_filter4d_descriptor(raw, data_type::<T>(), LAYOUT, sizes)
                },
            )?,
            own: library.describe(
                result::create_convolution_descriptor,
                result::destroy_convolution_descriptor,
                // SAFETY: the descriptor was just made.
                |raw| unsafe {
                    result::set_convolution2d_descriptor(
                        raw,
                        padding,
                        padding,
                        stride,
                        stride,
                        1,
                        1,
                        cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION,
                        cudnnDataType_t::CUDNN_DATA_FLOAT,
                    )?;
                    result::set_convolution_math_type(raw, math::<T>())
                },
            )?,
            y: tensor::<T>(library, self.to)?,
        })
    }
}
