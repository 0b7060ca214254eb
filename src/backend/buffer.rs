//! Memory that is used again: an ascent asks for the same sizes at every step, and fresh pages
//! would cost a fault each.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::memory::Meter;
use super::number::Number;

/// Freed vectors, by element type and length.
#[derive(Default)]
struct Store {
    freed: HashMap<(TypeId, usize), Vec<Box<dyn Any + Send>>>,
    bytes: usize,
}

static STORE: LazyLock<Mutex<Store>> = LazyLock::new(Mutex::default);

/// The most bytes that are kept for later: more than a step of any known model has in flight at
/// batch 1, little beside its weights.
const MOST_BYTES: usize = 256 << 20;

impl Store {
    fn take<T: Number>(&mut self, length: usize) -> Option<Vec<T>> {
        let freed = self.freed.get_mut(&(TypeId::of::<T>(), length))?.pop()?;
        self.bytes -= size_of::<T>() * length;
        freed.downcast().ok().map(|freed| *freed)
    }

    fn put<T: Number>(&mut self, elements: Vec<T>) {
        let bytes = size_of::<T>() * elements.len();
        if bytes > 0 && self.bytes + bytes <= MOST_BYTES {
            self.bytes += bytes;
            let key = (TypeId::of::<T>(), elements.len());
            self.freed.entry(key).or_default().push(Box::new(elements));
        }
    }
}

/// Where a buffer begins: at a multiple of so many bytes, so that no vector straddles two lines of
/// a cache.
const ALIGNMENT: usize = 64;

/// What all buffers hold.
pub static METER: Meter = Meter::new();

/// Elements that go back to a common store when they are dropped.
#[derive(Debug)]
pub struct Buffer<T: Number> {
    elements: Vec<T>,
    start: usize,
    length: usize,
}

impl<T: Number> Buffer<T> {
    /// `length` elements of any values: whatever the last user left. Debug builds fill them with
    /// NaN, so that tests see what is read before it is written.
    pub fn any(length: usize) -> Self {
        let whole = length + ALIGNMENT / size_of::<T>();
        let known = STORE
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(whole);
        let mut elements = known.unwrap_or_else(|| vec![T::zero(); whole]);
        if cfg!(debug_assertions) {
            elements.fill(T::of(f64::NAN));
        }
        METER.take(size_of::<T>() * whole);
        Self {
            start: elements.as_ptr().align_offset(ALIGNMENT),
            elements,
            length,
        }
    }

    /// `length` zeros.
    pub fn zeros(length: usize) -> Self {
        let mut buffer = Self::any(length);
        buffer.fill(T::zero());
        buffer
    }
}

impl<T: Number> From<&[T]> for Buffer<T> {
    fn from(elements: &[T]) -> Self {
        let mut buffer = Self::any(elements.len());
        buffer.copy_from_slice(elements);
        buffer
    }
}

impl<T: Number> Deref for Buffer<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.elements[self.start..][..self.length]
    }
}

impl<T: Number> DerefMut for Buffer<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.elements[self.start..][..self.length]
    }
}

impl<T: Number> Drop for Buffer<T> {
    fn drop(&mut self) {
        let elements = std::mem::take(&mut self.elements);
        METER.give_back(size_of::<T>() * elements.len());
        STORE
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(elements);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_buffer_is_used_again_and_zeros_are_zeros() {
        let length = 12_347;
        let mut first = Buffer::<f32>::any(length);
        first.fill(3.0);
        let place = first.as_ptr();
        drop(first);
        let second = Buffer::<f32>::zeros(length);
        assert_eq!(second.as_ptr(), place);
        assert!(second.iter().all(|&x| x == 0.0));
        assert!(second.as_ptr().addr().is_multiple_of(ALIGNMENT));
        assert_eq!(Buffer::<f64>::any(length).len(), length);
    }
}
