//! Whole layers: a plan fixed at the start, pictures written as they are made, a journal from which
//! an interrupted run goes on, and work that is divided among machines.
//!
//! ```text
//! atlas/plan.json                               what is rendered
//! atlas/journal/0-of-1.jsonl                    what is done, a line a picture
//! atlas/pictures/layer4.5.sum/89-v0.png         with its sidecar 89-v0.json
//! atlas/responses/layer4.5.sum/89-v0.npy        how all units of the tap respond to it
//! atlas/journal/0-of-1.pending/                 files in the making
//! ```

mod change;
pub mod cluster;
pub mod folder;
pub mod job;
pub mod journal;
pub mod merge;
pub mod plan;
mod queue;
pub mod shard;
mod spelled;
pub mod units;
pub mod writer;

pub use folder::Folder;
pub use job::{Outcome, Report, Work};
pub use journal::Entry;
pub use plan::{Item, Plan};
pub use shard::Shard;
