//! The layers that are not affine maps, on a GPU.

use std::sync::Arc;

use crate::backend::cpu::Real;
use crate::backend::cuda::launch::{
    class_tokens_bwd, class_tokens_fwd, first_token_bwd, first_token_fwd, mean_tokens_bwd,
    mean_tokens_fwd, size,
};
use crate::backend::cuda::{Array, Float, Gpu, GpuField, GpuMask, Grid, In, Out};
use crate::backend::field::Extent;
use crate::encoder::attention::sequence;
use crate::encoder::engine::Rectified;
use crate::encoder::engine::cuda::Cuda;
use crate::encoder::layer::Layer;
use crate::error::{Result, bail};
use crate::ops::attention::{self, Attention, cuda::Inputs};
use crate::ops::conv::cuda::GpuConv;
use crate::ops::gelu::{self, Gelu};
use crate::ops::layer_norm::{self, cuda::GpuLayerNorm};
use crate::ops::linear::cuda::{GpuLinear, single};
use crate::ops::pool;
use crate::ops::relu::cuda::{POOL_WINDOW, finish_pullback};

/// A layer in a device's memory; see [`Layer`].
pub enum GpuLayer<T: Float> {
    /// Over windows of this side.
    AveragePool(usize),
    LayerNorm(GpuLayerNorm),
    Gelu(Gelu),
    SelfAttention {
        projection: GpuLinear<T>,
        attention: Attention,
    },
    AttentionPool(Box<GpuAttentionPool<T>>),
    Tokens {
        class: Array<f32>,
        positions: Array<f32>,
    },
    ClassToken,
}

/// The ResNets' attention pool.
pub struct GpuAttentionPool<T: Float> {
    positions: Array<f32>,
    query: GpuLinear<T>,
    key_value: GpuLinear<T>,
    output: GpuLinear<T>,
    attention: Attention,
}

/// What a layer's pullback needs.
pub enum GpuSaved<T: Float> {
    /// The input's extent.
    Extent(Extent),
    /// The input.
    Input(Arc<GpuField<T>>),
    LayerNorm(layer_norm::cuda::Saved<T>),
    Attention(attention::cuda::Saved<T>),
    /// The input's extent, and the attention's own.
    Pool(Extent, attention::cuda::Saved<T>),
}

/// A kernel that moves values between cells and tokens: images, cells or tokens of the field that the
/// forward pass reads, and channels.
type Move<T> = fn(&Arc<Gpu>, Grid, In<T>, Out<T>, u32, u32, u32) -> Result<()>;

/// `x` moved into a field of the extent `to`; `of` is that of what the forward pass reads.
fn moved<T: Float>(
    kernel: Move<T>,
    x: &GpuField<T>,
    to: Extent,
    of: Extent,
) -> Result<GpuField<T>> {
    let gpu = x.gpu();
    let mut y = GpuField::any(gpu, to)?;
    kernel(
        gpu,
        Grid::elements(to.count()),
        (&x.elements).into(),
        (&mut y.elements).into(),
        size(of.images)?,
        size(of.positions())?,
        size(of.channels)?,
    )?;
    Ok(y)
}

fn first_token<T: Float>(x: &GpuField<T>) -> Result<GpuField<T>> {
    moved(first_token_fwd, x, sequence(x.extent, 1), x.extent)
}

impl<T: Float> GpuLayer<T> {
    /// The same layer on a device.
    pub fn of<R: Real>(layer: &Layer<R>, gpu: &Arc<Gpu>) -> Result<Self> {
        Ok(match layer {
            Layer::AveragePool(window) => Self::AveragePool(*window),
            Layer::LayerNorm(norm) => Self::LayerNorm(norm.upload(gpu)?),
            Layer::Gelu(gelu) => Self::Gelu(*gelu),
            Layer::SelfAttention(own) => Self::SelfAttention {
                projection: own.projection.upload(gpu)?,
                attention: own.attention,
            },
            Layer::AttentionPool(own) => Self::AttentionPool(Box::new(GpuAttentionPool {
                positions: Array::upload(gpu, &single(&own.positions))?,
                query: own.query.upload(gpu)?,
                key_value: own.key_value.upload(gpu)?,
                output: own.output.upload(gpu)?,
                attention: own.attention,
            })),
            Layer::Tokens(own) => Self::Tokens {
                class: Array::upload(gpu, &single(&own.class))?,
                positions: Array::upload(gpu, &single(&own.positions))?,
            },
            Layer::ClassToken => Self::ClassToken,
        })
    }

    pub fn forward(&self, x: &Arc<GpuField<T>>) -> Result<(GpuField<T>, GpuSaved<T>)> {
        let extent = x.extent;
        Ok(match self {
            Self::AveragePool(window) => {
                (pool::cuda::forward(x, *window)?, GpuSaved::Extent(extent))
            }
            Self::LayerNorm(norm) => {
                let (y, saved) = norm.forward(x)?;
                (y, GpuSaved::LayerNorm(saved))
            }
            Self::Gelu(gelu) => (gelu::cuda::forward(*gelu, x)?, GpuSaved::Input(x.clone())),
            Self::SelfAttention {
                projection,
                attention,
            } => {
                let (all, _) = projection.forward(x, None, false)?;
                let (y, saved) = attention::cuda::forward(*attention, &Inputs::Own(all))?;
                (y, GpuSaved::Attention(saved))
            }
            Self::AttentionPool(own) => {
                let (y, saved) = own.forward(x)?;
                (y, GpuSaved::Pool(extent, saved))
            }
            Self::Tokens { class, positions } => {
                let y = tokens(x, class, positions)?;
                (y, GpuSaved::Extent(extent))
            }
            Self::ClassToken => (first_token(x)?, GpuSaved::Extent(extent)),
        })
    }

