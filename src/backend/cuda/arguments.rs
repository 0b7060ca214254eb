//! What a kernel is launched with: how many threads, and its arguments.

use std::marker::PhantomData;

use cudarc::driver::{DevicePtr, DevicePtrMut, LaunchArgs, PushKernelArg};

use super::array::{Array, Element};

/// Threads of a block.
pub(super) const THREADS: usize = 256;
/// Lanes of a warp.
const LANES: usize = 32;
/// Blocks of a kernel that strides through its work, at most: 16 for each of the 132 processors of an
/// H100, enough to fill it, few enough that none starts for little.
const MOST_BLOCKS: usize = 132 * 16;

/// How many threads a kernel is given.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    pub(super) blocks: usize,
    pub(super) work: usize,
}

impl Grid {
    /// A thread an element, or several elements one after the other.
    pub fn elements(count: usize) -> Self {
        Self {
            blocks: count.div_ceil(THREADS).min(MOST_BLOCKS),
            work: count,
        }
    }

    /// A warp a row, or several rows one after the other.
    pub fn warps(rows: usize) -> Self {
        Self {
            blocks: rows.div_ceil(THREADS / LANES).min(MOST_BLOCKS),
            work: rows,
        }
    }

    /// A warp a row, all at once.
    pub fn every_row(rows: usize) -> Self {
        Self {
            blocks: rows.div_ceil(THREADS / LANES),
            work: rows,
        }
    }

    /// A block an image.
    pub fn blocks(count: usize) -> Self {
        Self {
            blocks: count,
            work: count,
        }
    }
}

/// A pointer to what a kernel reads.
pub struct In<'a, T> {
    pointer: u64,
    array: PhantomData<&'a T>,
}

impl<'a, T: Element> From<&'a Array<T>> for In<'a, T> {
    fn from(array: &'a Array<T>) -> Self {
        Self {
            pointer: array.slice.device_ptr(&array.gpu().stream).0,
            array: PhantomData,
        }
    }
}

impl<'a, T: Element> From<Option<&'a Array<T>>> for In<'a, T> {
    fn from(array: Option<&'a Array<T>>) -> Self {
        let null = Self {
            pointer: 0,
            array: PhantomData,
        };
        array.map_or(null, Self::from)
    }
}

/// A pointer to what a kernel writes.
pub struct Out<'a, T> {
    pointer: u64,
    array: PhantomData<&'a mut T>,
}

impl<'a, T: Element> Out<'a, T> {
    /// An array that a kernel reads and writes in place.
    pub fn in_place(array: &'a mut Array<T>) -> (In<'a, T>, Self) {
        let to = Self::from(array);
        let from = In {
            pointer: to.pointer,
            array: PhantomData,
        };
        (from, to)
    }
}

impl<'a, T: Element> From<&'a mut Array<T>> for Out<'a, T> {
    fn from(array: &'a mut Array<T>) -> Self {
        let stream = array.gpu().stream.clone();
        Self {
            pointer: array.slice.device_ptr_mut(&stream).0,
            array: PhantomData,
        }
    }
}

impl<'a, T: Element> From<Option<&'a mut Array<T>>> for Out<'a, T> {
    fn from(array: Option<&'a mut Array<T>>) -> Self {
        let null = Self {
            pointer: 0,
            array: PhantomData,
        };
        array.map_or(null, Self::from)
    }
}

/// One argument of a launch.
pub(super) trait Argument {
    fn push<'a>(&'a self, launch: &mut LaunchArgs<'a>);
}

impl<T> Argument for In<'_, T> {
    fn push<'a>(&'a self, launch: &mut LaunchArgs<'a>) {
        launch.arg(&self.pointer);
    }
}

impl<T> Argument for Out<'_, T> {
    fn push<'a>(&'a self, launch: &mut LaunchArgs<'a>) {
        launch.arg(&self.pointer);
    }
}

impl Argument for u32 {
    fn push<'a>(&'a self, launch: &mut LaunchArgs<'a>) {
        launch.arg(self);
    }
}

impl Argument for i32 {
    fn push<'a>(&'a self, launch: &mut LaunchArgs<'a>) {
        launch.arg(self);
    }
}

impl Argument for f32 {
    fn push<'a>(&'a self, launch: &mut LaunchArgs<'a>) {
        launch.arg(self);
    }
}
