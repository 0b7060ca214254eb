//! Job files for clusters, to be adapted and submitted.

/// A batch script for Slurm, for an array of jobs.
pub const SLURM: &str = include_str!("cluster/percept.sbatch");

/// A manifest for Kubernetes, of an indexed job.
pub const KUBERNETES: &str = include_str!("cluster/kubernetes.yaml");
