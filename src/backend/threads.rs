//! The thread pool, and the rule by which a batch uses it.
//!
//! A batch runs an image a thread as long as there are as many images as threads; those left over
//! run one after the other, and each operation on them uses all threads. Either way every number
//! is computed by the same instructions in the same order.

use std::cell::Cell;
use std::sync::OnceLock;

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

thread_local! {
    static IS_ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Whether what this thread does is one task of many, and so runs on this thread only.
pub fn is_alone() -> bool {
    IS_ALONE.get()
}

/// Runs a task of a parallel loop: loops within it are not parallel.
fn alone<R>(task: impl FnOnce() -> R) -> R {
    struct Before(bool);

    impl Drop for Before {
        fn drop(&mut self) {
            IS_ALONE.set(self.0);
        }
    }

    let _before = Before(IS_ALONE.replace(true));
    task()
}

/// Calls `work` with `0..count`, in parallel unless this thread works alone.
pub fn each(count: usize, work: impl Fn(usize) + Sync + Send) {
    if count < 2 || is_alone() {
        (0..count).for_each(work);
    } else {
        (0..count)
            .into_par_iter()
            .for_each(|index| alone(|| work(index)));
    }
}

/// What the cell holds; made if it is empty. It is made outside the cell's lock: a thread that waits
/// for parts of the work takes on other tasks, which may want the same cell.
pub fn get_or_make<T>(cell: &OnceLock<T>, make: impl FnOnce() -> T) -> &T {
    match cell.get() {
        Some(made) => made,
        None => {
            let made = make();
            cell.get_or_init(|| made)
        }
    }
}

/// Numbers that are worth a task of their own when they are only moved or added.
pub const TASK_ELEMENTS: usize = 1 << 14;

/// Calls `work` with the number and the elements of every row of `length` elements, in parallel
/// unless this thread works alone.
pub fn each_row<T: Send>(
    elements: &mut [T],
    length: usize,
    work: impl Fn(usize, &mut [T]) + Sync + Send,
) {
    if length == 0 {
        return;
    }
    let rows_per_task = TASK_ELEMENTS.div_ceil(length);
    each_chunk(elements, rows_per_task * length, |task, rows| {
        for (index, row) in rows.chunks_exact_mut(length).enumerate() {
            work(task * rows_per_task + index, row);
        }
    });
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
    if is_alone() || elements.len() <= length {
        elements.chunks_mut(length).enumerate().for_each(numbered);
    } else {
        elements
            .par_chunks_mut(length)
            .enumerate()
            .for_each(|chunk| alone(|| numbered(chunk)));
    }
}

/// Calls `work` with every item, in parallel unless this thread works alone; items are tasks of their
/// own.
pub fn each_item<T: Send>(items: Vec<T>, work: impl Fn(T) + Sync + Send) {
    if items.len() < 2 || is_alone() {
        items.into_iter().for_each(work);
    } else {
        items.into_par_iter().for_each(|item| alone(|| work(item)));
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
    if is_alone() || elements.len() <= TASK_ELEMENTS {
        elements
            .chunks_exact_mut(length)
            .enumerate()
            .try_for_each(numbered)
    } else {
        elements
            .par_chunks_exact_mut(length)
            .enumerate()
            .try_for_each(|row| alone(|| numbered(row)))
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
    if is_alone() || first.len() <= length {
        in_turn((first, length), (second, second_length), work);
    } else {
        first
            .par_chunks_mut(length)
            .zip(second.par_chunks_mut(second_length))
            .enumerate()
            .for_each(|(index, (first, second))| alone(|| work(index, first, second)));
    }
}

fn in_turn<T, U>(
    (first, length): (&mut [T], usize),
    (second, second_length): (&mut [U], usize),
    work: impl Fn(usize, &mut [T], &mut [U]),
) {
    let rows = first
        .chunks_mut(length)
        .zip(second.chunks_mut(second_length));
    for (index, (first, second)) in rows.enumerate() {
        work(index, first, second);
    }
}

/// As [`each_two_rows`], for rows that take long: as many at a time as there are threads; those that
/// are left over run in turn, and loops within them are parallel.
pub fn each_two_rows_in_rounds<T: Send, U: Send>(
    (first, length): (&mut [T], usize),
    (second, second_length): (&mut [U], usize),
    work: impl Fn(usize, &mut [T], &mut [U]) + Sync + Send,
) {
    if length == 0 || second_length == 0 {
        return;
    }
    let threads = rayon::current_num_threads();
    let rounds = first.len().div_ceil(length) / threads * threads;
    let (first, rest) = first.split_at_mut(first.len().min(rounds * length));
    let (second, second_rest) = second.split_at_mut(second.len().min(rounds * second_length));
    each_two_rows((first, length), (second, second_length), &work);
    in_turn(
        (rest, length),
        (second_rest, second_length),
        |index, first, second| {
            work(rounds + index, first, second);
        },
    );
}

/// Calls `work` on every item, as many at a time as there are threads; those that are left over
/// share the threads. Results come in the order of the items.
pub fn map_images<T: Send, R: Send>(
    mut items: Vec<T>,
    work: impl Fn(usize, T) -> R + Sync,
) -> Vec<R> {
    let threads = rayon::current_num_threads();
    let rest = items.split_off(items.len() / threads * threads);
    let rounds = items.len();
    let mut results: Vec<R> = items
        .into_par_iter()
        .enumerate()
        .map(|(index, item)| alone(|| work(index, item)))
        .collect();
    // On a thread of the pool, which need not be woken for each loop.
    results.extend(rayon::scope(|_| {
        let numbered = rest.into_iter().enumerate();
        numbered
            .map(|(index, item)| work(rounds + index, item))
            .collect::<Vec<R>>()
    }));
    results
}
