//! The progress bar of a download.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::options::remark;
use super::stop;
use crate::error::printable;
use crate::model::weights::downloads::Downloads;

/// How often the bar is drawn while nothing comes.
const TICK: Duration = Duration::from_millis(200);

/// One bar for all that is fetched, from the first request on; nothing where there is no terminal.
#[derive(Debug)]
pub struct Download {
    bar: ProgressBar,
    is_quiet: bool,
}

impl Download {
    pub fn new(is_quiet: bool) -> Self {
        Self {
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
            is_quiet,
        }
    }

    fn show(&self, template: &str) {
        if self.is_quiet || !io::stderr().is_terminal() {
            return;
        }
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar.set_style(style.progress_chars("=> "));
        if self.bar.is_hidden() {
            self.bar.reset();
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.bar.enable_steady_tick(TICK);
        }
    }
}

impl Downloads for Download {
    fn waits(&self, what: &str) {
        self.show("{spinner} {msg} {elapsed}");
        self.bar.reset_elapsed();
        self.bar.set_message(printable(what).into_owned());
    }

    fn begins(&self, file: &str, bytes: Option<u64>, done: u64) {
        self.bar.set_message(printable(file).into_owned());
        self.show(match bytes {
            Some(_) => "{msg} [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
            None => "{msg} {bytes}, {bytes_per_sec}",
        });
        self.bar.set_length(bytes.unwrap_or(done));
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    fn reaches(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    fn ends(&self) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
    }

    fn remark(&self, line: &str) {
        if !self.is_quiet {
            self.bar.suspend(|| remark(&printable(line)));
        }
    }

    fn should_stop(&self) -> bool {
        stop::is_asked()
    }
}
