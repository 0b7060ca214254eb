//! What tests need that Cargo does not bring, and where it comes from.

#![allow(
    dead_code,
    reason = "every test program compiles this file and uses a part of it"
)]

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Something that a machine may not have.
#[derive(Debug, Clone, Copy)]
pub enum Need {
    /// Chromium or a relative.
    Browser,
    /// A controller, a node, a key service.
    Slurm,
    /// A Python with pandas and pyarrow.
    Pandas,
    /// A Python with the hub's own client.
    HubClient,
    /// A shell that reads its completions.
    Shell(&'static str),
    /// What sets man pages.
    Groff,
    /// What runs a program on a terminal of its own.
    Terminal,
    /// A second file system.
    SharedMemory,
    /// Vectors of eight or sixteen numbers with fused multiply-adds, for which pictures were written down.
    Lanes,
    /// A file system of its own for one process, as Linux gives it to users.
    Mounts,
}

/// All of them.
pub const NEEDS: [Need; 12] = [
    Need::Browser,
    Need::Slurm,
    Need::Pandas,
    Need::HubClient,
    Need::Shell("bash"),
    Need::Shell("zsh"),
    Need::Shell("fish"),
    Need::Groff,
    Need::Terminal,
    Need::SharedMemory,
    Need::Mounts,
    Need::Lanes,
];

/// What Chromium and its relatives are called.
const BROWSERS: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// Slurm's programs and its key service.
const SLURM: [&str; 8] = [
    "munged",
    "slurmctld",
    "slurmd",
    "sbatch",
    "sinfo",
    "scancel",
    "scontrol",
    "squeue",
];

/// Set where a browser must be there.
const BROWSER_DEMANDED: &str = "PERCEPT_TEST_BROWSER";

/// Names a Python that must have what is needed of it.
const PYTHON: &str = "PERCEPT_TEST_PYTHON";

/// Where Linux has a file system in memory.
pub const SHARED_MEMORY: &str = "/dev/shm";

impl Need {
    /// The tests that have this need.
    pub fn tests(self) -> &'static str {
        match self {
            Self::Browser => "an atlas' site in a browser",
            Self::Slurm => "jobs on a Slurm cluster",
            Self::Pandas => "an atlas' table in pandas",
            Self::HubClient => "the cache of models as the hub's own client has it",
            Self::Shell(_) => "a shell's completions",
            Self::Groff => "man pages as troff sets them",
            Self::Terminal => "the progress of a download on a terminal",
            Self::SharedMemory => "outputs on another file system",
            Self::Lanes => "pictures, pixel by pixel",
            Self::Mounts => "a disk that is full",
        }
    }

    /// What to type.
    pub fn install(self) -> String {
        match self {
            Self::Browser => "apt-get install chromium, or CHROME=PROGRAM".to_owned(),
            Self::Slurm => "apt-get install slurm-wlm munge".to_owned(),
            Self::Pandas => "pip install pandas pyarrow, or PERCEPT_TEST_PYTHON=PROGRAM".to_owned(),
            Self::HubClient => {
                "pip install huggingface_hub, or PERCEPT_TEST_PYTHON=PROGRAM".to_owned()
            }
            Self::Shell(name) => format!("apt-get install {name}"),
            Self::Groff => "apt-get install groff".to_owned(),
            Self::Terminal => "apt-get install bsdutils".to_owned(),
            Self::SharedMemory => format!("Linux with {SHARED_MEMORY}"),
            Self::Lanes => "an x86-64 processor with AVX2 and FMA, or with AVX-512".to_owned(),
            Self::Mounts => "Linux that lets users mount in a namespace of theirs".to_owned(),
        }
    }

    /// What is not there.
    pub fn missing(self) -> Option<String> {
        let program = |name: &str| find(name).is_none().then(|| format!("no {name}"));
        match self {
            Self::Browser => browser().is_none().then(|| "no Chromium".to_owned()),
            Self::Slurm => SLURM.into_iter().find_map(program),
            Self::Shell(name) => program(name),
            Self::Groff => program("groff"),
            Self::Terminal => program("script"),
            Self::Pandas => {
                let python = python();
                let has_both = succeeds(&python, &["-c", "import pandas, pyarrow"]);
                (!has_both).then(|| format!("{python} has no pandas with pyarrow"))
            }
            Self::HubClient => {
                let python = python();
                let has_it = succeeds(&python, &["-c", "import huggingface_hub"]);
                (!has_it).then(|| format!("{python} has no huggingface_hub"))
            }
            Self::SharedMemory => {
                let is_there = Path::new(SHARED_MEMORY).is_dir();
                (!is_there).then(|| format!("no {SHARED_MEMORY}"))
            }
            Self::Lanes => lanes().is_none().then(|| "another processor".to_owned()),
            Self::Mounts => {
                let line = ["sh", "-c", "mount -t tmpfs none /mnt"];
                let may = succeeds(
                    "unshare",
                    &[&["--map-root-user", "--mount"], &line[..]].concat(),
                );
                (!may).then(|| "no file system of its own".to_owned())
            }
        }
    }

    /// Whether it is there; says past the capture of a passing test's output when it is not.
    ///
    /// # Panics
    /// When it is not there and the environment says that it must be.
    pub fn is_met(self) -> bool {
        let Some(missing) = self.missing() else {
            return true;
        };
        let demanded = match self {
            Self::Browser => Some(BROWSER_DEMANDED),
            Self::Pandas => Some(PYTHON),
            _ => None,
        };
        if let Some(name) = demanded
            && env::var_os(name).is_some()
        {
            panic!("{name} is set, and there is {missing}");
        }
        let line = format!("SKIPPED, {missing}: {}\n", self.install());
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        false
    }
}

/// The processor's vectors, if pictures were written down for them.
#[cfg(target_arch = "x86_64")]
pub fn lanes() -> Option<&'static str> {
    let wide = [
        is_x86_feature_detected!("avx512f"),
        is_x86_feature_detected!("avx512bw"),
        is_x86_feature_detected!("avx512cd"),
        is_x86_feature_detected!("avx512dq"),
        is_x86_feature_detected!("avx512vl"),
    ];
    match wide {
        [true, true, true, true, true] => Some("avx512"),
        [false, ..] if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") => {
            Some("avx2")
        }
        _ => None,
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub fn lanes() -> Option<&'static str> {
    None
}

/// Whether a program runs and ends well.
fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The browser's program: what `CHROME` names, or else the first that is installed.
pub fn browser() -> Option<PathBuf> {
    let named = env::var_os("CHROME").map(PathBuf::from);
    let named = named.filter(|path| path.is_file());
    named.or_else(|| BROWSERS.into_iter().find_map(find))
}

/// The Python that is asked to read a table, or a cache of models.
pub fn python() -> String {
    env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned())
}

/// The folders of programs, with those of services, which are on the path of root only.
pub fn path() -> String {
    format!("{}:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default())
}

/// Where a program lies.
fn find(name: &str) -> Option<PathBuf> {
    let path = path();
    let mut places = env::split_paths(&path).map(|folder| folder.join(name));
    places.find(|place| place.is_file())
}
