//! What runs a program's steps: fields in some device's memory, and the operations on them.

mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;

use std::sync::Arc;

use crate::backend::field::Extent;
use crate::error::Result;
use crate::ops::linear::Back;

pub use cpu::Cpu;

/// A layer of a map's ReLU, made in the map's pass.
pub struct Rectified<E: Engine> {
    /// The layer's output.
    pub y: E::Field,
    /// The ReLU's mask.
    pub mask: E::Mask,
    /// What the layer's pullback needs.
    pub saved: E::Saved,
}

/// A device, or an element type of one.
///
/// Fields are activations with the channels last. All operations treat the images of a batch
/// independently; those that can run out of memory, or wait for a device, can fail.
pub trait Engine: Sized + 'static {
    /// Activations.
    type Field: Send + Sync;
    /// Which values a ReLU let pass.
    type Mask: Send + Sync;
    /// A map that is a product with a frozen matrix in the end.
    type Affine: Send + Sync;
    /// A layer of another kind.
    type Layer: Send + Sync;
    /// What such a layer's pullback needs of the forward pass.
    type Saved: Send + Sync;

    /// The sizes of a field.
    fn extent(x: &Self::Field) -> Extent;

    /// The same elements in memory of their own.
    fn copy(x: &Self::Field) -> Result<Self::Field>;

    /// Adds a field of the same extent.
    fn add(sum: &mut Self::Field, other: &Self::Field) -> Result<()>;

    /// The map of `x`, plus `add`, then a ReLU if it is asked for; and the ReLU's mask.
    fn affine(
        affine: &Self::Affine,
        x: &Self::Field,
        add: Option<&Self::Field>,
        relu: bool,
    ) -> Result<(Self::Field, Option<Self::Mask>)>;

    /// The cotangent of an input of the extent `from`.
    fn affine_pullback(
        affine: &Self::Affine,
        dy: &Self::Field,
        from: Extent,
        then: Back<Self::Field, Self::Mask>,
    ) -> Result<Self::Field>;

    /// The map of `x`, its ReLU and a layer of that in one pass. Nothing where the engine has no such pass.
    fn affine_relu_layer(
        _affine: &Self::Affine,
        _x: &Self::Field,
        _layer: &Self::Layer,
    ) -> Result<Option<Rectified<Self>>> {
        Ok(None)
    }

    /// The layer's output, and what its pullback needs, which may be `x` itself.
    fn layer(layer: &Self::Layer, x: &Arc<Self::Field>) -> Result<(Self::Field, Self::Saved)>;

    /// The cotangent of the layer's input.
    fn layer_pullback(
        layer: &Self::Layer,
        saved: &Self::Saved,
        dy: &Self::Field,
        then: Back<Self::Field, Self::Mask>,
    ) -> Result<Self::Field>;

    /// The rectified field and its mask.
    fn relu(x: &Self::Field) -> Result<(Self::Field, Self::Mask)>;

    /// Zero where the mask says inactive.
    fn gate(dy: &mut Self::Field, mask: &Self::Mask) -> Result<()>;

    /// As [`Engine::gate`], with images redirected whose cotangent it would block altogether.
    fn redirect(dy: &mut Self::Field, mask: &Self::Mask) -> Result<()>;
}
