//! What an atlas publishes, read by others: its table by Parquet's row reader and by pandas, its site by
//! a real browser.

#[path = "../common/mod.rs"]
mod common;

mod browser;
mod data;
mod keys;
mod notes;
mod page;
mod publishing;
mod search;
mod server;
mod synthetic;
mod untrusted;

use std::io::Write;

/// Says that a test was skipped, past the capture of a passing test's output.
pub fn skipped(why: &str) {
    let line = format!("SKIPPED, {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
