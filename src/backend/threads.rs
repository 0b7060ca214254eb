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
