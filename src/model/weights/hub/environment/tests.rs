use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;

use super::*;

/// What the hub's own Python client makes of variables; `tests/fixtures/hub_environment.py` wrote it.
const PYTHON: &str = include_str!("../../../../../tests/fixtures/hub/environment.json");

#[derive(Deserialize)]
struct Case {
    variables: BTreeMap<String, String>,
    cache: String,
    endpoint: String,
    token_file: String,
    token: Option<String>,
    offline: bool,
}

fn of(variables: &BTreeMap<String, String>, home: &Path) -> Result<Environment> {
    let variable = |name: &str| match name {
        "HOME" => Some(home.display().to_string()),
        "ME" => Some("me".to_owned()),
        name => variables.get(name).cloned(),
    };
    Environment::of(&variable, Some(home))
}

fn one(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

#[test]
fn variables_mean_what_they_mean_to_python() {
    let home = tempfile::tempdir().unwrap();
    let (folder, secret) = (
        home.path().join(".cache/huggingface"),
        home.path().join("secret"),
    );
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("token"), "hf_file\n").unwrap();
    fs::write(secret, "hf_secret").unwrap();
    let cases: Vec<Case> = serde_json::from_str(PYTHON).unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        let found = of(&case.variables, home.path()).unwrap();
        let home = home.path().to_str().unwrap();
        let path = |text: &str| text.replace("HOME", home);
        let variables = &case.variables;
        let token = case.token.map(|token| format!("Bearer {token}"));
        assert_eq!(
            found.cache.to_str().unwrap(),
            path(&case.cache),
            "{variables:?}"
        );
        assert_eq!(
            found.token_file.to_str().unwrap(),
            path(&case.token_file),
            "{variables:?}"
        );
        assert_eq!(found.endpoint, case.endpoint, "{variables:?}");
        assert_eq!(
            found.token.map(|token| token.bearer()),
            token,
            "{variables:?}"
        );
        assert_eq!(found.offline.is_some(), case.offline, "{variables:?}");
    }
}

#[test]
fn a_value_that_cannot_be_used_is_named() {
    for (name, value) in [
        ("HF_ENDPOINT", "mirror.example"),
        ("HF_ENDPOINT", "ftp://mirror.example"),
        ("HF_ENDPOINT", "https://"),
        ("HF_ENDPOINT", "https://a b"),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "soon"),
        ("HF_HUB_ETAG_TIMEOUT", "-1"),
    ] {
        let report = of(&one(name, value), Path::new("/h")).unwrap_err().report();
        assert!(
            report.starts_with(&format!("{name} is \"{value}\"")),
            "{report}"
        );
    }
    let nowhere = Environment::of(&|_| None, None).unwrap_err().report();
    assert!(nowhere.contains("set HF_HOME"), "{nowhere}");
}

#[test]
fn an_empty_address_is_the_public_hub() {
    for value in ["", "/"] {
        let found = of(&one("HF_ENDPOINT", value), Path::new("/h")).unwrap();
        assert_eq!(found.endpoint, HUB);
    }
}

#[test]
fn switches_and_limits_are_read() {
    let found = |name, value| of(&one(name, value), Path::new("/h")).unwrap();
    let (standard, told) = (Duration::from_secs(PATIENCE), Duration::from_secs(7));
    assert_eq!(found("HF_HUB_ETAG_TIMEOUT", "7").limits.answer, told);
    assert_eq!(found("HF_HUB_DOWNLOAD_TIMEOUT", " 7").limits.silence, told);
    assert_eq!(
        found("HF_HUB_DOWNLOAD_TIMEOUT", "0").limits.silence,
        standard
    );
    assert_eq!(found("HF_HUB_DOWNLOAD_TIMEOUT", "").limits.answer, standard);
    for told in ["10000000000000000000", "100000000000000000000000"] {
        let longest = found("HF_HUB_DOWNLOAD_TIMEOUT", told).limits.silence;
        assert_eq!(longest, Duration::from_secs(LONGEST));
    }
    assert!(found("", "").links && !found("HF_HUB_DISABLE_SYMLINKS", "1").links);
    let mut hidden = one("HF_TOKEN", "hf_a");
    assert!(of(&hidden, Path::new("/h")).unwrap().token.is_some());
    hidden.insert("HF_HUB_DISABLE_IMPLICIT_TOKEN".to_owned(), "1".to_owned());
    assert!(of(&hidden, Path::new("/h")).unwrap().token.is_none());
}

#[test]
fn a_token_is_not_shown() {
    let environment = of(&one("HF_TOKEN", "hf_a"), Path::new("/h")).unwrap();
    let shown = format!("{environment:?}");
    assert!(
        shown.contains("HF_TOKEN") && !shown.contains("hf_a"),
        "{shown}"
    );
}
