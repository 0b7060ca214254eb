//! Attention on a GPU: heads apart (`kernels/heads.cu`), products by cuBLAS, one strided batch for all
//! heads of all images, and `kernels/softmax.cu`.

use std::sync::Arc;

use super::Attention;
use crate::backend::cuda::launch::{heads_bwd, heads_fwd, size, softmax_bwd, softmax_fwd};
use crate::backend::cuda::product::{Matrices, Product};
use crate::backend::cuda::{Array, Float, Gpu, GpuField, Grid, In, Out};
use crate::backend::field::Extent;
use crate::error::{Result, bail};

/// What an attention reads, and in the pullback its cotangents; as the CPU's `Inputs`.
pub enum Inputs<T: Float> {
    /// Queries, keys and values of the same tokens side by side.
    Own(GpuField<T>),
    /// Queries of other tokens than keys and values side by side.
    Other {
        /// The queries.
        query: GpuField<T>,
        /// The keys, then the values.
        key_value: GpuField<T>,
    },
}

/// Queries, keys and values, each head's rows together: of `Own` all in the first array.
struct Parts<T: Float> {
    query: Array<T>,
    key_value: Option<Array<T>>,
    sizes: Sizes,
}

/// What the pullback needs.
pub struct Saved<T: Float> {
    parts: Parts<T>,
    /// `(n, heads, queries, keys)`.
    probabilities: Array<T>,
}

#[derive(Clone, Copy)]
struct Sizes {
    images: usize,
    heads: usize,
    head: usize,
    queries: usize,
    keys: usize,
    /// Of the queries' field and of the keys' and values', which are one for `Own`.
    query: Extent,
    key_value: Extent,
}

impl Sizes {
    fn of<T: Float>(attention: Attention, inputs: &Inputs<T>) -> Result<Self> {
        let (query, key_value, width) = match inputs {
            Inputs::Own(all) => (all.extent, all.extent, all.extent.channels / 3),
            Inputs::Other { query, key_value } => {
                (query.extent, key_value.extent, query.extent.channels)
            }
        };
        if attention.causal || !width.is_multiple_of(attention.heads) {
            bail!(Internal, "attention of this shape is not made for a GPU");
        }
        Ok(Self {
            images: query.images,
            heads: attention.heads,
            head: width / attention.heads,
            queries: query.positions(),
            keys: key_value.positions(),
            query,
            key_value,
        })
    }

    fn batch(self) -> usize {
        self.images * self.heads
    }

    fn scale(self) -> f32 {
        (self.head as f32).sqrt().recip()
    }

    /// Where part `part` of a split field begins, and how far its heads lie apart.
    fn part(self, tokens: usize, part: usize) -> Matrices {
        Matrices {
            start: part * self.batch() * tokens * self.head,
            apart: tokens * self.head,
        }
    }

    /// The numbers of a field, ordered by tokens or by heads, in the other order.
    fn reordered<T: Float>(
        self,
        kernel: Reorder<T>,
        x: &Array<T>,
        extent: Extent,
    ) -> Result<Array<T>> {
        let gpu = x.gpu();
        let mut y = Array::any(gpu, extent.count())?;
        kernel(
            gpu,
            Grid::elements(extent.count()),
            x.into(),
            (&mut y).into(),
            size(self.images)?,
            size(extent.positions())?,
            size(extent.channels / (self.heads * self.head))?,
            size(self.heads)?,
            size(self.head)?,
        )?;
        Ok(y)
    }

    fn split<T: Float>(self, field: &GpuField<T>) -> Result<Array<T>> {
        self.reordered(heads_fwd, &field.elements, field.extent)
    }

    fn join<T: Float>(self, apart: &Array<T>, extent: Extent) -> Result<GpuField<T>> {
        Ok(GpuField {
            extent,
            elements: self.reordered(heads_bwd, apart, extent)?,
        })
    }
}

/// A kernel that puts heads together or apart: images, tokens, parts, heads, and a head's size.
type Reorder<T> = fn(&Arc<Gpu>, Grid, In<T>, Out<T>, u32, u32, u32, u32, u32) -> Result<()>;

impl<T: Float> Parts<T> {
    fn of(sizes: Sizes, inputs: &Inputs<T>) -> Result<Self> {
        let (query, key_value) = match inputs {
            Inputs::Own(all) => (sizes.split(all)?, None),
            Inputs::Other { query, key_value } => {
                (sizes.split(query)?, Some(sizes.split(key_value)?))
            }
        };
        Ok(Self {
            query,
            key_value,
            sizes,
        })
    }

    fn query(&self) -> (&Array<T>, Matrices) {
        (&self.query, self.sizes.part(self.sizes.queries, 0))
    }

