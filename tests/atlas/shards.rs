//! Work that is divided among processes, and brought together.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::atlas::{SMALL, assert_same, atlas, begin, contents, pictures, refused};
use crate::common::{Answer, command, files, fixture, json, percept, success};

const UNITS: &str = "0..7";

fn whole() -> TempDir {
    let folder = TempDir::new().unwrap();
    begin(folder.path(), UNITS, &["--variants", "2"]);
    success(folder.path(), &["atlas", "merge", "atlas"]);
    folder
}

fn shard(folder: &Path, out: &str, shard: &str) -> Answer {
    let units = ["--units", UNITS, "--variants", "2", "--shard", shard];
    let out = ["atlas", "--out", out];
    success(folder, &[&out[..], &units, &SMALL].concat())
}

#[test]
fn shards_in_one_folder_make_the_atlas_of_one_run() {
    let expected = whole();
    let folder = TempDir::new().unwrap();
    for name in ["2/3", "0/3"] {
        shard(folder.path(), "atlas", name);
    }
    let path = folder.path().join("atlas");
    let done = pictures(&path);
    let units = [0, 2, 3, 5, 6].map(|unit| format!("layer4.0.sum/{unit}-v0.png"));
    assert!(units.iter().all(|unit| done.contains(unit)), "{done:?}");
    assert_eq!(done.len(), 10, "both pictures of a unit are one shard's");
    let answer = percept(folder.path(), &["atlas", "merge", "atlas"]);
    assert_eq!(answer.code, Some(1));
    let words = [
        "4 of 14 pictures",
        "shard 1/3 has not begun: 2 units, layer4.0.sum:1,4",
        "run the shards",
    ];
    assert!(
        words.iter().all(|word| answer.stderr.contains(word)),
        "{}",
        answer.stderr
    );
    shard(folder.path(), "atlas", "1/3");
    success(folder.path(), &["atlas", "merge", "atlas"]);
    assert_same(&path, &expected.path().join("atlas"));
    let journals = files(&path.join("journal"));
    assert_eq!(journals.len(), 3, "one a shard: {journals:?}");
}

#[test]
fn shards_at_the_same_time_do_not_disturb_each_other() {
    let expected = whole();
    let folder = TempDir::new().unwrap();
    let runs: Vec<_> = ["0/3", "1/3", "2/3"]
        .iter()
        .map(|shard| {
            let fixed = [
                "atlas",
                "--out",
                "atlas",
                "--units",
                UNITS,
                "--variants",
                "2",
            ];
            let shard = ["--shard", *shard];
            command(folder.path(), &[&fixed, &shard[..], &SMALL[..]].concat())
                .spawn()
                .unwrap()
        })
        .collect();
    for run in runs {
        let answer = Answer::from(run.wait_with_output().unwrap());
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    }
    success(folder.path(), &["atlas", "merge", "atlas"]);
    assert_same(&folder.path().join("atlas"), &expected.path().join("atlas"));
}

#[test]
fn shards_in_folders_of_their_own_are_brought_together() {
    let expected = whole();
    let folder = TempDir::new().unwrap();
    shard(folder.path(), "a", "0/2");
    shard(folder.path(), "b", "1/2");
    let merge = ["atlas", "merge", "a", "b", "--out", "atlas", "--json"];
    let said: Value = serde_json::from_str(&success(folder.path(), &merge).stdout).unwrap();
    assert_eq!((&said["done"], &said["brought"]), (&14.into(), &14.into()));
    assert_same(&folder.path().join("atlas"), &expected.path().join("atlas"));
    let again: Value = serde_json::from_str(&success(folder.path(), &merge).stdout).unwrap();
    assert_eq!(again["brought"], 0);
    // One of them can be the place of the whole, and what was lost there comes back.
    fs::remove_file(folder.path().join("a/pictures/layer4.0.sum/0-v1.png")).unwrap();
    success(
        folder.path(),
        &["atlas", "merge", "a", "b", "atlas", "--out", "a"],
    );
    assert_same(&folder.path().join("a"), &expected.path().join("atlas"));
}

