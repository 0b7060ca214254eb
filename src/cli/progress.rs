//! The progress bar of an ascent.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::options::{remark, say};
use super::stop;
use crate::ascent::Watch;
use crate::error::Result;

/// A bar over all steps of all pictures; silent when it is not on a terminal.
pub struct Progress {
    bar: ProgressBar,
    images: usize,
    steps: usize,
    images_in_batch: AtomicUsize,
    done_before: AtomicU64,
}

impl Progress {
    pub fn new(images: usize, steps: usize, quiet: bool) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some((images * steps) as u64), target);
        let style = ProgressStyle::with_template(
            "{msg} [{bar:30}] {percent}%, {units} units/min, {eta} left",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
        .with_key(
            "units",
            move |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = write!(out, "{:.1}", 60.0 * state.per_sec() / steps.max(1) as f64);
            },
        );
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            bar,
            images,
            steps,
            images_in_batch: AtomicUsize::new(1),
            done_before: AtomicU64::new(0),
        }
    }

    /// Whether nobody sees it.
    pub fn is_hidden(&self) -> bool {
        self.bar.is_hidden()
    }

    /// Announces the next batch; `done` pictures are behind it.
    pub fn start_batch(&self, images: usize, done: usize) {
        let all = self.images;
        let before = (done * self.steps) as u64;
        self.done_before.store(before, Ordering::Relaxed);
        self.images_in_batch.store(images, Ordering::Relaxed);
        self.bar.set_position(before);
        let label = match images {
            1 => format!("picture {} of {all}", done + 1),
            _ => format!("pictures {} to {} of {all}", done + 1, done + images),
        };
        self.bar.set_message(label);
    }

    /// Prints a line to standard output without tearing the bar.
    pub fn print(&self, line: &str) -> Result<()> {
        self.bar.suspend(|| say(line))
    }

    /// Prints a line to standard error without tearing the bar.
    pub fn warn(&self, line: &str) {
        self.bar.suspend(|| remark(line));
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watch for Progress {
    fn stepped(&self, steps_done: usize) {
        let images = self.images_in_batch.load(Ordering::Relaxed);
        let before = self.done_before.load(Ordering::Relaxed);
        self.bar.set_position(before + (images * steps_done) as u64);
        if steps_done == self.steps {
            self.bar.set_message("measuring");
        }
    }

    fn warn(&self, message: &str) {
        self.bar.suspend(|| remark(&format!("percept: {message}")));
    }

    fn should_stop(&self) -> bool {
        stop::is_asked()
    }
}
