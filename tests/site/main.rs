//! What an atlas publishes, read by others: its table by Parquet's row reader and by pandas, its site by
//! a real browser.

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
