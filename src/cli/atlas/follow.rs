//! How an atlas's job is seen.

use std::time::Instant;

use crate::ascent::Watch;
use crate::atlas::Report;
use crate::cli::options::remark;
use crate::cli::progress::Progress;

/// The bar on a terminal; elsewhere a line a batch.
pub struct Follow {
    progress: Progress,
    is_quiet: bool,
    all: usize,
    start: Instant,
}

impl Follow {
    /// Of `all` pictures of so many steps.
    pub fn new(all: usize, steps: usize, is_quiet: bool) -> Self {
        Self {
            progress: Progress::new(all, steps, is_quiet),
            is_quiet,
            all,
            start: Instant::now(),
        }
    }

    pub fn finish(&self) {
        self.progress.finish();
    }
}

impl Watch for Follow {
    fn stepped(&self, steps_done: usize) {
        self.progress.stepped(steps_done);
    }

    fn warn(&self, message: &str) {
        Watch::warn(&self.progress, message);
    }

    fn should_stop(&self) -> bool {
        self.progress.should_stop()
    }
}

impl Report for Follow {
    fn batch_begins(&self, images: usize, done: usize) {
        self.progress.start_batch(images, done);
        if !self.is_quiet && self.progress.is_hidden() && done > 0 {
            let minutes = self.start.elapsed().as_secs_f64() / 60.0;
            let rate = done as f64 / minutes;
            remark(&format!(
                "{done} of {} pictures, {rate:.1} units/min, {:.0} min left",
                self.all,
                (self.all - done) as f64 / rate
            ));
        }
    }

    fn remark(&self, text: &str) {
        self.progress.warn(&format!("percept: {text}"));
    }
}
