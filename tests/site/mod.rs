//! What an atlas publishes, read by others: its table by Parquet's row reader and by pandas, its site by
//! a real browser.

mod browser;
mod compare;
mod copy;
mod data;
mod devtools;
mod keys;
mod layers;
mod notes;
mod page;
mod publishing;
mod scatter;
mod search;
mod server;
mod synthetic;
mod unit;
mod untrusted;
