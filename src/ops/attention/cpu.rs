//! One head of one image at a time, on strided views of the fields as they lie.

use super::{Attention, Inputs, Saved};
use crate::backend::buffer::Buffer;
use crate::backend::cpu::{Matrix, Real, product};
use crate::backend::field::Field;

/// Sizes of an attention, and where a head's columns start.
struct Sizes {
    images: usize,
    queries: usize,
    keys: usize,
    heads: usize,
    width: usize,
    /// Numbers before the first key of a token.
    before_keys: usize,
}

/// Which of a head's columns.
#[derive(Clone, Copy)]
enum Columns {
    Query,
    Key,
    Value,
}

impl Sizes {
    fn of<T: Real>(attention: Attention, inputs: &Inputs<T>) -> Self {
        let (key_value, before_keys) = inputs.key_value();
        Self {
            images: inputs.query().extent.images,
            queries: inputs.query().extent.positions(),
            keys: key_value.extent.positions(),
            heads: attention.heads,
            width: inputs.width(),
            before_keys,
        }
    }

    fn head_width(&self) -> usize {
        self.width / self.heads
    }

    fn scale<T: Real>(&self) -> T {
        T::of((self.head_width() as f64).sqrt().recip())
    }

    /// Where a head's columns start in a field of queries, or of keys and values, with rows
    /// `stride` apart.
    fn start(&self, columns: Columns, image: usize, head: usize, stride: usize) -> usize {
        let (rows, before) = match columns {
            Columns::Query => (self.queries, 0),
            Columns::Key => (self.keys, self.before_keys),
            Columns::Value => (self.keys, self.before_keys + self.width),
        };
        image * rows * stride + before + head * self.head_width()
    }

    fn matrix<'a, T: Real>(
        &self,
        inputs: &'a Inputs<T>,
        columns: Columns,
        image: usize,
        head: usize,
    ) -> Matrix<'a, T> {
        let (field, rows) = match columns {
            Columns::Query => (inputs.query(), self.queries),
            _ => (inputs.key_value().0, self.keys),
        };
        let stride = field.extent.channels;
        let from = &field.elements[self.start(columns, image, head, stride)..];
        Matrix::strided(from, rows, self.head_width(), stride)
    }

    /// A head's columns in an attention's output or its cotangent.
    fn output<'a, T: Real>(&self, y: &'a [T], image: usize, head: usize) -> Matrix<'a, T> {
        let start = image * self.queries * self.width + head * self.head_width();
        Matrix::strided(&y[start..], self.queries, self.head_width(), self.width)
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
    inputs: &Inputs<T>,
    probabilities: &mut Buffer<T>,
    y: &mut Field<T>,
) {
    let sizes = Sizes::of(attention, inputs);
    let (queries, keys, heads) = (sizes.queries, sizes.keys, sizes.heads);
    for image in 0..sizes.images {
        for head in 0..heads {
            let p = &mut probabilities[(image * heads + head) * queries * keys..][..queries * keys];
            let [q, k, v] = [Columns::Query, Columns::Key, Columns::Value]
                .map(|columns| sizes.matrix(inputs, columns, image, head));
            product(p, keys, sizes.scale(), q, k.transposed());
            for (index, row) in p.chunks_exact_mut(keys).enumerate() {
                let seen = if attention.causal { index + 1 } else { keys };
                softmax(&mut row[..seen]);
                row[seen..].fill(T::zero());
            }
            let start = image * queries * sizes.width + head * sizes.head_width();
            let y = &mut y.elements[start..];
            product(y, sizes.width, T::one(), Matrix::new(p, queries, keys), v);
        }
    }
}

pub fn pullback<T: Real>(attention: Attention, saved: &Saved<T>, dy: &Field<T>, d: &mut Inputs<T>) {
    let sizes = Sizes::of(attention, &saved.inputs);
    let (queries, keys, heads) = (sizes.queries, sizes.keys, sizes.heads);
    let mut ds = Buffer::any(queries * keys);
    for image in 0..sizes.images {
        for head in 0..heads {
            let p = &saved.probabilities[(image * heads + head) * queries * keys..];
            let p = &p[..queries * keys];
            let [q, k, v] = [Columns::Query, Columns::Key, Columns::Value]
                .map(|columns| sizes.matrix(&saved.inputs, columns, image, head));
            let dy = sizes.output(&dy.elements, image, head);
            let mut write = |columns: Columns, scale: T, a: Matrix<T>, b: Matrix<T>| {
                let field = match (&mut *d, columns) {
                    (Inputs::Own(all), _) => all,
                    (Inputs::Other { query, .. }, Columns::Query) => query,
                    (Inputs::Other { key_value, .. }, _) => key_value,
                };
                let stride = field.extent.channels;
                let start = sizes.start(columns, image, head, stride);
                product(&mut field.elements[start..], stride, scale, a, b);
            };
            let probabilities = Matrix::new(p, queries, keys);
            write(Columns::Value, T::one(), probabilities.transposed(), dy);
            product(&mut ds, keys, T::one(), dy, v.transposed());
            for (ds, p) in ds.chunks_exact_mut(keys).zip(p.chunks_exact(keys)) {
                let products = ds.iter().zip(p);
                let along = products.fold(T::zero(), |sum, (&ds, &p)| sum + ds * p);
                for (ds, &p) in ds.iter_mut().zip(p) {
                    *ds = p * (*ds - along);
                }
            }
            let ds = Matrix::new(&ds, queries, keys);
            write(Columns::Query, sizes.scale(), ds, k);
            write(Columns::Key, sizes.scale(), ds.transposed(), q);
        }
    }
}
