//! How a product is divided among the threads.

use std::ops::Range;

use crate::backend::threads::is_alone;

/// Multiply-adds below which a second thread costs more than it saves.
const TASK_WORK: usize = 1 << 19;

/// Rows of a task, at least: some tiles.
const TASK_ROWS: usize = 24;

/// Into how many parts matrices, rows and panels are cut, for the threads that there are.
pub fn split([matrices, rows, panels]: [usize; 3], work: usize, is_far: bool) -> [usize; 3] {
    /// Parts for each thread, so that one that is late does not keep the others waiting.
    const SLACK: usize = 2;
    let threads = rayon::current_num_threads();
    if is_alone() || threads == 1 {
        return [1, 1, 1];
    }
    let wanted = (threads * SLACK).min(work / TASK_WORK).max(1);
    let matrix_tasks = wanted.min(matrices);
    let wanted = wanted.div_ceil(matrix_tasks);
    let most_rows = (rows / TASK_ROWS).max(1);
    let (row_tasks, panel_tasks) = if is_far {
        // Each panel is read by one task only.
        let panel_tasks = wanted.min(panels.max(1));
        (wanted.div_ceil(panel_tasks).min(most_rows), panel_tasks)
    } else {
        let row_tasks = wanted.min(most_rows);
        (row_tasks, wanted.div_ceil(row_tasks).min(panels.max(1)))
    };
    [matrix_tasks, row_tasks, panel_tasks]
}

/// The `index`-th of `parts` almost equal parts of `0..count`.
pub fn share(count: usize, parts: usize, index: usize) -> Range<usize> {
    count * index / parts..count * (index + 1) / parts
}
