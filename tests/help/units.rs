//! What is known of each unit.

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{fixture, refused, success};

fn units(arguments: &[&str]) -> Vec<Value> {
    let folder = TempDir::new().unwrap();
    let answer = success(
        folder.path(),
        &[&["units"], arguments, &["--json"]].concat(),
    );
    let lines = answer.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_table_of_some_units() {
    let folder = TempDir::new().unwrap();
    let answer = success(folder.path(), &["units", "layer4.0.sum:115..120"]);
    let table = "\
layer4.0.sum of mini, 768 units; mean and sd over emoji art in styles that the mini model was trained on
UNIT    MEAN     SD  DRAWN          LINE ART      WRITTEN
 115  -0.895  0.358  flute          chopsticks    pear
 116  -0.819  0.615  axe            axe           axe
 117  -0.798  0.459  pickup truck   pickup truck  pickup truck
 118  -0.734  0.920  collision      collision     collision
 119  -1.265  0.465  (never opens)  -             -
";
    assert_eq!(answer.stdout, table);
}

#[test]
fn where_only_numbers_are_known_the_table_has_only_them() {
    let folder = TempDir::new().unwrap();
    let answer = success(folder.path(), &["units", "layer1:0..2"]);
    let table = "\
layer1 of mini, 96 units; mean and sd over emoji art in styles that the mini model was trained on
UNIT   MEAN     SD
   0  0.570  0.277
   1  0.441  0.193
";
    assert_eq!(answer.stdout, table);
}

#[test]
fn every_unit_of_the_default_tap_has_numbers_and_answers_or_never_opens() {
    let all = units(&[]);
    assert_eq!(all.len(), 768);
    for (index, unit) in all.iter().enumerate() {
        assert_eq!(
            (&unit["tap"], &unit["unit"]),
            (&"layer4.0.sum".into(), &index.into())
        );
        assert!(
            unit["mean"].is_f64() && unit["sd"].as_f64().unwrap() >= 0.0,
            "{unit}"
        );
        let is_silent = unit["never_opens"].as_bool().unwrap();
        assert_eq!(unit["words"].is_null(), is_silent, "{unit}");
    }
    assert_eq!(all[117]["drawings"][0], "pickup truck");
    assert_eq!(all[117]["words"][0], "pickup truck");
    assert_eq!(all[3]["never_opens"], true);
    // After its ReLU a unit that never opens has the mean and the deviation 0.
    let after = units(&["layer4"]);
    for (before, after) in all.iter().zip(&after) {
        let is_still = after["sd"].as_f64().unwrap() == 0.0;
        assert_eq!(
            (&before["never_opens"], &after["never_opens"]),
            (&is_still.into(), &is_still.into())
        );
    }
}

#[test]
fn a_range_or_list_is_of_the_default_tap_or_of_another() {
    assert_eq!(units(&["layer4.0.sum:0..16"]).len(), 16);
    let numbers = |units: Vec<Value>| -> Vec<u64> {
        units
            .iter()
            .map(|unit| unit["unit"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(numbers(units(&["3,7..9"])), [3, 7, 8]);
    assert_eq!(numbers(units(&["117"])), [117]);
    let other = units(&["image_block_1/0/Relu_2_0"]);
    assert_eq!(other[0]["tap"], "layer1.0");
    assert!(other[0]["mean"].is_f64() && other[0]["drawings"].is_null());
}

#[test]
fn of_another_model_it_says_that_nothing_is_known() {
    let folder = TempDir::new().unwrap();
    let model = fixture("rn/openai.pt");
    let model = model.to_str().unwrap();
    let answer = success(folder.path(), &["units", "--model", model]);
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for word in [
        "nothing is known",
        "percept atlas --model",
        "--units layer4.",
    ] {
        assert!(lines[0].contains(word), "{lines:?}");
    }
    let unit = &units(&["0..2", "--model", model])[1];
    assert!(unit["unit"] == 1 && unit["mean"].is_null() && unit["never_opens"].is_null());
}

#[test]
fn what_is_no_unit_is_refused() {
    for (text, words) in [
        ("layer4.0.sum:0..769", &["768 units", "no unit 768"][..]),
        ("layer4.0.sumo", &["did you mean layer4.0.sum"]),
        ("truck", &["`percept find \"truck\"`"]),
        ("l2", &["names no units of a tap"]),
    ] {
        refused(&["units", text], words);
    }
}
