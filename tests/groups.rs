//! Pictures that are made together: compared, made again, and failing as one.

use std::fs;

use percept::ascent::{Job, Rendered, Settings, ascend};
use percept::model::{Model, Options};
use percept::objective::Sources;
use percept::param::Basis;
use percept::seed::Key;
use percept::size::Size;
use serde_json::json;
use tempfile::TempDir;

use crate::common::{SHORT, files, json, refused, success};

const SPREAD: &str = "117 - 2*diversity(layer3)";

fn climb(model: &Model, objective: &str, pictures: u32) -> Vec<Rendered> {
    let settings = Settings {
        size: Size::square(32),
        steps: 12,
        learning_rate: 0.05,
        preset: String::new(),
        transforms: Vec::new(),
        basis: Basis::Fourier { decay: 1.0 },
        redirect_steps: 0,
        checkpoints: Vec::new(),
    };
    let keys = (0..pictures).map(|variant| Key::new(0, "group", variant));
    let job = Job::group(
        &objective.parse().unwrap(),
        &Sources::new(model),
        keys.collect(),
    )
    .unwrap();
    let rendered = ascend(model, &settings, &[job], &());
    assert_eq!(rendered.len(), pictures as usize);
    rendered.into_iter().map(Result::unwrap).collect()
}

#[test]
fn pictures_of_a_group_spread() {
    let model = Model::load("mini", Options::default()).unwrap();
    for objective in ["-diversity(layer2)", "-2*diversity(embedding)"] {
        let rendered = climb(&model, objective, 3);
        let total = |step: usize| -> f32 {
            let traces = rendered.iter().map(|own| own.trace.objective[step]);
            traces.sum()
        };
        assert!(
            total(11) > total(0),
            "{objective}: {} to {}",
            total(0),
            total(11)
        );
    }
}

/// Two pictures alone have nothing to be compared with; together each changes the other.
#[test]
fn a_picture_depends_on_its_group_where_that_is_compared_and_not_otherwise() {
    let model = Model::load("mini", Options::default()).unwrap();
    let first = |objective: &str, pictures: u32| -> Vec<f32> {
        let rendered = climb(&model, objective, pictures).remove(0);
        rendered.image.flatten_all().unwrap().to_vec1().unwrap()
    };
    assert_eq!(first("layer4.0.sum:117", 1), first("layer4.0.sum:117", 3));
    let spread = "layer4.0.sum:117 - diversity(layer3)";
    assert_eq!(first("layer4.0.sum:117", 1), first(spread, 1));
    assert_ne!(first(spread, 1), first(spread, 2));
    assert_ne!(first(spread, 2), first(spread, 3));
}

fn sheet(arguments: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let fixed = ["render", "--quiet", "--out", ".", SPREAD, "5"];
    success(folder.path(), &[&fixed, &SHORT[..], arguments].concat());
    folder
}

#[test]
fn a_group_has_the_same_bytes_in_any_batch_and_each_picture_is_replayed() {
    let whole = sheet(&["--variants", "3"]);
    let names = files(whole.path());
    assert_eq!(names.len(), 12, "{names:?}");
    for other in [
        sheet(&["--variants", "3", "--batch", "1"]),
        sheet(&["--variants", "3", "--batch", "4", "--threads", "1"]),
    ] {
        for name in names
            .iter()
            .filter(|name| name.extension().unwrap() == "png")
        {
            let read = |folder: &TempDir| fs::read(folder.path().join(name)).unwrap();
            assert!(read(&whole) == read(&other), "{name:?}");
        }
    }
    let second = names
        .iter()
        .find(|name| name.to_str().unwrap().ends_with("s0-v1-of3.json"));
    let second = whole.path().join(second.unwrap());
    assert_eq!(json(&second)["recipe"]["together"], 3);
    let answer = success(whole.path(), &["replay", second.to_str().unwrap()]);
    assert!(
        answer.stderr.contains("the same bytes"),
        "{}",
        answer.stderr
    );
    assert_eq!(files(whole.path()).len(), 14);
}

#[test]
fn a_group_of_one_or_one_that_does_not_fit_its_objective_is_refused() {
    refused(&["render", SPREAD], &["diversity", "--variants from 2"]);
    refused(&["render", SPREAD, "--variants", "65"], &["65", "to 64"]);
    refused(
        &["render", "5-diversity()", "--variants", "2"],
        &["names no tap"],
    );
    refused(
        &["render", "5-diversity(x)", "--variants", "2"],
        &["no tap x"],
    );
    let unit = [
        "atlas",
        "--units",
        "5-diversity(layer3)",
        "--out",
        "a",
        "--variants",
        "2",
    ];
    refused(&unit, &["whole units"]);
    let folder = sheet(&["--variants", "2"]);
    let names = files(folder.path());
    let path = names
        .iter()
        .find(|name| name.to_str().unwrap().ends_with("s0-v1-of2.json"));
    let path = folder.path().join(path.unwrap());
    let sidecar = json(&path);
    for (field, value) in [
        ("together", json!(null)),
        ("together", json!(1)),
        ("variant", json!(2)),
        ("objective", json!("layer4.0.sum:5")),
    ] {
        let mut changed = sidecar.clone();
        changed["recipe"][field] = value;
        fs::write(&path, changed.to_string()).unwrap();
        refused(
            &["replay", path.to_str().unwrap()],
            &["do not fit each other"],
        );
    }
}
