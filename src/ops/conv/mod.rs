//! Convolution with a bias, NCHW: `y[o] = b[o] + sum_i w[o, i] * x[i]` with zero padding.
//!
//! A 1x1 convolution is one matrix product an image, `W (out, in) . X (in, h*w)`, on the input
//! as it lies; any other goes through its patches (im2col). The pullback is the adjoint of the
//! same two steps, so it serves every stride and padding.

mod cpu;

use candle_core::Tensor;

use crate::backend::by_dtype;
use crate::error::Result;

/// A frozen convolution: weights `(out, in, k, k)`, bias `(out)`.
#[derive(Debug, Clone)]
pub struct Conv {
    /// `(out, in, k, k)`.
    pub weight: Tensor,
    /// `(out)`.
    pub bias: Tensor,
    /// Distance between two patches, in pixels.
    pub stride: usize,
    /// Zeros around the image, in pixels.
    pub padding: usize,
}

/// The sizes of one convolution of one image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Geometry {
    pub inputs: usize,
    pub outputs: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub height: usize,
    pub width: usize,
}

impl Geometry {
    pub fn out_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    pub fn out_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Elements of one patch: `in * k * k`.
    pub fn depth(&self) -> usize {
        self.inputs * self.kernel * self.kernel
    }

    /// Whether the input is its own matrix of patches.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0
    }
}

impl Conv {
    fn geometry(&self, height: usize, width: usize) -> Result<Geometry> {
        let (outputs, inputs, kernel, _) = self.weight.dims4()?;
        Ok(Geometry {
            inputs,
            outputs,
            kernel,
            stride: self.stride,
            padding: self.padding,
            height,
            width,
        })
    }

    /// `(n, in, h, w)` to `(n, out, h', w')`, `h' = (h + 2 * padding - k) / stride + 1`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let geometry = self.geometry(height, width)?;
        let x = x.contiguous()?;
        by_dtype!(x, T => cpu::forward::<T>(&x, &self.weight, &self.bias, geometry))
    }

    /// The cotangent of the input of size `(height, width)` from that of the output.
    pub fn pullback(&self, dy: &Tensor, height: usize, width: usize) -> Result<Tensor> {
        let geometry = self.geometry(height, width)?;
        let dy = dy.contiguous()?;
        by_dtype!(dy, T => cpu::pullback::<T>(&dy, &self.weight, geometry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{assert_close, pullback_matches_differences, wave};

    fn conv(inputs: usize, outputs: usize, kernel: usize, stride: usize, padding: usize) -> Conv {
        Conv {
            weight: wave(&[outputs, inputs, kernel, kernel], 0.9),
            bias: wave(&[outputs], 1.7),
            stride,
            padding,
        }
    }

    /// kernel, stride, padding, height, width: every convolution of the CLIP towers, on sizes
    /// that are odd, prime or leave a remainder.
    const CASES: [(usize, usize, usize, usize, usize); 6] = [
        (1, 1, 0, 5, 7),
        (3, 1, 1, 7, 5),
        (3, 2, 1, 8, 8),
        (3, 2, 1, 7, 11),
        (4, 4, 0, 8, 12),
        (4, 4, 0, 9, 11),
    ];

    #[test]
    fn forward_matches_candle() {
        for (kernel, stride, padding, height, width) in CASES {
            let conv = conv(3, 5, kernel, stride, padding);
            let x = wave(&[2, 3, height, width], 0.2);
            let ours = conv.forward(&x).unwrap();
            let theirs = x
                .conv2d(&conv.weight, padding, stride, 1, 1)
                .and_then(|y| y.broadcast_add(&conv.bias.reshape((1, 5, 1, 1))?))
                .unwrap();
            assert_eq!(ours.dims(), theirs.dims());
            let error = (ours - theirs).unwrap().abs().unwrap().max_all().unwrap();
            assert_close(
                error.to_scalar::<f64>().unwrap(),
                0.0,
                1e-9,
                "largest error",
            );
        }
    }

    #[test]
    fn pullback_matches_central_differences() {
        for (kernel, stride, padding, height, width) in CASES {
            let conv = conv(3, 5, kernel, stride, padding);
            let x = wave(&[2, 3, height, width], 0.2);
            pullback_matches_differences(
                &x,
                |x| conv.forward(x),
                |dy| conv.pullback(dy, height, width),
            );
        }
    }
}
