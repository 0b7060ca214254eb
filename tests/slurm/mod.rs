//! An array of jobs on a real Slurm: a controller, a node and their key service, started for this test
//! with the programs of the distribution's packages (Debian: `slurm-wlm` and `munge`).
//!
//! Skipped, in words that the test runner does not swallow, where they are not installed.

#![cfg(target_os = "linux")]

mod cluster;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{files, success};
use crate::needs::Need;
use cluster::{Cluster, logs_of_jobs};
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

/// A cluster, where its programs are installed.
fn cluster() -> Option<Cluster> {
    if !Need::Slurm.is_met() {
        return None;
    }
    Some(Cluster::start())
}

/// A folder with the batch script.
fn with_script(options: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let print = [&["atlas", "cluster", "slurm", "--cpus", "1"], options].concat();
    let script = success(folder.path(), &print).stdout;
    fs::write(folder.path().join("percept.sbatch"), script).unwrap();
    folder
}

/// The jobs that the script said it submitted: the array and the merge.
fn submitted(said: &str) -> [String; 2] {
    let words = said.split(|c: char| !c.is_ascii_digit());
    let numbers = words.filter(|word| !word.is_empty()).map(str::to_owned);
    numbers.collect::<Vec<_>>().try_into().unwrap()
}

/// The atlas as one process makes it.
fn whole(units: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = TempDir::new().unwrap();
    success(
        folder.path(),
        &[&["atlas", "--out", "atlas"], units].concat(),
    );
    success(folder.path(), &["atlas", "merge", "atlas"]);
    lasting(&folder.path().join("atlas"))
}

#[test]
fn an_array_of_jobs_renders_an_atlas_in_shards_and_a_job_merges_them() {
    let Some(cluster) = cluster() else { return };
    let folder = with_script(&["--tasks", "3"]);
    let script = ["percept.sbatch", "--out", "atlas"];
    let said = cluster.bash(folder.path(), &[&script, &UNITS[..]].concat());
    let [_, merge] = submitted(&said);
    assert!(
        cluster.job(&merge).contains("Dependency=afterok:"),
        "{said}"
    );
    cluster.until_all_end(folder.path());
    let atlas = folder.path().join("atlas");
    assert!(
        atlas.join("index.html").exists(),
        "{}",
        logs_of_jobs(folder.path())
    );
    let journals: Vec<_> = files(&atlas.join("journal"));
    let names = ["0-of-3.jsonl", "1-of-3.jsonl", "2-of-3.jsonl"].map(PathBuf::from);
    assert_eq!(journals, names);
    for name in names {
        let journal = fs::read_to_string(atlas.join("journal").join(&name)).unwrap();
        let done = journal.matches("\"event\":\"done\"").count();
        assert_eq!(done, 3, "{}", name.display());
    }
    let whole = whole(&UNITS);
    assert!(lasting(&atlas) == whole);

    // One task again, which goes on with what is left of its own share.
    let lost = atlas.join("pictures/layer4.0.sum/4-v0.png");
    fs::remove_file(&lost).unwrap();
    let again = [
        "--array=1",
        "percept.sbatch",
        "--out=atlas",
        "--shard",
        "1/3",
    ];
    cluster.sbatch(folder.path(), &again);
    assert!(lasting(&atlas) == whole);

    // Where a task fails, nothing is merged, and no job is left that waits for it.
    let said = cluster.bash(
        folder.path(),
        &["percept.sbatch", "--units", "layer9:0..3", "--out", "other"],
    );
    let [tasks, merge] = submitted(&said);
    cluster.until_all_end(folder.path());
    assert!(cluster.job(&tasks).contains("JobState=FAILED"));
    assert!(
        cluster.job(&merge).contains("JobState=CANCELLED"),
        "{}",
        cluster.job(&merge)
    );
}

#[test]
fn a_task_that_runs_out_of_time_is_queued_again_and_one_that_is_cancelled_is_not() {
    let Some(cluster) = cluster() else { return };
    let units = [
        "--units", "0..8", "--size", "32", "--steps", "1000", "--scale", "1", "--batch", "1",
    ];
    let folder = with_script(&["--tasks", "2"]);
    let script = ["percept.sbatch", "--out", "atlas"];
    let said = cluster.bash(folder.path(), &[&script, &units[..]].concat());
    let [tasks, _] = submitted(&said);
    let journal = folder.path().join("atlas/journal/0-of-2.jsonl");
    let begun = || fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"done\""));
    cluster.until("the first picture is done", begun);
    // What Slurm does a minute before the time limit.
    cluster.scancel(&["--batch", "--signal=USR1", &format!("{tasks}_0")]);
    cluster.until_all_end(folder.path());
    let logs = logs_of_jobs(folder.path());
    assert!(
        cluster.job(&format!("{tasks}_0")).contains("Restarts=1"),
        "{logs}"
    );
    assert!(
        cluster.job(&format!("{tasks}_1")).contains("Restarts=0"),
        "{logs}"
    );
    let atlas = folder.path().join("atlas");
    assert!(lasting(&atlas) == whole(&units), "{logs}");

    let folder = with_script(&["--tasks", "2"]);
    let said = cluster.bash(folder.path(), &[&script, &units[..]].concat());
    let [tasks, merge] = submitted(&said);
    let journal = folder.path().join("atlas/journal/0-of-2.jsonl");
    cluster.until("the first picture is done", || {
        fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"done\""))
    });
    cluster.scancel(&[&tasks]);
    cluster.until_all_end(folder.path());
    for job in [&format!("{tasks}_0"), &merge] {
        let job = cluster.job(job);
        assert!(
            job.contains("JobState=CANCELLED") && job.contains("Restarts=0"),
            "{job}"
        );
    }
    assert!(!folder.path().join("atlas/index.html").exists());
}
