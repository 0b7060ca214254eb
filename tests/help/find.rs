//! Units by what they answer to.

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{fixture, percept, refused, success};

fn objects(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn found(arguments: &[&str]) -> Vec<Value> {
    let folder = TempDir::new().unwrap();
    let all = [&["find"], arguments, &["--json", "--limit", "0"]].concat();
    let answer = success(folder.path(), &all);
    assert_eq!(answer.stderr, "");
    objects(&answer.stdout)
}

fn number(unit: &Value) -> u64 {
    unit["unit"].as_u64().unwrap()
}

#[test]
fn the_table_of_trucks() {
    let folder = TempDir::new().unwrap();
    let answer = success(folder.path(), &["find", "truck", "--limit", "4"]);
    let table = "\
UNIT              MATCH  SCORE  DRAWN             LINE ART          WRITTEN
layer4.0.sum:117  word    0.75  1 pickup truck    1 pickup truck    1 pickup truck
layer4.0.sum:439  word    0.75  1 delivery truck  1 delivery truck  1 delivery truck
layer4.0.sum:421  word    0.30  5 pickup truck    2 pickup truck    2 pickup truck
layer4.0.sum:705  word    0.24  4 delivery truck  5 pickup truck    2 delivery truck
";
    assert_eq!(answer.stdout, table);
    assert!(answer.stderr.contains("4 of 18 units"), "{}", answer.stderr);
    assert!(answer.stderr.contains("--limit 0"), "{}", answer.stderr);
    let quiet = success(folder.path(), &["find", "truck", "--quiet"]);
    assert_eq!(
        (quiet.stderr.as_str(), quiet.stdout.lines().count()),
        ("", 11)
    );
}

#[test]
fn the_unit_that_answers_first_to_a_concept_is_found_first() {
    // Of README's pictures, each of which answers first to this drawn and written.
    for (unit, concept) in [
        (117, "pickup truck"),
        (727, "wine glass"),
        (317, "gem stone"),
        (74, "dog face"),
        (682, "chess pawn"),
        (697, "locked"),
        (212, "angry face"),
        (765, "trophy"),
    ] {
        let found = found(&[concept]);
        let place = found.iter().position(|found| number(found) == unit);
        assert!(place.is_some_and(|place| place < 3), "{concept}: {place:?}");
        let first = &found[0];
        assert_eq!(
            (&first["match"], &first["tap"]),
            (&"word".into(), &"layer4.0.sum".into())
        );
        let by = first["by"].as_array().unwrap();
        assert!(
            by.iter()
                .all(|by| by["answer"] == concept || by["place"] != 1),
            "{first}"
        );
        assert!(
            by.iter()
                .any(|by| by["place"] == 1 && by["answer"] == concept),
            "{first}"
        );
    }
}

#[test]
fn whole_words_come_before_beginnings_and_these_before_parts() {
    let found = found(&["truck"]);
    let kinds: Vec<&str> = found
        .iter()
        .map(|unit| unit["match"].as_str().unwrap())
        .collect();
    let rank = |kind: &&str| {
        ["word", "prefix", "part"]
            .iter()
            .position(|known| known == kind)
    };
    assert!(kinds.is_sorted_by_key(rank), "{kinds:?}");
    assert_eq!((kinds[0], *kinds.last().unwrap()), ("word", "part"));
    for kind in ["word", "part"] {
        let of_kind = found.iter().filter(|unit| unit["match"] == kind);
        let scores: Vec<f64> = of_kind
            .map(|unit| unit["score"].as_f64().unwrap())
            .collect();
        assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
        assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
    }
    // A first answer counts for more than a fifth.
    let best = |unit: &Value| {
        let by = unit["by"].as_array().unwrap().iter();
        by.map(|by| by["place"].as_u64().unwrap()).min().unwrap()
    };
    let words: Vec<&Value> = found
        .iter()
        .filter(|unit| unit["match"] == "word")
        .collect();
    let last_first = words.iter().rposition(|unit| best(unit) == 1).unwrap();
    let first_fifth = words.iter().position(|unit| best(unit) == 5).unwrap();
    assert!(last_first < first_fifth, "{last_first} {first_fifth}");
}

#[test]
fn capitals_plurals_order_and_quotes_do_not_matter() {
    let expected = found(&["pickup truck"]);
    assert!(!expected.is_empty());
    for query in [
        &["Pickup", "TRUCKS"][..],
        &["truck pickup"],
        &[" pickup-truck "],
    ] {
        assert_eq!(found(query), expected, "{query:?}");
    }
}

#[test]
fn the_word_that_was_printed_for_a_concept_finds_it() {
    let found = found(&["car"]);
    let by_printed = found
        .iter()
        .flat_map(|unit| unit["by"].as_array().unwrap())
        .find(|by| by["answer"] == "automobile")
        .unwrap();
    assert_eq!(by_printed["printed"], "car");
}

#[test]
fn what_is_found_can_be_rendered() {
    let folder = TempDir::new().unwrap();
    let addresses = ["find", "dog", "--addresses", "--limit", "2", "--quiet"];
    let found = success(folder.path(), &addresses).stdout;
    let units: Vec<&str> = found.lines().collect();
    assert_eq!(units.len(), 2);
    let short = [
        "--size", "16", "--steps", "1", "--scale", "1", "--quiet", "--out", ".",
    ];
    let answer = success(folder.path(), &[&["render"], &units[..], &short].concat());
    for unit in units {
        assert!(answer.stdout.contains(unit), "{}", answer.stdout);
    }
}

#[test]
fn nothing_found_offers_what_is_like_it() {
    let folder = TempDir::new().unwrap();
    for (query, words) in [
        (
            "trukc",
            &["no unit of mini", "\"trukc\"", "`percept find truck`"][..],
        ),
        ("pikup truck", &["`percept find pickup truck`"]),
        (
            "xqzwv",
            &["no unit of mini", "\"xqzwv\"", "`percept units`"],
        ),
    ] {
        for output in [&[][..], &["--json"], &["--addresses"]] {
            let answer = percept(folder.path(), &[&["find", query], output].concat());
            assert_eq!(answer.code, Some(1));
            assert_eq!(answer.stdout, "");
            assert_eq!(answer.stderr.lines().count(), 1);
            for word in words {
                assert!(answer.stderr.contains(word), "{word}: {}", answer.stderr);
            }
        }
    }
    refused(&["find", "?!"], &["no word to look for", "such as truck"]);
    refused(&["find"], &["WORD"]);
}

#[test]
fn a_model_of_which_nothing_is_known_says_what_can_be_done() {
    let model = fixture("rn/openai.pt");
    let model = model.to_str().unwrap();
    let words = ["nothing is known", "percept atlas --model", "openai.pt"];
    refused(&["find", "truck", "--model", model], &words);
}

#[test]
fn render_says_how_to_name_what_is_meant() {
    for (text, words) in [
        (
            "pickup truck",
            &["layer4.0.sum:117", "`percept find \"pickup truck\"`"][..],
        ),
        (
            "TRUCK",
            &["is not a unit", "of ", "`percept find \"TRUCK\"`"],
        ),
        (
            "layer4.0.sum",
            &[
                "layer4.0.sum:0..768",
                "`percept atlas --units layer4.0.sum`",
            ],
        ),
        ("visual.layer4", &["layer4:0..768", "layer4 is a tap"]),
        (
            "layer4.0.sums",
            &["no tap layer4.0.sums", "did you mean layer4.0.sum:0?"],
        ),
        (
            "layer4.0.sums:3",
            &["no tap layer4.0.sums", "did you mean layer4.0.sum?"],
        ),
        (
            "embeding:3",
            &["no tap embeding", "did you mean embedding?"],
        ),
        ("7 - 2*TV", &["\"TV\" is not a unit", "did you mean tv?"]),
        ("directoin(layer4, v.npy)", &["did you mean direction?"]),
        ("xqzwv", &["\"xqzwv\" is not a unit", "TAP:NUMBER"]),
    ] {
        refused(&["render", text], words);
    }
    refused(
        &["atlas", "--units", "dog face"],
        &["`percept find \"dog face\"`"],
    );
    refused(
        &["render", "3", "--preset", "goh2012"],
        &["no preset goh2012", "did you mean goh2021?"],
    );
    refused(
        &["layers", "--model", "vitb32"],
        &["did you mean ViT-B/32?"],
    );
    refused(
        &["layers", "--model", "ViT-B/33"],
        &["--model ViT-B/32 if you meant that"],
    );
}
