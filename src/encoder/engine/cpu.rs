//! The CPU, in `f32` or `f64`.

use std::marker::PhantomData;
use std::sync::Arc;

use candle_core::Tensor;

use super::Engine;
use crate::backend::cpu::Real;
use crate::backend::field::{Extent, Field};
use crate::backend::mask::Mask;
use crate::encoder::affine::Affine;
use crate::encoder::layer::{self, Layer};
use crate::encoder::tap::Layout;
use crate::error::Result;
use crate::ops::linear::{Back, Forward};
use crate::ops::relu;

/// The CPU, computing in `T`.
pub struct Cpu<T>(PhantomData<T>);

impl<T: Real> Cpu<T> {
    /// A field in the layout of a tap.
    pub fn to_tensor(field: &Field<T>, layout: Layout) -> Result<Tensor> {
        match layout {
            Layout::Map { .. } => field.to_planes(),
            Layout::Tokens { .. } => field.to_tokens(),
            Layout::Vector if field.extent.positions() == 1 => Ok(field.to_tokens()?.squeeze(1)?),
            Layout::Vector => field.to_tokens(),
        }
    }

    /// A field from the layout of a tap.
    pub fn from_tensor(tensor: &Tensor, layout: Layout) -> Result<Field<T>> {
        match layout {
            Layout::Map { .. } => Field::from_planes(tensor),
            Layout::Tokens { .. } | Layout::Vector => Field::from_tokens(tensor),
        }
    }
}

impl<T: Real> Engine for Cpu<T> {
    type Field = Field<T>;
    type Mask = Mask;
    type Affine = Box<Affine<T>>;
    type Layer = Layer<T>;
    type Saved = layer::Saved<T>;

    fn extent(x: &Field<T>) -> Extent {
        x.extent
    }

    fn copy(x: &Field<T>) -> Result<Field<T>> {
        Ok(x.clone())
    }

    fn add(sum: &mut Field<T>, other: &Field<T>) -> Result<()> {
        sum.add(other);
        Ok(())
    }

    fn affine(
        affine: &Self::Affine,
        x: &Field<T>,
        add: Option<&Field<T>>,
        relu: bool,
    ) -> Result<(Field<T>, Option<Mask>)> {
        Ok(affine.forward(x, Forward { add, relu }))
    }

    fn affine_pullback(
        affine: &Self::Affine,
        dy: &Field<T>,
        from: Extent,
        then: Back<Field<T>>,
    ) -> Result<Field<T>> {
        Ok(affine.pullback(dy, from, then))
    }

    fn layer(layer: &Layer<T>, x: &Arc<Field<T>>) -> Result<(Field<T>, layer::Saved<T>)> {
        Ok(layer.forward(x))
    }

    fn layer_pullback(
        layer: &Layer<T>,
        saved: &layer::Saved<T>,
        dy: &Field<T>,
        then: Back<Field<T>>,
    ) -> Result<Field<T>> {
        let mut dx = layer.pullback(saved, dy)?;
        then.finish(&mut dx);
        Ok(dx)
    }

    fn relu(x: &Field<T>) -> Result<(Field<T>, Mask)> {
        Ok(relu::forward(x))
    }

    fn gate(dy: &mut Field<T>, mask: &Mask) -> Result<()> {
        relu::gate(dy, mask);
        Ok(())
    }

    fn redirect(dy: &mut Field<T>, mask: &Mask) -> Result<()> {
        relu::redirect(dy, mask);
        Ok(())
    }
}