    fn key(&self) -> (&Array<T>, Matrices) {
        match &self.key_value {
            Some(array) => (array, self.sizes.part(self.sizes.keys, 0)),
            None => (&self.query, self.sizes.part(self.sizes.keys, 1)),
        }
    }

    fn value(&self) -> (&Array<T>, Matrices) {
        match &self.key_value {
            Some(array) => (array, self.sizes.part(self.sizes.keys, 1)),
            None => (&self.query, self.sizes.part(self.sizes.keys, 2)),
        }
    }
}

/// `(n, queries, width)`, and what the pullback needs.
pub fn forward<T: Float>(
    attention: Attention,
    inputs: &Inputs<T>,
) -> Result<(GpuField<T>, Saved<T>)> {
    let sizes = Sizes::of(attention, inputs)?;
    let parts = Parts::of(sizes, inputs)?;
    let gpu = parts.query.gpu().clone();
    let (queries, keys, batch) = (sizes.queries, sizes.keys, sizes.batch());
    let mut probabilities = Array::any(&gpu, batch * queries * keys)?;
    let scores = Matrices::every(queries * keys);
    Product::new(queries, sizes.head, keys)
        .b_transposed()
        .times(batch)
        .run(
            &gpu,
            parts.query(),
            parts.key(),
            (&mut probabilities, scores),
        )?;
    let (from, to) = Out::in_place(&mut probabilities);
    let (rows, grid) = (size(batch * queries)?, Grid::every_row(batch * queries));
    softmax_fwd(&gpu, grid, from, to, sizes.scale(), rows, size(keys)?)?;
    let mut apart = Array::any(&gpu, batch * queries * sizes.head)?;
    let outputs = (&mut apart, Matrices::every(queries * sizes.head));
    Product::new(queries, keys, sizes.head).times(batch).run(
        &gpu,
        (&probabilities, scores),
        parts.value(),
        outputs,
    )?;
    let y = sizes.join(&apart, sizes.query.with_channels(sizes.heads * sizes.head))?;
    Ok((
        y,
        Saved {
            parts,
            probabilities,
        },
    ))
}

/// The cotangents of the inputs from that of the output.
pub fn pullback<T: Float>(saved: &Saved<T>, dy: &GpuField<T>) -> Result<Inputs<T>> {
    let (gpu, sizes, parts) = (dy.gpu(), saved.parts.sizes, &saved.parts);
    let (queries, keys, batch) = (sizes.queries, sizes.keys, sizes.batch());
    let dy = sizes.split(dy)?;
    let dy = (&dy, Matrices::every(queries * sizes.head));
    let scores = Matrices::every(queries * keys);
    let mut d_query = Array::any(gpu, parts.query.len())?;
    let mut d_key_value = match &parts.key_value {
        Some(key_value) => Some(Array::any(gpu, key_value.len())?),
        None => None,
    };
    // Where the cotangents of keys and values go, with the numbers of their parts.
    let (key_part, value_part) = if d_key_value.is_some() {
        (0, 1)
    } else {
        (1, 2)
    };
    Product::new(keys, queries, sizes.head)
        .a_transposed()
        .times(batch)
        .run(
            gpu,
            (&saved.probabilities, scores),
            dy,
            (
                d_key_value.as_mut().unwrap_or(&mut d_query),
                sizes.part(keys, value_part),
            ),
        )?;
    let mut ds = Array::any(gpu, batch * queries * keys)?;
    Product::new(queries, sizes.head, keys)
        .b_transposed()
        .times(batch)
        .run(gpu, dy, parts.value(), (&mut ds, scores))?;
    let (from, to) = Out::in_place(&mut ds);
    softmax_bwd(
        gpu,
        Grid::every_row(batch * queries),
        (&saved.probabilities).into(),
        from,
        to,
        sizes.scale(),
        size(batch * queries)?,
        size(keys)?,
    )?;
    Product::new(queries, keys, sizes.head).times(batch).run(
        gpu,
        (&ds, scores),
        parts.key(),
        (&mut d_query, sizes.part(queries, 0)),
    )?;
    Product::new(keys, queries, sizes.head)
        .a_transposed()
        .times(batch)
        .run(
            gpu,
            (&ds, scores),
            parts.query(),
            (
                d_key_value.as_mut().unwrap_or(&mut d_query),
                sizes.part(keys, key_part),
            ),
        )?;
    let query = sizes.join(&d_query, sizes.query)?;
    Ok(match d_key_value {
        Some(key_value) => Inputs::Other {
            query,
            key_value: sizes.join(&key_value, sizes.key_value)?,
        },
        None => Inputs::Own(query),
    })
}