#[test]
fn a_shard_goes_on_in_an_atlas_that_was_begun_in_another_number_of_them() {
    let expected = whole();
    let folder = TempDir::new().unwrap();
    shard(folder.path(), "atlas", "0/3");
    let answer = atlas(folder.path(), &["--json"]);
    let said: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(said["rendered"], 8, "the first shard's 6 are there");
    success(folder.path(), &["atlas", "merge", "atlas"]);
    assert_same(&folder.path().join("atlas"), &expected.path().join("atlas"));
}

#[test]
fn parts_of_different_plans_are_not_brought_together() {
    let folder = TempDir::new().unwrap();
    shard(folder.path(), "a", "0/2");
    let other = [
        "atlas",
        "--out",
        "b",
        "--units",
        UNITS,
        "--variants",
        "2",
        "--seed",
        "1",
    ];
    success(folder.path(), &[&other, &SMALL[..]].concat());
    let before = contents(&folder.path().join("a"));
    let merge = |arguments: &[&str], word: &str| {
        let answer = percept(folder.path(), &[&["atlas", "merge"], arguments].concat());
        assert_ne!(answer.code, Some(0));
        assert!(answer.stderr.contains(word), "{}", answer.stderr);
    };
    merge(
        &["a", "b", "--out", "a"],
        "a and b hold different plans: seed is 0 and 1",
    );
    merge(&["a", "b"], "--out");
    merge(&["a", "c", "--out", "a"], "no atlas in c");
    merge(
        &["a", "--out", "b"],
        "b and a hold different plans: seed is 1 and 0",
    );
    assert_eq!(contents(&folder.path().join("a")), before);
}

#[test]
fn parts_of_the_same_weights_are_one_atlas_wherever_those_lay() {
    let folder = TempDir::new().unwrap();
    let part = |name: &str, weights: &str, shard: &str| {
        let arguments = ["--model", weights, "--units", UNITS, "--shard", shard];
        let out = ["atlas", "--out", name];
        success(folder.path(), &[&out[..], &arguments, &SMALL].concat())
    };
    for name in ["a", "b"] {
        fs::create_dir(folder.path().join(name)).unwrap();
        let path = folder.path().join(name).join(format!("{name}.pt"));
        fs::copy(fixture("rn/openai.pt"), path).unwrap();
    }
    part("one", "a/a.pt", "0/2");
    part("two", "b/b.pt", "1/2");
    // They need not lie where the first process found them.
    fs::remove_file(folder.path().join("a/a.pt")).unwrap();
    let merge = ["atlas", "merge", "one", "two", "--out", "all"];
    success(folder.path(), &merge);
    let plan = |name: &str| json(&folder.path().join(name).join("plan.json"));
    assert_eq!(plan("all"), plan("one"));
    let sidecar = "pictures/layer4.0.sum/1-v0.json";
    let bytes = |name: &str| fs::read(folder.path().join(name).join(sidecar)).unwrap();
    assert_eq!(bytes("all"), bytes("two"), "pictures keep their sidecars");
    assert_eq!(pictures(&folder.path().join("all")).len(), 7);
    // Into a folder that has one of the parts, again, and going on from another path.
    success(folder.path(), &["atlas", "merge", "two", "--out", "one"]);
    assert_eq!(plan("one"), plan("all"));
    part("all", "b/b.pt", "0/1");
    fs::remove_file(folder.path().join("b/b.pt")).unwrap();
    let answer = percept(folder.path(), &merge);
    assert_eq!(answer.code, Some(1));
    assert!(
        answer.stderr.contains("say with --model where"),
        "{}",
        answer.stderr
    );
    // Other weights are another atlas.
    fs::copy(fixture("rn/state_dict.pt"), folder.path().join("a/a.pt")).unwrap();
    part("other", "a/a.pt", "1/2");
    let answer = percept(
        folder.path(),
        &["atlas", "merge", "two", "other", "--out", "x"],
    );
    assert!(
        answer.stderr.contains("model.sha256 is"),
        "{}",
        answer.stderr
    );
}

