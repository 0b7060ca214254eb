//! The affine map on a GPU: a product by cuBLAS, then `kernels/epilogue.cu`.

use std::sync::Arc;

use candle_core::WithDType;

use super::Linear;
use crate::backend::cpu::Real;
use crate::backend::cuda::product::{Matrices, Product};
use crate::backend::cuda::{Array, Float, Gpu, GpuField, GpuMask};
use crate::error::Result;
use crate::ops::relu::cuda::{finish, finish_pooled, finish_pullback};

/// A frozen affine map in a device's memory.
pub struct GpuLinear<T: Float> {
    /// `(inputs, outputs)`.
    weight: Array<T>,
    bias: Option<Array<f32>>,
    inputs: usize,
    outputs: usize,
}

fn to_single<R: Real>(number: R) -> f32 {
    WithDType::to_f64(number) as f32
}

/// Numbers of the CPU's type as `f32`.
pub fn single<R: Real>(numbers: &[R]) -> Vec<f32> {
    numbers.iter().map(|&x| to_single(x)).collect()
}

impl<R: Real> Linear<R> {
    /// The same map on a device.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn upload<T: Float>(&self, gpu: &Arc<Gpu>) -> Result<GpuLinear<T>> {
        let sizes = (self.weight.depth(), self.weight.outputs());
        let element = |i, o| to_single(self.weight.element(i, o));
        GpuLinear::of(gpu, sizes, element, self.bias().map(single).as_deref())
    }
}

impl<T: Float> GpuLinear<T> {
    /// From the function that gives the weight between an input and an output, and the bias where there is one.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn of(
        gpu: &Arc<Gpu>,
        (inputs, outputs): (usize, usize),
        element: impl Fn(usize, usize) -> f32,
        bias: Option<&[f32]>,
    ) -> Result<Self> {
        let element = |at: usize| element(at / outputs, at % outputs);
        let bias = bias.map(|bias| Array::upload(gpu, bias));
        Ok(Self {
            weight: Array::upload_rounded(gpu, (0..inputs * outputs).map(element))?,
            bias: bias.transpose()?,
            inputs,
            outputs,
        })
    }

    /// Channels `in` to `out`, plus `add`, then a ReLU if it is asked for; and its mask.
    pub fn forward(
        &self,
        x: &GpuField<T>,
        add: Option<&GpuField<T>>,
        relu: bool,
    ) -> Result<(GpuField<T>, Option<GpuMask>)> {
        let mut y = self.product(x)?;
        let mask = finish(&mut y, self.bias.as_ref(), add, relu)?;
        Ok((y, mask))
    }

    /// Channels `in` to `out`, a ReLU, and its means over windows; and the ReLU's mask.
    pub fn forward_pooled(&self, x: &GpuField<T>) -> Result<(GpuField<T>, GpuMask)> {
        finish_pooled(&self.product(x)?, self.bias.as_ref())
    }

    fn product(&self, x: &GpuField<T>) -> Result<GpuField<T>> {
        let gpu = x.gpu();
        let mut y = GpuField::any(gpu, x.extent.with_channels(self.outputs))?;
        Product::new(x.extent.rows(), self.inputs, self.outputs).run(
            gpu,
            (&x.elements, Matrices::ONE),
            (&self.weight, Matrices::ONE),
            (&mut y.elements, Matrices::ONE),
        )?;
        Ok(y)
    }

    /// `dx = dy . W`, plus `add`, gated.
    pub fn pullback(
        &self,
        dy: &GpuField<T>,
        add: Option<&GpuField<T>>,
        gate: Option<&GpuMask>,
    ) -> Result<GpuField<T>> {
        let gpu = dy.gpu();
        let mut dx = GpuField::any(gpu, dy.extent.with_channels(self.inputs))?;
        Product::new(dy.extent.rows(), self.outputs, self.inputs)
            .b_transposed()
            .run(
                gpu,
                (&dy.elements, Matrices::ONE),
                (&self.weight, Matrices::ONE),
                (&mut dx.elements, Matrices::ONE),
            )?;
        finish_pullback(&mut dx, add, gate)?;
        Ok(dx)
    }
}
