//! `percept atlas cluster`.

use clap::{Args, Subcommand};

use crate::atlas::cluster::{self, CONTAINERFILE, CONTAINERFILE_CUDA, Tasks, Value};
use crate::cli::options::say;
use crate::error::Result;

/// Print a job file for a cluster, to be adapted and submitted
#[derive(Debug, Args)]
pub struct Cluster {
    #[command(subcommand)]
    file: File,
}

#[derive(Debug, Subcommand)]
enum File {
    Slurm(Slurm),
    Kubernetes(Kubernetes),
    Containerfile(Containerfile),
}

/// Print a batch script for Slurm: an array of jobs, and a job that merges
///
/// `bash FILE OPTIONS` submits both, with the options of `percept atlas`. A task that runs out of time stops in order
/// and is queued again. What is left out here is a comment in the script.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  percept atlas cluster slurm --partition gpu --gpus 1 > percept.sbatch
  bash percept.sbatch --model RN50x4 --units layer4.5.sum --out /shared/atlas")]
struct Slurm {
    #[command(flatten)]
    size: Size,

    /// Memory of each task
    #[arg(long, value_name = "SIZE", default_value = "16G")]
    memory: Value,

    /// Time limit of a task
    #[arg(long, value_name = "TIME", default_value = "24:00:00")]
    time: Value,

    /// The partition to submit to
    #[arg(long, value_name = "NAME")]
    partition: Option<Value>,

    /// The account to charge
    #[arg(long, value_name = "NAME")]
    account: Option<Value>,
}

/// Print a manifest for Kubernetes: an indexed job, and a job that merges
///
/// Set the volume's claim and the arguments of `percept atlas` in it. Each pod uses as many threads as its limit of
/// processors.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  percept atlas cluster kubernetes --image ghcr.io/me/percept:1 > atlas.yaml
  kubectl apply -f atlas.yaml")]
struct Kubernetes {
    #[command(flatten)]
    size: Size,

    /// Memory of each pod
    #[arg(long, value_name = "SIZE", default_value = "16Gi")]
    memory: Value,

    /// An image with percept on its path
    #[arg(long, value_name = "IMAGE")]
    image: Option<Value>,
}

/// Print the Containerfile from which an image with percept is built
#[derive(Debug, Args)]
#[command(after_help = "Examples, in percept's repository:
  percept atlas cluster containerfile > Containerfile
  podman build --tag percept --file Containerfile .")]
struct Containerfile {
    /// An image that renders on NVIDIA GPUs too
    #[arg(long)]
    cuda: bool,
}

#[derive(Debug, Args)]
struct Size {
    /// Tasks that share the units
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    tasks: u32,

    /// Processors of each task
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    cpus: u32,

    /// NVIDIA GPUs of each task
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..64))]
    gpus: u32,
}

impl Size {
    fn of(&self, memory: &Value) -> Tasks {
        Tasks {
            count: self.tasks,
            cpus: self.cpus,
            memory: memory.clone(),
            gpus: self.gpus,
        }
    }
}

impl Cluster {
    pub fn run(self) -> Result<()> {
        let text = match &self.file {
            File::Slurm(slurm) => cluster::slurm(
                &slurm.size.of(&slurm.memory),
                &slurm.time,
                slurm.partition.as_ref(),
                slurm.account.as_ref(),
            )?,
            File::Kubernetes(kubernetes) => cluster::kubernetes(
                &kubernetes.size.of(&kubernetes.memory),
                kubernetes.image.as_ref(),
            )?,
            File::Containerfile(Containerfile { cuda: true }) => CONTAINERFILE_CUDA.to_owned(),
            File::Containerfile(Containerfile { cuda: false }) => CONTAINERFILE.to_owned(),
        };
        say(text.trim_end())
    }
}