#[test]
fn some_of_an_arrays_jobs_that_are_submitted_again_do_not_take_all_the_work() {
    let folder = TempDir::new().unwrap();
    let array = |id: &str, size: &str, shards: Option<&str>| -> Answer {
        let last = (size.parse::<usize>().unwrap() - 1).to_string();
        let arguments = ["atlas", "--out", "atlas", "--units", UNITS, "--json"];
        let mut command = command(folder.path(), &[&arguments, &SMALL[..]].concat());
        command.envs([
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_COUNT", size),
            ("SLURM_ARRAY_TASK_MIN", "0"),
            ("SLURM_ARRAY_TASK_MAX", &last),
            ("SLURM_ARRAY_TASK_STEP", "1"),
        ]);
        command.envs(shards.map(|shards| ("PERCEPT_SHARDS", shards)));
        command.output().unwrap().into()
    };
    // What one process began an array may go on with.
    begin(folder.path(), UNITS, &["--shard", "0/1"]);
    fs::remove_dir_all(folder.path().join("atlas/pictures")).unwrap();
    assert_eq!(array("1", "4", None).code, Some(0));
    let refused = array("0", "1", None);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    for word in [
        "1 task,",
        "4 shards",
        "PERCEPT_SHARDS=4",
        "PERCEPT_SHARDS=1",
    ] {
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
    assert_eq!(pictures(&folder.path().join("atlas")).len(), 2);
    let rendered = |answer: Answer| {
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        let said: Value = serde_json::from_str(&answer.stdout).unwrap();
        said["rendered"].as_u64().unwrap()
    };
    assert_eq!(rendered(array("0", "1", Some("4"))), 2);
    assert_eq!(rendered(array("3", "4", None)), 1);
    assert_eq!(
        rendered(atlas(folder.path(), &["--json"])),
        2,
        "without a scheduler: all"
    );
}

#[test]
fn a_scheduler_tells_the_shard_and_the_option_overrules_it() {
    let folder = TempDir::new().unwrap();
    let run = |variables: &[(&str, &str)], arguments: &[&str]| -> Answer {
        let fixed = ["atlas", "--out", "atlas", "--units", UNITS, "--json"];
        let mut command = command(folder.path(), &[&fixed, arguments, &SMALL[..]].concat());
        command.envs(variables.iter().copied());
        command.output().unwrap().into()
    };
    let slurm = [
        ("SLURM_ARRAY_TASK_ID", "1"),
        ("SLURM_ARRAY_TASK_COUNT", "4"),
        ("SLURM_ARRAY_TASK_MIN", "0"),
        ("SLURM_ARRAY_TASK_MAX", "3"),
        ("SLURM_ARRAY_TASK_STEP", "1"),
    ];
    let said = run(&slurm, &[]);
    assert!(
        said.stderr
            .contains("shard 1/4, as SLURM_ARRAY_TASK_ID says"),
        "{}",
        said.stderr
    );
    let answer: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(
        (&answer["shard"], &answer["rendered"]),
        (&"1/4".into(), &2.into())
    );
    let said = run(&slurm, &["--shard", "2/4"]);
    let answer: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(
        (&answer["shard"], &answer["rendered"]),
        (&"2/4".into(), &2.into())
    );
    let said = run(&[("JOB_COMPLETION_INDEX", "3")], &[]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("PERCEPT_SHARDS"), "{}", said.stderr);
    refused(
        folder.path(),
        &["--shard", "3/4", "--steps", "9"],
        &["steps was 3"],
    );
}
