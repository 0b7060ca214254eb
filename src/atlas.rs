//! A layer's units as a folder that a browser, a link and a data frame can open.
//!
//! A [`record::Record`] holds all that is known of one unit. [`publish::publish`] turns the records of
//! an atlas into `manifest.json`, `units.parquet` and a static site that works from `file://`.

pub mod flags;
pub mod manifest;
pub mod neighbours;
pub mod numbers;
pub mod publish;
pub mod record;
pub mod site;
pub mod table;
