//! What runs a program's steps: fields in some device's memory, and the operations on them.

mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;

use std::sync::Arc;

use crate::backend::field::Extent;
use crate::error::Result;
use crate::ops::linear::Back;

pub use cpu::Cpu;

/// What a map, its ReLU and a layer of that make in one pass.
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
/// Fields are activations with the channels last, `(n, h, w, channels)`; tokens are `(n, tokens, 1, channels)`.
/// All operations treat the images of a batch independently. Each fails when the device does, or its memory is full.
pub trait Engine: Sized + 'static {
    /// Activations, `(n, h, w, channels)`.
    type Field: Send + Sync;
    /// One bit for each value of a field: whether a ReLU let it pass.
    type Mask: Send + Sync;
    /// A map that is a product with a frozen matrix in the end, from `in` channels to `out`.
    type Affine: Send + Sync;
    /// A layer of another kind.
    type Layer: Send + Sync;
    /// What such a layer's pullback needs of the forward pass.
    type Saved: Send + Sync;

    /// The sizes of a field.
    fn extent(x: &Self::Field) -> Extent;

    /// The same elements in memory of their own.
    fn copy(x: &Self::Field) -> Result<Self::Field>;

    /// Adds a field of the same extent, in place.
    fn add(sum: &mut Self::Field, other: &Self::Field) -> Result<()>;

    /// The map of `x`, `(n, h, w, in)` to `(n, oh, ow, out)`, plus `add` of the output's extent, then a ReLU if it is
    /// asked for; and the ReLU's mask, if so.
    fn affine(
        affine: &Self::Affine,
        x: &Self::Field,
        add: Option<&Self::Field>,
        relu: bool,
    ) -> Result<(Self::Field, Option<Self::Mask>)>;

    /// The cotangent of an input of the extent `from`, `(n, h, w, in)`, from that of the map's output,
    /// `(n, oh, ow, out)`; then what `then` adds and gates, both of the extent `from`.
    fn affine_pullback(
        affine: &Self::Affine,
        dy: &Self::Field,
        from: Extent,
        then: Back<Self::Field, Self::Mask>,
    ) -> Result<Self::Field>;

    /// The map of `x`, its ReLU and a layer of that in one pass: `y` is the layer's output, the mask has the extent of
    /// the map's. `None` where the engine has no such pass.
    fn affine_relu_layer(
        _affine: &Self::Affine,
        _x: &Self::Field,
        _layer: &Self::Layer,
    ) -> Result<Option<Rectified<Self>>> {
        Ok(None)
    }

    /// The layer's output, of the extent that the layer makes of `x`, and what its pullback needs, which may be `x`
    /// itself.
    fn layer(layer: &Self::Layer, x: &Arc<Self::Field>) -> Result<(Self::Field, Self::Saved)>;

    /// The cotangent of the layer's input, of its extent, from that of the output; then what `then` adds and gates.
    fn layer_pullback(
        layer: &Self::Layer,
        saved: &Self::Saved,
        dy: &Self::Field,
        then: Back<Self::Field, Self::Mask>,
    ) -> Result<Self::Field>;

    /// `max(x, 0)`, of the extent of `x`, and the mask of `x > 0`.
    fn relu(x: &Self::Field) -> Result<(Self::Field, Self::Mask)>;

    /// Sets a cotangent to zero where the mask says that the ReLU blocked the value, in place.
    fn gate(dy: &mut Self::Field, mask: &Self::Mask) -> Result<()>;

    /// As [`Engine::gate`], but for images whose cotangent that would block altogether: there it lets pass what pushes
    /// a blocked value up.
    fn redirect(dy: &mut Self::Field, mask: &Self::Mask) -> Result<()>;
}
