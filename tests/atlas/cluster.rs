//! The manifest for Kubernetes, read as Kubernetes reads it and run as its pods would run it.

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Answer, command, success};
use crate::{SMALL, assert_same, begin};

fn texts(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect()
}

#[test]
fn the_pods_of_the_kubernetes_manifest_render_an_atlas() {
    let folder = TempDir::new().unwrap();
    let printed = success(folder.path(), &["atlas", "cluster", "kubernetes"]).stdout;
    let job: Value = serde_saphyr::from_str(&printed).unwrap();
    assert_eq!(
        (&job["apiVersion"], &job["kind"]),
        (&"batch/v1".into(), &"Job".into())
    );
    let spec = &job["spec"];
    assert_eq!(spec["completionMode"], "Indexed");
    let pods = spec["completions"].as_u64().unwrap();
    let pod = &spec["template"]["spec"];
    let container = &pod["containers"][0];
    let variables = container["env"].as_array().unwrap();
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|variable| {
            let text = |key: &str| variable[key].as_str().unwrap();
            (text("name"), text("value"))
        })
        .collect();
    let told = variables.iter().find(|(name, _)| *name == "PERCEPT_SHARDS");
    assert_eq!(told.unwrap().1, pods.to_string());
    assert_eq!(
        container["volumeMounts"][0]["name"],
        pod["volumes"][0]["name"]
    );
    let shared = container["volumeMounts"][0]["mountPath"].as_str().unwrap();

    let line = [texts(&container["command"]), texts(&container["args"])].concat();
    let [program, arguments @ ..] = &line[..] else {
        panic!("no command");
    };
    assert_eq!(*program, "percept");
    let out = arguments
        .iter()
        .position(|argument| *argument == "--out")
        .unwrap();
    assert!(arguments[out + 1].starts_with(shared));
    // The same command, of a model that is here, with fewer units, in this folder.
    let mut arguments = arguments.to_vec();
    for (option, value) in [
        ("--model", "mini"),
        ("--units", "0..20"),
        ("--out", "atlas"),
    ] {
        let place = arguments
            .iter()
            .position(|argument| *argument == option)
            .unwrap();
        arguments[place + 1] = value;
    }
    for index in 0..pods {
        let mut command = command(folder.path(), &[&arguments[..], &SMALL].concat());
        command
            .envs(variables.iter().copied())
            .env("JOB_COMPLETION_INDEX", index.to_string());
        let answer = Answer::from(command.output().unwrap());
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    }
    success(folder.path(), &["atlas", "merge", "atlas"]);
    let whole = TempDir::new().unwrap();
    begin(whole.path(), "0..20", &[]);
    success(whole.path(), &["atlas", "merge", "atlas"]);
    assert_same(&folder.path().join("atlas"), &whole.path().join("atlas"));
}
