use candle_core::Tensor;

use crate::backend::cpu::{Matrix, Real, View, product, tensor};
use crate::error::Result;

/// `shape` with its last dimension replaced, and the number of rows before it.
fn rows_and_shape(tensor: &Tensor, last: usize) -> (usize, Vec<usize>) {
    let mut shape = tensor.dims().to_vec();
    let columns = shape.pop().unwrap_or(1);
    shape.push(last);
    (tensor.elem_count() / columns.max(1), shape)
}

pub fn forward<T: Real>(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (outputs, inputs) = weight.dims2()?;
    let (rows, shape) = rows_and_shape(x, outputs);
    let (x, weight) = (View::<T>::of(x)?, View::<T>::of(weight)?);
    let mut y = vec![T::zero(); rows * outputs];
    let weight = Matrix::new(&weight, outputs, inputs).transposed();
    product(
        &mut y,
        outputs,
        T::one(),
        Matrix::new(&x, rows, inputs),
        weight,
    );
    if let Some(bias) = bias {
        let bias = View::<T>::of(bias)?;
        for y in y.chunks_exact_mut(outputs) {
            for (y, &bias) in y.iter_mut().zip(bias.iter()) {
                *y += bias;
            }
        }
    }
    tensor(y, shape)
}

pub fn pullback<T: Real>(dy: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (outputs, inputs) = weight.dims2()?;
    let (rows, shape) = rows_and_shape(dy, inputs);
    let (dy, weight) = (View::<T>::of(dy)?, View::<T>::of(weight)?);
    let mut dx = vec![T::zero(); rows * inputs];
    let weight = Matrix::new(&weight, outputs, inputs);
    product(
        &mut dx,
        inputs,
        T::one(),
        Matrix::new(&dy, rows, outputs),
        weight,
    );
    tensor(dx, shape)
}
