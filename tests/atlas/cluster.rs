//! Job files: the manifest for Kubernetes, read as Kubernetes reads it and run as its pods would run it, and what
//! the batch script for Slurm says. `tests/slurm` runs that.

use std::collections::HashMap;

use serde_json::Value;
use tempfile::TempDir;

use crate::atlas::{SMALL, assert_same, begin};
use crate::common::{Answer, command, refused, success};

fn printed(arguments: &[&str]) -> String {
    let folder = TempDir::new().unwrap();
    success(folder.path(), &[&["atlas", "cluster"], arguments].concat()).stdout
}

/// The job that renders and the job that merges.
fn jobs(arguments: &[&str]) -> [Value; 2] {
    let printed = printed(&[&["kubernetes"], arguments].concat());
    let jobs: Vec<Value> = serde_saphyr::from_multiple(&printed).unwrap();
    for job in &jobs {
        let kind = (&job["apiVersion"], &job["kind"]);
        assert_eq!(kind, (&"batch/v1".into(), &"Job".into()));
        assert_eq!(
            job["spec"]["template"]["spec"]["restartPolicy"],
            "OnFailure"
        );
    }
    jobs.try_into().unwrap()
}

fn container(job: &Value) -> &Value {
    &job["spec"]["template"]["spec"]["containers"][0]
}

/// A pod's command, and its environment besides what Kubernetes numbers. `$(NAME)` is replaced as Kubernetes does.
fn pod(job: &Value) -> (Vec<String>, HashMap<String, String>) {
    let container = container(job);
    let mut variables = HashMap::new();
    for variable in container["env"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap().to_owned();
        let value = match variable["valueFrom"]["resourceFieldRef"]["resource"].as_str() {
            Some(resource) => {
                let (part, resource) = resource.split_once('.').unwrap();
                &container["resources"][part][resource]
            }
            None => &variable["value"],
        };
        variables.insert(name, value.as_str().unwrap().to_owned());
    }
    let texts = |key: &str| container[key].as_array().into_iter().flatten();
    let words = texts("command").chain(texts("args"));
    let words = words.map(|word| {
        let mut word = word.as_str().unwrap().to_owned();
        for (name, value) in &variables {
            word = word.replace(&format!("$({name})"), value);
        }
        word
    });
    (words.collect(), variables)
}

fn after<'a>(words: &'a [String], option: &str) -> &'a str {
    let place = words.iter().position(|word| word == option).unwrap();
    &words[place + 1]
}

#[test]
fn the_pods_of_the_kubernetes_manifest_render_and_merge_an_atlas() {
    let [render, merge] = jobs(&["--tasks", "3", "--cpus", "2"]);
    let spec = &render["spec"];
    assert_eq!(spec["completionMode"], "Indexed");
    assert_eq!(
        (&spec["completions"], &spec["parallelism"]),
        (&3.into(), &3.into())
    );
    let (words, variables) = pod(&render);
    assert_eq!(variables["PERCEPT_SHARDS"], "3");
    assert_eq!(after(&words, "--threads"), "2");
    let container = container(&render);
    let mounted = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    assert!(after(&words, "--out").starts_with(mounted));
    let (merging, _) = pod(&merge);
    assert_eq!(merging[..3], ["percept", "atlas", "merge"]);
    assert_eq!(merging[3], after(&words, "--out"));

    // The same commands, of a model that is here, with fewer units, in this folder.
    let folder = TempDir::new().unwrap();
    let run = |words: &[String], index: Option<u64>| {
        let shared = after(&pod(&render).0, "--out").to_owned();
        let here = words.iter().map(|word| match word.as_str() {
            "RN50x4" => "mini",
            "layer4.5.sum" => "0..20",
            word if word == shared => "atlas",
            word => word,
        });
        let small = SMALL
            .iter()
            .copied()
            .take(if index.is_some() { SMALL.len() } else { 0 });
        let arguments: Vec<&str> = here.skip(1).chain(small).collect();
        let mut command = command(folder.path(), &arguments);
        command.envs(&variables);
        if let Some(index) = index {
            command.env("JOB_COMPLETION_INDEX", index.to_string());
        }
        Answer::from(command.output().unwrap())
    };
    for index in 0..3 {
        // The merge is refused as long as a picture is missing, and its pod begins again.
        assert_eq!(run(&merging, None).code, Some(1));
        assert!(!folder.path().join("atlas/index.html").exists());
        let answer = run(&words, Some(index));
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    }
    assert_eq!(run(&merging, None).code, Some(0));
    let whole = TempDir::new().unwrap();
    begin(whole.path(), "0..20", &[]);
    success(whole.path(), &["atlas", "merge", "atlas"]);
    assert_same(&folder.path().join("atlas"), &whole.path().join("atlas"));
}

