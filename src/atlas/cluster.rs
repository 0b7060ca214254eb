//! Job files for clusters, and what their image is built from, to be adapted and submitted.

use std::fmt;
use std::str::FromStr;

use askama::Template;

use crate::error::{Error, Result, bail, shorten};

/// From which an image with percept is built that renders on the CPU.
pub const CONTAINERFILE: &str = include_str!("cluster/Containerfile");

/// From which an image is built that renders on NVIDIA GPUs too.
pub const CONTAINERFILE_CUDA: &str = include_str!("cluster/Containerfile.cuda");

/// Restarts of pods, for each of them, after which a job has failed.
const RESTARTS: u32 = 4;

/// A value that stands in a job file as it is: letters, digits and `._:/@+=,-`, not a dash first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value(String);

impl FromStr for Value {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._:/@+=,-".contains(c);
        if text.is_empty() || text.starts_with('-') || !text.chars().all(fits) {
            bail!(
                Request,
                "{:?} cannot stand in a job file: give letters, digits and ._:/@+=,-",
                shorten(text)
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What each task of an array has.
#[derive(Debug, Clone)]
pub struct Tasks {
    /// How many there are, at least 1.
    pub count: u32,
    /// Processors of each.
    pub cpus: u32,
    /// Memory of each, in the scheduler's spelling.
    pub memory: Value,
    /// GPUs of each.
    pub gpus: u32,
}

impl Tasks {
    /// The device that percept renders on: all GPUs, where there are any.
    fn device(&self) -> Option<String> {
        let numbers: Vec<String> = (0..self.gpus).map(|number| number.to_string()).collect();
        (self.gpus > 0).then(|| format!("cuda:{}", numbers.join(",")))
    }
}

/// A batch script for Slurm: an array of jobs, and a job that merges.
#[derive(Template)]
#[template(path = "percept.sbatch", escape = "none", whitespace = "preserve")]
struct Script<'a> {
    tasks: u32,
    last: u32,
    cpus: u32,
    memory: &'a Value,
    time: &'a Value,
    partition: String,
    account: String,
    gpus: String,
    device: String,
}

/// A batch script for Slurm: an array of jobs that submits itself, with the job that merges.
///
/// # Errors
/// None that a user could cause.
pub fn slurm(
    tasks: &Tasks,
    time: &Value,
    partition: Option<&Value>,
    account: Option<&Value>,
) -> Result<String> {
    let directive = |option: &str, value: Option<&Value>| match value {
        Some(value) => format!("#SBATCH --{option}={value}"),
        None => format!("##SBATCH --{option}=NAME"),
    };
    let script = Script {
        tasks: tasks.count,
        last: tasks.count.saturating_sub(1),
        cpus: tasks.cpus,
        memory: &tasks.memory,
        time,
        partition: directive("partition", partition),
        account: directive("account", account),
        gpus: match tasks.gpus {
            0 => "##SBATCH --gpus=1".to_owned(),
            gpus => format!("#SBATCH --gpus={gpus}"),
        },
        device: match tasks.device() {
            Some(device) => format!("options+=(--device {device})"),
            None => "#options+=(--device cuda)".to_owned(),
        },
    };
    rendered(&script)
}

/// A manifest for Kubernetes: an indexed job, and a job that merges.
#[derive(Template)]
#[template(path = "kubernetes.yaml", escape = "none", whitespace = "preserve")]
struct Manifest<'a> {
    tasks: u32,
    restarts: u32,
    cpus: u32,
    memory: &'a Value,
    gpus: String,
    device: String,
    image: String,
}

/// A manifest for Kubernetes: an indexed job and the job that merges, of pods of an image.
///
/// # Errors
/// None that a user could cause.
pub fn kubernetes(tasks: &Tasks, image: Option<&Value>) -> Result<String> {
    let manifest = Manifest {
        tasks: tasks.count,
        restarts: tasks.count.saturating_mul(RESTARTS),
        cpus: tasks.cpus,
        memory: &tasks.memory,
        gpus: match tasks.gpus {
            0 => "# nvidia.com/gpu: \"1\"".to_owned(),
            gpus => format!("nvidia.com/gpu: \"{gpus}\""),
        },
        device: match tasks.device() {
            Some(device) => format!("--device, \"{device}\", "),
            None => String::new(),
        },
        image: match image {
            Some(image) => image.to_string(),
            None => concat!("registry.example.org/percept:", env!("CARGO_PKG_VERSION")).to_owned(),
        },
    };
    rendered(&manifest)
}

fn rendered(template: &impl Template) -> Result<String> {
    template.render().map_err(|source| {
        Error::new(crate::error::Kind::Internal, "cannot write a job file").caused_by(source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_place() {
        for text in [
            "gpu",
            "2-12:00:00",
            "16Gi",
            "ghcr.io/a/percept:0.1@sha256:0a",
        ] {
            assert_eq!(text.parse::<Value>().unwrap().to_string(), text);
        }
        for text in ["", "-x", "a b", "a\nb", "$(x)", "a;b", "a\"b", "a#b", "é"] {
            assert!(text.parse::<Value>().is_err(), "{text:?}");
        }
    }
}
