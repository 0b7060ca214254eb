//! The data, by readers that are not ours.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use percept::atlas::record::Record;

use crate::needs::{Need, python};
use crate::site::synthetic::{FLAGGED, LARGE, NAMED, SMALL, UNPICTURED, ten_thousand};

fn field<'a>(row: &'a Row, name: &str) -> &'a Field {
    let found = row.get_column_iter().find(|(column, _)| *column == name);
    found.unwrap_or_else(|| panic!("no column {name}")).1
}

/// What a unit's page was given, which is the whole record.
fn published(folder: &Path, tap: &str, chunk: usize) -> Vec<Record> {
    let script = fs::read_to_string(folder.join(format!("site/units/{tap}/{chunk}.js"))).unwrap();
    let start = script.find(",[{").unwrap() + 1;
    serde_json::from_str(script[start..].trim_end().trim_end_matches(");")).unwrap()
}

#[test]
fn the_table_has_a_row_a_unit_with_all_that_is_known() {
    let folder = ten_thousand();
    let reader =
        SerializedFileReader::new(File::open(folder.join("units.parquet")).unwrap()).unwrap();
    let rows: Vec<Row> = reader
        .get_row_iter(None)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(rows.len(), 10_000);
    let records = published(folder, LARGE, NAMED / 64);
    let record = records.iter().find(|record| record.unit == NAMED).unwrap();
    let row = &rows[NAMED];
    let double = |name: &str| match field(row, name) {
        Field::Double(value) => Some(*value),
        Field::Long(value) => Some(*value as f64),
        Field::Null => None,
        other => panic!("{name} is {other:?}"),
    };
    let texts = |name: &str| match field(row, name) {
        Field::ListInternal(list) => list
            .elements()
            .iter()
            .map(|element| match element {
                Field::Str(text) => text.clone(),
                other => other.to_string(),
            })
            .collect::<Vec<_>>(),
        other => panic!("{name} is {other:?}"),
    };
    assert_eq!(*field(row, "tap"), Field::Str(LARGE.to_owned()));
    assert_eq!(*field(row, "unit"), Field::Long(NAMED as i64));
    let quality = &record.pictures[0].quality;
    let selectivity = quality.selectivity.as_ref().unwrap();
    for (name, value) in [
        ("activation", quality.activation.unwrap()),
        ("clean", quality.clean),
        ("robust_mean", quality.robust_mean),
        ("robust_sd", quality.robust_sd),
        ("robust_ratio", quality.robust_ratio.unwrap()),
        ("z", selectivity.z),
        ("rank", selectivity.rank as f64),
        ("spectrum_slope", quality.spectrum_slope.unwrap()),
        ("negative_clean", record.pictures[2].quality.clean),
        ("mean", record.statistics.unwrap().mean),
        ("sd", record.statistics.unwrap().sd),
        ("label_score", f64::from(record.labels[0].1)),
        (
            "weights_similarity",
            f64::from(record.near_weights[0].similarity),
        ),
    ] {
        // The record was read from JSON, which loses the last bit.
        let error = (double(name).unwrap() - value).abs();
        assert!(error <= 1e-12 * value.abs(), "{name} is off by {error}");
    }
    assert_eq!(texts("words"), record.words);
    assert_eq!(texts("labels")[0], "Ünique zebrafish");
    assert_eq!(
        texts("near_weights")[0],
        record.near_weights[0].unit.to_string()
    );
    assert_eq!(texts("pictures").len(), 4);

    assert_eq!(*field(row, "opened"), Field::Bool(true));
    assert_eq!(*field(&rows[UNPICTURED], "opened"), Field::Null);
    assert_eq!(
        *field(&rows[FLAGGED], "flag"),
        Field::Str("about a religion".to_owned())
    );
    assert_eq!(*field(row, "flag"), Field::Null);
    for name in ["picture", "negative", "clean", "rank", "negative_z"] {
        assert_eq!(*field(&rows[UNPICTURED], name), Field::Null, "{name}");
    }
    assert_eq!(*field(&rows[9_921], "tap"), Field::Str(SMALL.to_owned()));
}

#[test]
fn the_manifest_counts_what_there_is_and_vouches_for_the_table() {
    let folder = ten_thousand();
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["schema"], 1);
    assert_eq!(manifest["model"]["sha256"], "0".repeat(64));
    assert_eq!(manifest["recipe"]["steps"], 512);
    assert_eq!(manifest["counts"]["units"], 10_000);
    assert_eq!(manifest["counts"]["flagged"], 1);
    assert_eq!(manifest["counts"]["pictures"]["positive"], 2 * 9_999);
    assert_eq!(manifest["counts"]["pictures"]["facet"], 9_999);
    assert_eq!(manifest["taps"][1]["in_atlas"], 80);
    assert_eq!(manifest["taps"][1]["units"], 320);
    assert_eq!(manifest["statistics"][0], "32 images of 1/f noise");
    let table = fs::read(folder.join("units.parquet")).unwrap();
    assert_eq!(
        manifest["files"]["units.parquet"]["sha256"],
        percept::input::sha256(&table)
    );
    assert_eq!(manifest["files"]["units.parquet"]["bytes"], table.len());
}

#[test]
fn pandas_reads_the_table_as_the_readme_says() {
    if !Need::Pandas.is_met() {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/site/read.py");
    let output = Command::new(python())
        .arg(script)
        .arg(ten_thousand())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A reader needs no source code: every column and key is explained.
#[test]
fn the_readme_explains_every_column_and_key() {
    let readme =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let folder = ten_thousand();
    let reader =
        SerializedFileReader::new(File::open(folder.join("units.parquet")).unwrap()).unwrap();
    let mut names = BTreeSet::new();
    for column in reader.metadata().file_metadata().schema_descr().columns() {
        let path = column.path().parts();
        names.extend(
            path.iter()
                .filter(|part| !["list", "element"].contains(&part.as_str()))
                .cloned(),
        );
    }
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    for key in ["taps/0", "counts", "files/units.parquet", ""] {
        let pointer = if key.is_empty() {
            String::new()
        } else {
            format!("/{key}")
        };
        names.extend(
            manifest
                .pointer(&pointer)
                .unwrap()
                .as_object()
                .unwrap()
                .keys()
                .cloned(),
        );
    }
    for name in names {
        let plain = name.strip_prefix("negative_").unwrap_or(&name);
        assert!(
            readme.contains(&format!("`{plain}`")),
            "README.md does not explain {name}"
        );
    }
}
