//! The thread pool, and the rule by which a batch uses it.
//!
//! A batch with at least as many images as threads runs one image a thread; a smaller one runs
//! its images one after the other and lets each matrix product use the pool. Either way every
//! number is computed by the same instructions in the same order.

use rayon::prelude::*;

use crate::error::{Error, Kind, Result};

/// Fixes the size of the global pool; to be called once, before any other work.
///
/// # Errors
/// When the pool is already running, or the system has no room for so many threads.
pub fn use_threads(count: usize) -> Result<()> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .build_global()
        .map_err(|source| {
            Error::new(Kind::Internal, "cannot start the thread pool").caused_by(source)
        })
}

/// Whether this thread is one of the pool's, each of which works alone.
pub fn is_inside_pool() -> bool {
    rayon::current_thread_index().is_some()
}

/// Calls `work` with `0..count`, in parallel unless this thread is one of the pool's.
pub fn each(count: usize, work: impl Fn(usize) + Sync + Send) {
    if count < 2 || is_inside_pool() {
        (0..count).for_each(work);
    } else {
        (0..count).into_par_iter().for_each(work);
    }
}

/// Numbers that are worth a task of their own when they are only moved or added.
pub const TASK_ELEMENTS: usize = 1 << 14;

/// Calls `work` with the number and the elements of every row of `length` elements, in parallel
/// unless this thread is one of the pool's.
pub fn each_row<T: Send>(elements: &mut [T], length: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    if length == 0 {
        return;
    }
    let rows = |first: usize, rows: &mut [T]| {
        for (index, row) in rows.chunks_exact_mut(length).enumerate() {
            work(first + index, row);
        }
    };
    let rows_per_task = TASK_ELEMENTS.div_ceil(length);
    if is_inside_pool() || elements.len() <= TASK_ELEMENTS {
        rows(0, elements);
    } else {
        elements
            .par_chunks_mut(rows_per_task * length)
            .enumerate()
            .for_each(|(task, elements)| rows(task * rows_per_task, elements));
    }
}

/// Calls `work` with the number and the elements of every chunk of `length` elements, the last of
/// which may be shorter; chunks are tasks of their own.
pub fn each_chunk<T: Send>(
    elements: &mut [T],
    length: usize,
    work: impl Fn(usize, &mut [T]) + Sync + Send,
) {
    if length == 0 {
        return;
    }
    let numbered = |(index, chunk): (usize, &mut [T])| work(index, chunk);
    if is_inside_pool() || elements.len() <= length {
        elements.chunks_mut(length).enumerate().for_each(numbered);
    } else {
        elements
            .par_chunks_mut(length)
            .enumerate()
            .for_each(numbered);
    }
}

/// As [`each_row`], for work that can fail; rows are tasks of their own.
pub fn try_each_row<T: Send>(
    elements: &mut [T],
    length: usize,
    work: impl Fn(usize, &mut [T]) -> Result<()> + Sync + Send,
) -> Result<()> {
    if length == 0 {
        return Ok(());
    }
    let numbered = |(index, row): (usize, &mut [T])| work(index, row);
    if is_inside_pool() || elements.len() <= TASK_ELEMENTS {
        elements
            .chunks_exact_mut(length)
            .enumerate()
            .try_for_each(numbered)
    } else {
        elements
            .par_chunks_exact_mut(length)
            .enumerate()
            .try_for_each(numbered)
    }
}

/// As [`each_row`], for two slices of as many rows, however short.
pub fn each_two_rows<T: Send, U: Send>(
    (first, length): (&mut [T], usize),
    (second, second_length): (&mut [U], usize),
    work: impl Fn(usize, &mut [T], &mut [U]) + Sync + Send,
) {
    if length == 0 || second_length == 0 {
        return;
    }
    if is_inside_pool() || first.len() <= length {
        let rows = first
            .chunks_mut(length)
            .zip(second.chunks_mut(second_length));
        for (index, (first, second)) in rows.enumerate() {
            work(index, first, second);
        }
    } else {
        first
            .par_chunks_mut(length)
            .zip(second.par_chunks_mut(second_length))
            .enumerate()
            .for_each(|(index, (first, second))| work(index, first, second));
    }
}

/// Calls `work` on every item, in parallel where there are enough of them to keep the pool busy;
/// results come in the order of the items.
pub fn map_images<T: Send, R: Send>(items: Vec<T>, work: impl Fn(usize, T) -> R + Sync) -> Vec<R> {
    let numbered = |(index, item)| work(index, item);
    if items.len() >= rayon::current_num_threads() {
        items.into_par_iter().enumerate().map(numbered).collect()
    } else {
        items.into_iter().enumerate().map(numbered).collect()
    }
}
