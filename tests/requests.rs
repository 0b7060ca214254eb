//! How what is typed becomes what runs: negatives, penalties, file names, remarks.

mod common;

use common::{SHORT, files, fixture, json, success};
use tempfile::TempDir;

fn objectives(arguments: &[&str]) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    let all = [&["render"][..], arguments, &SHORT, &["--out", "."]].concat();
    success(folder.path(), &all);
    let sidecars = files(folder.path())
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    sidecars
        .map(|path| json(&folder.path().join(path))["recipe"]["objective"].clone())
        .map(|objective| objective.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_negative_of_a_unit_keeps_its_penalties() {
    assert_eq!(
        objectives(&["3 - 2*tv", "--negative"]),
        ["-layer4.0.sum:3 - 2*tv"]
    );
    assert_eq!(
        objectives(&["3", "--negative", "--preset", "goh2021"]),
        ["-layer4.0.sum:3 - 10*l2"]
    );
    assert_eq!(objectives(&["-3"]), ["-layer4.0.sum:3"]);
}

#[test]
fn runs_with_other_settings_do_not_share_a_file() {
    let folder = TempDir::new().unwrap();
    let model = fixture("rn/openai.pt").display().to_string();
    let base = [
        "render", "3", "--model", &model, "--scale", "1", "--out", ".", "--steps", "2",
    ];
    for other in [
        &[][..],
        &["--size", "32"],
        &["--size", "32", "--steps", "3"],
        &["--seed", "1"],
        &["--lr", "0.01"],
        &["--decay", "1.5"],
        &["--pixel"],
        &["--preset", "none"],
        &["--negative"],
    ] {
        let steps = if other.contains(&"--steps") {
            &base[..8]
        } else {
            &base[..]
        };
        success(folder.path(), &[steps, other].concat());
    }
    assert_eq!(
        files(folder.path()).len(),
        2 * 9,
        "{:?}",
        files(folder.path())
    );
}

#[test]
fn an_activation_that_nothing_tells_is_said() {
    let folder = TempDir::new().unwrap();
    let untold = fixture("vit/state_dict.pt").display().to_string();
    let told = fixture("vit/openai.pt").display().to_string();
    let remark = |arguments: &[&str]| success(folder.path(), arguments).stderr;
    let said = remark(&["layers", "--model", &untold]);
    assert!(
        said.contains("quick-gelu") && said.contains("--activation"),
        "{said}"
    );
    assert_eq!(remark(&["layers", "--model", &untold, "--quiet"]), "");
    assert_eq!(
        remark(&["layers", "--model", &untold, "--activation", "gelu"]),
        ""
    );
    assert_eq!(remark(&["layers", "--model", &told]), "");
}