#[test]
fn what_is_asked_for_is_in_the_manifest() {
    let resources = |job: &Value| container(job)["resources"].clone();
    let [render, merge] = jobs(&[]);
    assert_eq!(render["spec"]["completions"], 16);
    for part in ["requests", "limits"] {
        assert_eq!(resources(&render)[part]["cpu"], "8");
        assert_eq!(resources(&render)[part]["memory"], "16Gi");
        assert_eq!(resources(&merge)[part]["cpu"], "1");
    }
    assert!(resources(&render)["limits"]["nvidia.com/gpu"].is_null());
    assert!(!pod(&render).0.contains(&"--device".to_owned()));
    let image = concat!("registry.example.org/percept:", env!("CARGO_PKG_VERSION"));
    assert_eq!(container(&render)["image"], image);

    let asked = [
        "--gpus",
        "2",
        "--memory",
        "40Gi",
        "--image",
        "ghcr.io/me/percept@sha256:00ff",
    ];
    let [render, merge] = jobs(&asked);
    assert_eq!(resources(&render)["limits"]["nvidia.com/gpu"], "2");
    assert_eq!(resources(&render)["limits"]["memory"], "40Gi");
    assert_eq!(after(&pod(&render).0, "--device"), "cuda:0,1");
    for job in [&render, &merge] {
        assert_eq!(container(job)["image"], "ghcr.io/me/percept@sha256:00ff");
    }
    assert!(resources(&merge)["limits"]["nvidia.com/gpu"].is_null());
}

#[test]
fn what_is_asked_for_is_in_the_batch_script() {
    let directives = |script: &str| -> Vec<String> {
        let lines = script.lines();
        let lines = lines.filter_map(|line| line.strip_prefix("#SBATCH --"));
        lines.map(str::to_owned).collect()
    };
    let has = |script: &str, directive: &str| directives(script).contains(&directive.to_owned());
    let plain = printed(&["slurm"]);
    for directive in [
        "array=0-15",
        "cpus-per-task=8",
        "mem=16G",
        "time=24:00:00",
        "requeue",
    ] {
        assert!(has(&plain, directive), "{directive}: {plain}");
    }
    assert!(
        directives(&plain)
            .iter()
            .any(|line| line.starts_with("signal=B:"))
    );
    // What only some clusters need is there to be uncommented.
    for line in [
        "##SBATCH --partition=NAME",
        "##SBATCH --account=NAME",
        "##SBATCH --gpus=1",
    ] {
        assert!(plain.lines().any(|found| found == line), "{line}");
    }
    for word in [
        "#module load",
        "#percept=(apptainer exec --nv",
        "#options+=(--device cuda)",
    ] {
        assert!(plain.lines().any(|line| line.starts_with(word)), "{word}");
    }
    let asked = printed(&[
        "slurm",
        "--tasks",
        "4",
        "--cpus",
        "3",
        "--memory",
        "8G",
        "--time",
        "2-00:00:00",
        "--partition",
        "gpu",
        "--account",
        "my_lab",
        "--gpus",
        "2",
    ]);
    for directive in [
        "array=0-3",
        "cpus-per-task=3",
        "mem=8G",
        "time=2-00:00:00",
        "partition=gpu",
        "account=my_lab",
        "gpus=2",
    ] {
        assert!(has(&asked, directive), "{directive}: {asked}");
    }
    assert!(
        asked.contains("\noptions+=(--device cuda:0,1)\n"),
        "{asked}"
    );
}

#[test]
fn what_cannot_stand_in_a_job_file_is_refused() {
    for (arguments, words) in [
        (
            &["slurm", "--partition", "a\n#SBATCH --exclusive"][..],
            &["--partition", "letters"][..],
        ),
        (
            &["slurm", "--account", "$(id)"],
            &["--account", "letters, digits"],
        ),
        (
            &["kubernetes", "--image", "a b"],
            &["--image", "letters, digits"],
        ),
        (&["slurm", "--tasks", "0"], &["--tasks", "0"]),
        (&["slurm", "--cpus", "0"], &["--cpus", "0"]),
        (&["pbs"], &["pbs", "--help"]),
    ] {
        refused(&[&["atlas", "cluster"], arguments].concat(), words);
    }
}
