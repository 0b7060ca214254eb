//! Whole layers: a plan fixed at the start, pictures written as they are made, a journal from which
//! an interrupted run goes on, work that is divided among machines; and in the end a folder that a
//! browser, a link and a data frame can open.
//!
//! ```text
//! atlas/plan.json                               what is rendered
//! atlas/journal/0-of-1.jsonl                    what is done, a line a picture
//! atlas/pictures/layer4.5.sum/89-v0.png         with its sidecar 89-v0.json
//! atlas/responses/layer4.5.sum/89-v0.npy        how all units of the tap respond to it
//! atlas/journal/0-of-1.pending/                 files in the making
//! atlas/manifest.json, units.parquet            what was found, unit by unit
//! atlas/index.html, site/, sprites/             the same to look at, from `file://` too
//! ```
//!
//! [`gather::gather`] makes a [`record::Record`] of all that is known of each unit, and
//! [`publish::publish`] turns the records into the last four.

mod change;
pub mod cluster;
pub mod flags;
pub mod folder;
pub mod gather;
mod held;
pub mod job;
pub mod journal;
pub mod manifest;
pub mod merge;
mod missing;
pub mod neighbours;
pub mod numbers;
pub mod plan;
pub mod publish;
mod published;
mod queue;
pub mod record;
pub mod shard;
pub mod site;
mod spelled;
pub mod table;
pub mod units;
mod vacant;
mod within;
pub mod writer;

pub use folder::Folder;
pub use job::{Outcome, Report, Work};
pub use journal::Entry;
pub use plan::{Item, Plan};
pub use shard::Shard;
