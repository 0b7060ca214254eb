//! One head of one image at a time, on strided views of the tensors as they lie.

use candle_core::Tensor;

use super::{Attention, Cotangents, Saved};
use crate::backend::cpu::{Matrix, Real, View, product, tensor};
use crate::error::Result;

/// Sizes of an attention, and where a head's columns start.
struct Layout {
    images: usize,
    queries: usize,
    keys: usize,
    width: usize,
    heads: usize,
}

impl Layout {
    fn of(attention: Attention, query: &Tensor, key: &Tensor) -> Result<Self> {
        let (images, queries, width) = query.dims3()?;
        Ok(Self {
            images,
            queries,
            keys: key.dim(1)?,
            width,
            heads: attention.heads,
        })
    }

    fn head_width(&self) -> usize {
        self.width / self.heads
    }

    fn scale<T: Real>(&self) -> T {
        T::of((self.head_width() as f64).sqrt().recip())
    }

    /// The offset of a head's first element in a `(n, rows, width)` tensor.
    fn offset(&self, image: usize, rows: usize, head: usize) -> usize {
        image * rows * self.width + head * self.head_width()
    }

    fn head<'a, T: Real>(
        &self,
        x: &'a [T],
        image: usize,
        rows: usize,
        head: usize,
    ) -> Matrix<'a, T> {
        let x = &x[self.offset(image, rows, head)..];
        Matrix::strided(x, rows, self.head_width(), self.width)
    }
}

fn softmax<T: Real>(row: &mut [T]) {
    let largest = row
        .iter()
        .copied()
        .fold(T::neg_infinity(), num_traits::Float::max);
    let mut sum = T::zero();
    for x in row.iter_mut() {
        *x = (*x - largest).exp();
        sum += *x;
    }
    for x in row {
        *x /= sum;
    }
}

pub fn forward<T: Real>(
    attention: Attention,
    query: Tensor,
    key: Tensor,
    value: Tensor,
) -> Result<(Tensor, Saved)> {
    let layout = Layout::of(attention, &query, &key)?;
    let Layout {
        images,
        queries,
        keys,
        width,
        heads,
    } = layout;
    let mut probabilities = vec![T::zero(); images * heads * queries * keys];
    let mut y = vec![T::zero(); images * queries * width];
    {
        let (q, k, v) = (
            View::<T>::of(&query)?,
            View::<T>::of(&key)?,
            View::<T>::of(&value)?,
        );
        for image in 0..images {
            for head in 0..heads {
                let p =
                    &mut probabilities[(image * heads + head) * queries * keys..][..queries * keys];
                let q = layout.head(&q, image, queries, head);
                let k = layout.head(&k, image, keys, head);
                product(p, keys, layout.scale(), q, k.transposed());
                for (index, row) in p.chunks_exact_mut(keys).enumerate() {
                    let seen = if attention.causal { index + 1 } else { keys };
                    softmax(&mut row[..seen]);
                    row[seen..].fill(T::zero());
                }
                let v = layout.head(&v, image, keys, head);
                let y = &mut y[layout.offset(image, queries, head)..];
                product(y, width, T::one(), Matrix::new(p, queries, keys), v);
            }
        }
    }
    let saved = Saved {
        query,
        key,
        value,
        probabilities: tensor(probabilities, (images, heads, queries, keys))?,
    };
    Ok((tensor(y, (images, queries, width))?, saved))
}

pub fn pullback<T: Real>(attention: Attention, saved: &Saved, dy: &Tensor) -> Result<Cotangents> {
    let layout = Layout::of(attention, &saved.query, &saved.key)?;
    let Layout {
        images,
        queries,
        keys,
        width,
        heads,
    } = layout;
    let (q, k, v) = (
        View::<T>::of(&saved.query)?,
        View::<T>::of(&saved.key)?,
        View::<T>::of(&saved.value)?,
    );
    let (probabilities, dy) = (View::<T>::of(&saved.probabilities)?, View::<T>::of(dy)?);
    let mut dq = vec![T::zero(); images * queries * width];
    let mut dk = vec![T::zero(); images * keys * width];
    let mut dv = vec![T::zero(); images * keys * width];
    let mut ds = vec![T::zero(); queries * keys];
    for image in 0..images {
        for head in 0..heads {
            let p = &probabilities[(image * heads + head) * queries * keys..][..queries * keys];
            let dy = layout.head(&dy, image, queries, head);
            let value_rows = layout.head(&v, image, keys, head);
            let dv = &mut dv[layout.offset(image, keys, head)..];
            product(
                dv,
                width,
                T::one(),
                Matrix::new(p, queries, keys).transposed(),
                dy,
            );
            product(&mut ds, keys, T::one(), dy, value_rows.transposed());
            for (ds, p) in ds.chunks_exact_mut(keys).zip(p.chunks_exact(keys)) {
                let along = ds
                    .iter()
                    .zip(p)
                    .fold(T::zero(), |sum, (&ds, &p)| sum + ds * p);
                for (ds, &p) in ds.iter_mut().zip(p) {
                    *ds = p * (*ds - along);
                }
            }
            let ds = Matrix::new(&ds, queries, keys);
            let dq = &mut dq[layout.offset(image, queries, head)..];
            product(
                dq,
                width,
                layout.scale(),
                ds,
                layout.head(&k, image, keys, head),
            );
            let dk = &mut dk[layout.offset(image, keys, head)..];
            product(
                dk,
                width,
                layout.scale(),
                ds.transposed(),
                layout.head(&q, image, queries, head),
            );
        }
    }
    Ok(Cotangents {
        query: tensor(dq, (images, queries, width))?,
        key: tensor(dk, (images, keys, width))?,
        value: tensor(dv, (images, keys, width))?,
    })
}
