//! Dictionaries: arrays whose rows or columns are vectors, each read when it is asked for.

use super::array::{Array, check_finite};
use crate::error::{Result, bail};

/// Vectors of one length.
pub struct Vectors {
    array: Array,
    length: usize,
    count: usize,
    /// From one vector's first number to the next one's.
    step: usize,
    /// From each number of a vector to its next.
    stride: usize,
}

impl Vectors {
    /// The vectors of `length` numbers in an array `(length)`, `(n, length)` or `(length, n)`; axes of size 1 do not
    /// count. Of a square array they are the rows.
    ///
    /// # Errors
    /// When the array has another shape.
    pub fn of(array: Array, length: usize) -> Result<Self> {
        let axes = array.shape().iter().copied().filter(|&size| size != 1);
        let (count, are_rows) = match axes.collect::<Vec<_>>()[..] {
            [own] if own == length => (1, true),
            [count, own] if own == length => (count, true),
            [own, count] if own == length => (count, false),
            _ => bail!(
                Input,
                "{} has the shape {:?}: vectors of {length} numbers have the shape ({length}), (n, {length}) or ({length}, n)",
                array.label(),
                array.shape()
            ),
        };
        let (step, stride) = match are_rows != array.is_fortran() {
            true => (length, 1),
            false => (1, count),
        };
        Ok(Self {
            array,
            length,
            count,
            step,
            stride,
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// What the array is called.
    pub fn label(&self) -> &str {
        self.array.label()
    }

    /// Whether the rows could as well have been the columns.
    pub fn is_square(&self) -> bool {
        self.count == self.length
    }

    /// One of them.
    ///
    /// # Errors
    /// When there is no such row, or one of its numbers is not finite.
    pub fn get(&self, row: usize) -> Result<Vec<f64>> {
        let (label, count) = (self.label(), self.count);
        if row >= count {
            bail!(
                Input,
                "{label} holds {count} vectors, there is no row {row}; rows count from 0"
            );
        }
        let first = row * self.step;
        let vector = self.array.read(first, self.stride, self.length);
        check_finite(&vector, &format!("row {row} of {label}"))?;
        Ok(vector)
    }
}
