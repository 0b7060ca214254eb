//! `units.parquet`: one row a unit.

mod column;

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::manifest::SCHEMA;
use super::numbers::{NUMBERS, Number};
use super::record::{Near, Picture, Record};
use crate::error::{Error, Kind, Result};
use column::{Cell, Column, Leaf};

/// The file's name in an atlas' folder.
pub const FILE: &str = "units.parquet";

/// The file's bytes: the same for the same records.
///
/// # Errors
/// When the records cannot be written in the format.
pub fn encode(records: &[Record]) -> Result<Vec<u8>> {
    columns(records)
        .and_then(|columns| write(&columns))
        .map_err(|source| {
            Error::new(Kind::Internal, format!("cannot write {FILE}")).caused_by(source)
        })
}

fn write(columns: &[Column]) -> Result<Vec<u8>, ParquetError> {
    let fields = columns.iter().map(|column| column.field.clone()).collect();
    let schema = Type::group_type_builder("unit")
        .with_fields(fields)
        .build()?;
    let version = KeyValue::new("percept.schema".to_owned(), SCHEMA.to_string());
    let properties = WriterProperties::builder()
        .set_created_by(concat!("percept ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(vec![version]))
        .build();
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, schema.into(), Arc::new(properties))?;
    let mut rows = file.next_row_group()?;
    for chunk in columns.iter().flat_map(|column| &column.chunks) {
        if let Some(mut writer) = rows.next_column()? {
            chunk.write(&mut writer)?;
            writer.close()?;
        }
    }
    rows.close()?;
    file.close()?;
    Ok(bytes)
}

fn columns(records: &[Record]) -> Result<Vec<Column>, ParquetError> {
    let mut columns = vec![
        Column::scalar(records, &Leaf::required("tap", |r: &Record| r.tap.clone()))?,
        Column::scalar(records, &Leaf::required("unit", |r: &Record| r.unit as i64))?,
        Column::scalar(
            records,
            &Leaf::optional("picture", |r: &Record| file(r.positive())),
        )?,
        Column::scalar(
            records,
            &Leaf::optional("negative", |r: &Record| file(r.negative())),
        )?,
        Column::scalar(
            records,
            &Leaf::optional("flag", |r: &Record| r.flag.clone()),
        )?,
        Column::scalar(records, &Leaf::optional("opened", Record::opened))?,
    ];
    for number in NUMBERS {
        columns.push(Column::scalar(records, &number_leaf(&number))?);
    }
    let text = String::clone;
    columns.extend([
        Column::list(records, "words", |r| &r.words, text)?,
        Column::list(records, "drawings", |r| &r.drawings, text)?,
        Column::list(records, "line_art", |r| &r.line_art, text)?,
        Column::list(records, "labels", |r| &r.labels, |(label, _)| label.clone())?,
        Column::list(
            records,
            "label_scores",
            |r| &r.labels,
            |(_, score)| f64::from(*score),
        )?,
        Column::list(records, "examples", |r| &r.examples, text)?,
        Column::list(records, "near_weights", |r| &r.near_weights, unit)?,
        Column::list(
            records,
            "near_weights_similarity",
            |r| &r.near_weights,
            similarity,
        )?,
        Column::list(records, "near_responses", |r| &r.near_responses, unit)?,
        Column::list(
            records,
            "near_responses_similarity",
            |r| &r.near_responses,
            similarity,
        )?,
        Column::structs(records, "pictures", |r| &r.pictures, &picture_leaves())?,
    ]);
    Ok(columns)
}

fn file(picture: Option<&Picture>) -> Option<String> {
    picture.map(|picture| picture.file.clone())
}

fn number_leaf(
    &Number {
        key, whole, get, ..
    }: &Number,
) -> Leaf<Record> {
    match whole {
        true => Leaf::optional(key, move |r: &Record| get(r).map(|number| number as i64)),
        false => Leaf::optional(key, get),
    }
}

fn unit(near: &Near) -> i64 {
    near.unit as i64
}

fn similarity(near: &Near) -> f64 {
    f64::from(near.similarity)
}

/// Every picture, in the order of the record.
fn picture_leaves() -> Vec<Leaf<Picture>> {
    fn required<C: Cell>(name: &'static str, get: fn(&Picture) -> C) -> Leaf<Picture> {
        Leaf::required(name, get)
    }
    fn optional<C: Cell>(name: &'static str, get: fn(&Picture) -> Option<C>) -> Leaf<Picture> {
        Leaf::optional(name, get)
    }
    vec![
        required("kind", |p| p.shows.kind().to_owned()),
        optional("facet", |p| p.shows.facet().map(str::to_owned)),
        required("variant", |p| i64::from(p.variant)),
        required("seed", |p| p.seed),
        required("file", |p| p.file.clone()),
        required("sha256", |p| p.sha256.clone()),
        required("width", |p| i64::from(p.width)),
        optional("opened", |p| p.quality.opened),
        optional("activation", |p| p.quality.activation),
        required("clean", |p| p.quality.clean),
        required("robust_mean", |p| p.quality.robust_mean),
        required("robust_sd", |p| p.quality.robust_sd),
        required("robust_draws", |p| p.quality.robust_draws as i64),
        optional("robust_ratio", |p| p.quality.robust_ratio),
        optional("z", |p| p.quality.selectivity.as_ref().map(|s| s.z)),
        optional("rank", |p| {
            p.quality.selectivity.as_ref().map(|s| s.rank as i64)
        }),
        optional("rank_of", |p| {
            p.quality.selectivity.as_ref().map(|s| s.of as i64)
        }),
        optional("spectrum_slope", |p| p.quality.spectrum_slope),
    ]
}
