//! Steps that are recorded and launched again as CUDA graphs.

use std::sync::Arc;

use crate::backend::cuda::{Gpu, Graph};
use crate::encoder::layer::Rules;
use crate::error::Result;

/// Launches steps, recorded or not; pictures do not depend on it.
pub struct Launcher {
    gpu: Arc<Gpu>,
    /// One for each of the rules that change what is launched; nothing where steps are not recorded.
    records: Option<Vec<(Rules, Option<Graph>)>>,
}

impl Launcher {
    /// Of one device.
    pub fn new(gpu: &Arc<Gpu>, is_recording: bool) -> Self {
        Self {
            gpu: gpu.clone(),
            records: is_recording.then(Vec::new),
        }
    }

    /// Has a step launched: as it is for the first time, when it uploads and loads what it needs, and as a
    /// record from the second time on.
    pub(super) fn run(&mut self, rules: Rules, launch: impl FnOnce() -> Result<()>) -> Result<()> {
        let Some(records) = &mut self.records else {
            return launch();
        };
        match records.iter_mut().find(|(known, _)| *known == rules) {
            Some((_, Some(graph))) => graph.launch(),
            Some((_, record)) => record.insert(Graph::record(&self.gpu, launch)?).launch(),
            None => {
                records.push((rules, None));
                launch()
            }
        }
    }
}
