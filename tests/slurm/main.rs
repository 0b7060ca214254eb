//! An array of jobs on a real Slurm: a controller, a node and their key service, started for this test
//! with the programs of the distribution's packages (Debian: `slurm-wlm` and `munge`).
//!
//! Skipped, in words that the test runner does not swallow, where they are not installed.

#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;

mod cluster;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use cluster::Cluster;
use common::{files, success};
use tempfile::TempDir;

const UNITS: [&str; 10] = [
    "--units", "0..9", "--size", "16", "--steps", "3", "--scale", "1", "--batch", "2",
];

fn lasting(atlas: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = files(atlas).into_iter();
    let paths = paths.filter(|path| !path.starts_with("journal"));
    paths
        .map(|path| (path.clone(), fs::read(atlas.join(path)).unwrap()))
        .collect()
}

#[test]
fn an_array_of_jobs_renders_an_atlas_in_shards() {
    if let Some(program) = Cluster::missing() {
        let skipped = format!(
            "SKIPPED: {program} is not installed (Debian: apt-get install slurm-wlm munge), so no Slurm job was run\n"
        );
        // Not by eprintln!, which the test runner keeps to itself.
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        return;
    }
    let folder = TempDir::new().unwrap();
    let script = success(folder.path(), &["atlas", "cluster", "slurm"]).stdout;
    fs::write(folder.path().join("percept.sbatch"), script).unwrap();
    let whole = TempDir::new().unwrap();
    success(
        whole.path(),
        &[&["atlas", "--out", "atlas"], &UNITS[..]].concat(),
    );

    let cluster = Cluster::start();
    let submit = |options: &[&str], arguments: &[&str]| {
        let script = ["percept.sbatch", "--out", "atlas"];
        cluster.sbatch(folder.path(), &[options, &script, arguments].concat())
    };
    submit(&["--array=0-2"], &UNITS);
    let atlas = folder.path().join("atlas");
    let journals: Vec<_> = files(&atlas.join("journal"));
    let names = ["0-of-3.jsonl", "1-of-3.jsonl", "2-of-3.jsonl"].map(PathBuf::from);
    assert_eq!(journals, names);
    for name in names {
        let journal = fs::read_to_string(atlas.join("journal").join(&name)).unwrap();
        let done = journal.matches("\"event\":\"done\"").count();
        assert_eq!(done, 3, "{}", name.display());
    }
    success(folder.path(), &["atlas", "merge", "atlas"]);
    success(whole.path(), &["atlas", "merge", "atlas"]);
    assert!(lasting(&atlas) == lasting(&whole.path().join("atlas")));

    // One task again, which goes on with what is left of its own share.
    let lost = atlas.join("pictures/layer4.0.sum/4-v0.png");
    fs::remove_file(&lost).unwrap();
    submit(&["--array=1"], &["--shard", "1/3"]);
    assert!(lasting(&atlas) == lasting(&whole.path().join("atlas")));
}
