//! What each method of convolving on a GPU can do.

use crate::backend::cuda::{Float, GpuField, GpuMask};
use crate::backend::field::Extent;
use crate::error::Result;

/// A convolution by one method; its methods are those of [`GpuConv`](super::GpuConv).
pub trait Convolver<T: Float> {
    fn forward(
        &self,
        x: &GpuField<T>,
        add: Option<&GpuField<T>>,
        relu: bool,
    ) -> Result<(GpuField<T>, Option<GpuMask>)>;

    fn forward_pooled(&self, x: &GpuField<T>) -> Result<(GpuField<T>, GpuMask)>;

    fn pullback(
        &self,
        dy: &GpuField<T>,
        from: Extent,
        add: Option<&GpuField<T>>,
        gate: Option<&GpuMask>,
    ) -> Result<GpuField<T>>;
}