    /// The layer of a convolution's ReLU, where one pass makes both.
    pub fn of_rectified(
        &self,
        conv: &GpuConv<T>,
        x: &GpuField<T>,
    ) -> Result<Option<Rectified<Cuda<T>>>> {
        if !matches!(self, Self::AveragePool(POOL_WINDOW)) {
            return Ok(None);
        }
        let (y, mask) = conv.forward_pooled(x)?;
        let saved = GpuSaved::Extent(mask.extent);
        Ok(Some(Rectified { y, mask, saved }))
    }

    /// The cotangent of the input, plus `add`, gated.
    pub fn pullback(
        &self,
        saved: &GpuSaved<T>,
        dy: &GpuField<T>,
        add: Option<&GpuField<T>>,
        gate: Option<&GpuMask>,
    ) -> Result<GpuField<T>> {
        if let (Self::AveragePool(window), GpuSaved::Extent(from)) = (self, saved) {
            return pool::cuda::pullback(dy, *window, *from, add, gate);
        }
        let mut dx = self.own_pullback(saved, dy)?;
        finish_pullback(&mut dx, add, gate)?;
        Ok(dx)
    }

    fn own_pullback(&self, saved: &GpuSaved<T>, dy: &GpuField<T>) -> Result<GpuField<T>> {
        match (self, saved) {
            (Self::LayerNorm(norm), GpuSaved::LayerNorm(saved)) => norm.pullback(saved, dy),
            (Self::Gelu(gelu), GpuSaved::Input(x)) => gelu::cuda::pullback(*gelu, x, dy),
            (Self::SelfAttention { projection, .. }, GpuSaved::Attention(saved)) => {
                match attention::cuda::pullback(saved, dy)? {
                    Inputs::Own(all) => projection.pullback(&all, None, None),
                    Inputs::Other { .. } => bail!(Internal, "attention of others among themselves"),
                }
            }
            (Self::AttentionPool(own), GpuSaved::Pool(from, saved)) => {
                own.pullback(*from, saved, dy)
            }
            (Self::Tokens { .. }, GpuSaved::Extent(from)) => {
                moved(class_tokens_bwd, dy, *from, *from)
            }
            (Self::ClassToken, GpuSaved::Extent(from)) => moved(first_token_bwd, dy, *from, *from),
            _ => bail!(Internal, "a layer got what another layer saved"),
        }
    }
}

impl<T: Float> GpuAttentionPool<T> {
    fn forward(&self, x: &GpuField<T>) -> Result<(GpuField<T>, attention::cuda::Saved<T>)> {
        let (gpu, extent) = (x.gpu(), x.extent);
        let mut all = GpuField::any(gpu, sequence(extent, extent.positions() + 1))?;
        mean_tokens_fwd(
            gpu,
            Grid::elements(extent.images * extent.channels),
            (&x.elements).into(),
            (&self.positions).into(),
            (&mut all.elements).into(),
            size(extent.images)?,
            size(extent.positions())?,
            size(extent.channels)?,
        )?;
        let (query, _) = self.query.forward(&first_token(&all)?, None, false)?;
        let (key_value, _) = self.key_value.forward(&all, None, false)?;
        let inputs = Inputs::Other { query, key_value };
        let (y, saved) = attention::cuda::forward(self.attention, &inputs)?;
        let (y, _) = self.output.forward(&y, None, false)?;
        Ok((y, saved))
    }

    fn pullback(
        &self,
        from: Extent,
        saved: &attention::cuda::Saved<T>,
        dy: &GpuField<T>,
    ) -> Result<GpuField<T>> {
        let dy = self.output.pullback(dy, None, None)?;
        let Inputs::Other { query, key_value } = attention::cuda::pullback(saved, &dy)? else {
            bail!(Internal, "an attention pool without a query of its own");
        };
        let query = self.query.pullback(&query, None, None)?;
        let all = self.key_value.pullback(&key_value, None, None)?;
        let gpu = dy.gpu();
        let mut dx = GpuField::any(gpu, from)?;
        mean_tokens_bwd(
            gpu,
            Grid::elements(from.count()),
            (&all.elements).into(),
            (&query.elements).into(),
            (&mut dx.elements).into(),
            size(from.images)?,
            size(from.positions())?,
            size(from.channels)?,
        )?;
        Ok(dx)
    }
}

fn tokens<T: Float>(
    x: &GpuField<T>,
    class: &Array<f32>,
    positions: &Array<f32>,
) -> Result<GpuField<T>> {
    let (gpu, from) = (x.gpu(), x.extent);
    let mut y = GpuField::any(gpu, sequence(from, from.positions() + 1))?;
    class_tokens_fwd(
        gpu,
        Grid::elements(y.extent.count()),
        (&x.elements).into(),
        class.into(),
        positions.into(),
        (&mut y.elements).into(),
        size(from.images)?,
        size(from.positions())?,
        size(from.channels)?,
    )?;
    Ok(y)
}
