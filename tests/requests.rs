//! How what is typed becomes what runs: negatives, penalties, file names, remarks.

use std::fs;

use crate::common::{Picture, SHORT, files, fixture, json, percept, refused, success};
use serde_json::Value;
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
fn what_nothing_tells_is_said() {
    let folder = TempDir::new().unwrap();
    let untold = fixture("vit/state_dict.pt").display().to_string();
    let told = fixture("vit/hf").display().to_string();
    let remark = |arguments: &[&str]| success(folder.path(), arguments).stderr;
    let said = remark(&["layers", "--model", &untold]);
    for word in [
        "activation quick-gelu",
        "attention heads of 64",
        "1e-5",
        "deviation",
        "--activation",
    ] {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(remark(&["layers", "--model", &untold, "--quiet"]), "");
    let said = remark(&["layers", "--model", &untold, "--activation", "gelu"]);
    assert!(!said.contains("gelu") && said.contains("heads"), "{said}");
    assert_eq!(remark(&["layers", "--model", &told]), "");
}

/// The line, the object and the sidecar of one picture; short where the arguments do not say how long.
#[track_caller]
fn said(arguments: &[&str]) -> (String, Value, Value) {
    let folder = TempDir::new().unwrap();
    let short = SHORT.chunks(2).filter(|pair| !arguments.contains(&pair[0]));
    let short = short.collect::<Vec<_>>().concat();
    let all = [&["render"][..], arguments, &short, &["--out", "a.png"]].concat();
    let line = success(folder.path(), &all).stdout;
    let object = success(folder.path(), &[&all[..], &["--json"]].concat()).stdout;
    let object: Value = serde_json::from_str(&object).unwrap();
    let sidecar = json(&folder.path().join("a.json"));
    assert_eq!(object["quality"], sidecar["quality"]);
    (line, object, sidecar)
}

#[test]
fn what_silences_a_unit_is_not_labelled_with_what_excites_it() {
    for silenced in [&["-117"][..], &["117", "--negative"]] {
        let (line, object, sidecar) = said(silenced);
        assert!(line.contains("silences a unit that answers to "), "{line}");
        assert!(!line.contains("  answers to "), "{line}");
        assert_eq!(object.get("answers"), None);
        assert_eq!(sidecar["unit"]["channel"], 117);
        assert_eq!(sidecar["unit"].get("answers"), None);
    }
    let (line, object, sidecar) = said(&["117"]);
    assert!(
        line.contains("  answers to pickup truck (drawn), "),
        "{line}"
    );
    assert_eq!(object["answers"], sidecar["unit"]["answers"]);
    assert_eq!(object["answers"]["words"].as_array().unwrap().len(), 5);
}

#[test]
fn the_activation_is_told_apart_from_penalties() {
    let (line, _, sidecar) = said(&["117", "--preset", "goh2021", "--steps", "60"]);
    let number = |name: &str| sidecar["quality"][name].as_f64().unwrap();
    assert!(number("activation") > number("clean"), "{line}");
    assert!(
        line.contains("  activation ") && line.contains("  clean "),
        "{line}"
    );
    assert!(line.contains(" (goh2021 adds - 10*l2)  robust "), "{line}");
    let penalty = number("activation") - number("clean");
    let ratio = (number("robust_mean") + penalty) / number("activation");
    assert!((ratio - number("robust_ratio")).abs() <= 1e-9);

    let (line, _, sidecar) = said(&["-117"]);
    let quality = &sidecar["quality"];
    let clean = quality["clean"].as_f64().unwrap();
    assert!((quality["activation"].as_f64().unwrap() + clean).abs() <= 1e-9);
    assert!(
        line.contains("  activation -") && line.contains("  clean "),
        "{line}"
    );

    let (line, _, sidecar) = said(&["117"]);
    assert_eq!(
        sidecar["quality"]["activation"],
        sidecar["quality"]["clean"]
    );
    assert!(
        line.contains("  activation ") && !line.contains("  clean "),
        "{line}"
    );
}

#[test]
fn a_unit_that_never_opens_is_said_to_have_no_result() {
    for unit in ["layer4.0:3", "layer4:119", "layer4.0.sum:3"] {
        let (line, _, sidecar) = said(&[unit]);
        assert!(line.contains("  never opened  "), "{line}");
        let quality = &sidecar["quality"];
        assert_eq!(quality["opened"], false, "{unit}");
        assert_eq!(quality["robust_ratio"], Value::Null, "{unit}");
        // After its ReLU it is 0 on every picture: there is nothing to rank it by.
        let is_constant = !unit.contains("sum");
        assert_eq!(quality["selectivity"].is_null(), is_constant, "{unit}");
        assert_eq!(line.contains("  rank "), !is_constant, "{line}");
        assert!(!line.contains("NaN") && !line.contains("inf"), "{line}");
    }
    // Penalties move the picture, and are no gradient of the unit.
    let (line, _, sidecar) = said(&["layer4.0:3 - 5*tv", "--steps", "40", "--redirect", "1"]);
    assert!(
        line.contains("  never opened  activation 0  clean -"),
        "{line}"
    );
    assert_eq!(sidecar["quality"]["opened"], false);
    let (line, _, sidecar) = said(&["117", "--steps", "40"]);
    assert!(!line.contains("never opened"), "{line}");
    assert_eq!(sidecar["quality"]["opened"], true);
    // Nothing has to open.
    for other in ["embedding:3", "-117"] {
        assert_eq!(
            said(&[other]).2["quality"]["opened"],
            Value::Null,
            "{other}"
        );
    }
}

#[test]
fn one_position_is_ranked_by_that_position() {
    let (_, _, mean) = said(&["117", "--size", "64"]);
    let (line, _, corner) = said(&["117@0,0", "--size", "64"]);
    let source = |sidecar: &Value| {
        let source = &sidecar["quality"]["selectivity"]["statistics"];
        source.as_str().unwrap().to_owned()
    };
    assert!(source(&mean).contains("art"), "{mean}");
    assert_eq!(source(&corner), "32 images of 1/f noise, at that position");
    assert_eq!(corner["quality"]["activation"], corner["quality"]["clean"]);
    assert!(line.contains("/768 (z "), "{line}");
}

#[test]
fn seconds_are_a_pictures_own_share() {
    let folder = TempDir::new().unwrap();
    let fixed = ["render", "0..8", "--out", "."];
    success(folder.path(), &[&fixed[..], &SHORT].concat());
    let (mut own, mut last) = (Vec::new(), 0.0f64);
    for path in files(folder.path()) {
        if path.extension().is_some_and(|ending| ending == "json") {
            let timing = &json(&folder.path().join(path))["timing"];
            assert_eq!(timing["batch"], 8);
            own.push(timing["seconds"].as_f64().unwrap());
            let end = timing["at_step"].as_array().unwrap().last().unwrap();
            last = last.max(end.as_f64().unwrap());
        }
    }
    let all: f64 = own.iter().sum();
    assert!(own[0] < last && last < 1.01 * all, "{own:?} and {last}");
}

#[test]
fn numbers_keep_their_digits_however_small_or_large() {
    let (line, ..) = said(&["1e-9*layer4.0.sum:117"]);
    assert!(line.contains("  clean ") && line.contains("e-"), "{line}");
    assert!(
        !line.contains(" 0.00 ") && !line.contains(" -0.00 "),
        "{line}"
    );
    let (line, ..) = said(&["1e30*layer4.0.sum:117"]);
    let (_, numbers) = line.split_once("  activation ").unwrap();
    assert!(numbers.contains("e2") || numbers.contains("e3"), "{line}");
    let long = |word: &str| word.chars().filter(char::is_ascii_digit).count() > 7;
    assert!(!numbers.split_whitespace().any(long), "{line}");
}

#[test]
fn failed_pictures_are_objects_too() {
    let folder = TempDir::new().unwrap();
    for units in [&["0*layer4:3", "5"][..], &["0*layer4:3"]] {
        let fixed = ["render", "--json", "--quiet", "--out", "."];
        let answer = percept(folder.path(), &[&fixed[..], units, &SHORT].concat());
        assert_eq!(answer.code, Some(1), "{}", answer.stderr);
        let objects: Vec<Value> = answer
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(objects.len(), units.len(), "{}", answer.stdout);
        assert_eq!(objects[0]["objective"], "0*layer4:3");
        let error = objects[0]["error"].as_str().unwrap();
        assert!(error.contains("no gradient"), "{error}");
        assert!(objects.iter().skip(1).all(|o| o.get("error").is_none()));
    }
}

#[test]
fn names_do_nothing_to_a_terminal() {
    let folder = TempDir::new().unwrap();
    let name = "a\u{1b}[2Jb.png";
    let all = ["render", "3", "--quiet", "--out", name];
    let answer = success(folder.path(), &[&all[..], &SHORT].concat());
    assert!(
        answer.stdout.starts_with(r"a\u{1b}[2Jb.png  layer4"),
        "{}",
        answer.stdout
    );
    assert!(folder.path().join(name).is_file());
    let weights = folder.path().join("w\u{7}\n.safetensors");
    std::fs::copy(fixture("vit/hf/model.safetensors.index.json"), &weights).unwrap();
    for arguments in [
        &["render", "layer\u{1b}[31m:3"][..],
        &["render", "3", "--model", weights.to_str().unwrap()],
        &["replay", "no\u{1b}file.json"],
    ] {
        let answer = percept(folder.path(), arguments);
        assert_eq!(answer.code, Some(1), "{}", answer.stderr);
        assert_eq!(answer.stderr.lines().count(), 1, "{}", answer.stderr);
        let line = answer.stderr.trim_end_matches('\n');
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(line.contains("\\u{"), "{line:?}");
    }
}

/// A sidecar from before these numbers says nothing of them, and is replayed all the same.
#[test]
fn sidecars_of_earlier_versions_replay() {
    let picture = Picture::render(&[&["17"][..], &SHORT].concat());
    let path = picture.path.with_extension("json");
    let mut sidecar = json(&path);
    let quality = sidecar["quality"].as_object_mut().unwrap();
    for key in ["activation", "opened"] {
        assert!(quality.remove(key).is_some(), "{key}");
    }
    std::fs::write(&path, sidecar.to_string()).unwrap();
    let path = path.to_str().unwrap();
    success(
        picture.folder.path(),
        &["replay", path, "--out", "again.png"],
    );
}

/// What only punctuation tells apart are two pictures, and a text that is read in another way is no replay.
#[test]
fn texts_have_pictures_of_their_own_and_are_read_again_as_they_were() {
    let folder = TempDir::new().unwrap();
    let texts = ["text(\"a dog\")", "text(\"a dog!\")"];
    let fixed = ["render", "--quiet", "--out", "."];
    success(folder.path(), &[&fixed[..], &texts, &SHORT].concat());
    let names = files(folder.path());
    let sidecars: Vec<_> = names
        .iter()
        .filter(|name| name.extension().is_some_and(|ending| ending == "json"))
        .collect();
    assert_eq!((names.len(), sidecars.len()), (4, 2), "{names:?}");
    let path = folder.path().join(sidecars[0]);
    let answer = success(folder.path(), &["replay", path.to_str().unwrap()]);
    assert!(
        answer.stderr.contains("the same bytes"),
        "{}",
        answer.stderr
    );
    let mut sidecar = json(&path);
    let recorded = sidecar["recipe"]["texts"].as_object_mut().unwrap();
    assert_eq!(recorded.len(), 1);
    for digest in recorded.values_mut() {
        *digest = "0".repeat(64).into();
    }
    fs::write(&path, sidecar.to_string()).unwrap();
    let words = ["is not read as it was when the recipe was made"];
    let changed = path.to_str().unwrap();
    refused(&["replay", changed], &words);
}
