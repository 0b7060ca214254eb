//! `percept atlas cluster`.

use clap::{Args, ValueEnum};

use crate::atlas::cluster::{KUBERNETES, SLURM};
use crate::cli::options::say;
use crate::error::Result;

/// Print a job file for a cluster, to be adapted and submitted
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  percept atlas cluster slurm > percept.sbatch
  sbatch percept.sbatch --model RN50x4 --units layer4.5.sum --out /shared/atlas
  percept atlas cluster kubernetes > atlas.yaml
  kubectl apply -f atlas.yaml")]
pub struct Cluster {
    /// Which scheduler
    scheduler: Scheduler,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scheduler {
    /// A batch script for an array of jobs
    Slurm,
    /// A manifest of an indexed job
    Kubernetes,
}

impl Cluster {
    pub fn run(self) -> Result<()> {
        let file = match self.scheduler {
            Scheduler::Slurm => SLURM,
            Scheduler::Kubernetes => KUBERNETES,
        };
        say(file.trim_end())
    }
}
