//! From what a job left behind to the records that are published.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use ndarray::Array1;
use ndarray_npy::ReadNpyExt;
use serde::Deserialize;

use super::folder::Folder;
use super::journal::Entry;
use super::manifest::{Header, Tap};
use super::neighbours;
use super::plan::{Item, Part, Plan};
use super::record::{Moments, Near, Picture, Record, Shows};
use crate::ascent::quality::Quality;
use crate::encoder::tap::TapId;
use crate::error::{Error, Kind, Result, bail};
use crate::model::Model;
use crate::output::sidecar::PictureEntry;
use crate::recipe::Recipe;

/// Nearest units that a record names.
const NEIGHBOURS: usize = 8;

/// Pictures from which on responses to them say which units are alike.
const ENOUGH_PICTURES: usize = 16;

/// What a record needs of a sidecar.
#[derive(Deserialize)]
struct Sidecar {
    recipe: Recipe,
    picture: PictureEntry,
    quality: Quality,
}

/// What is known of each unit that has a picture, in the plan's order, and what all share.
///
/// # Errors
/// When a file of a picture cannot be read, or a tap of the plan is not the model's.
pub fn gather(
    model: &Model,
    folder: &Folder,
    plan: &Plan,
    entries: &[Entry],
) -> Result<(Header, Vec<Record>)> {
    let mut by_unit: HashMap<(&str, usize), Vec<&Item>> = HashMap::new();
    for Entry { item, .. } in entries {
        let unit = (item.tap.as_str(), item.channel);
        by_unit.entry(unit).or_default().push(item);
    }
    let mut records = Vec::new();
    for part in &plan.parts {
        let tap = tap_of(model, part)?;
        let statistics = model.statistics(tap);
        let start = records.len();
        let mut responses = Vec::new();
        for &channel in &part.units.channels {
            let Some(items) = by_unit.get(&(part.units.tap.as_str(), channel)) else {
                continue;
            };
            let mut record = record(folder, items)?;
            if let Some(answers) = model.answers(&record.tap, channel) {
                record.words = answers.words;
                record.drawings = answers.drawings;
                record.line_art = answers.line_art;
            }
            record.statistics = statistics.as_ref().map(|statistics| {
                let (mean, sd) = statistics.of_channel(channel);
                Moments { mean, sd }
            });
            records.push(record);
            for item in items.iter().filter(|item| !item.negative) {
                responses.push(response(&folder.files(item).response)?);
            }
        }
        add_neighbours(model, tap, &mut records[start..], &responses)?;
    }
    Ok((header(model, plan)?, records))
}

fn tap_of(model: &Model, part: &Part) -> Result<TapId> {
    let name = &part.units.tap;
    match model.encoder.find(name) {
        Some(tap) => Ok(tap),
        None => bail!(Input, "the plan has the tap {name}, and the model has not"),
    }
}

fn record(folder: &Folder, items: &[&Item]) -> Result<Record> {
    let mut record = Record {
        tap: items[0].tap.clone(),
        unit: items[0].channel,
        ..Record::default()
    };
    for item in items {
        let Sidecar {
            recipe,
            picture,
            quality,
        } = sidecar(&folder.files(item).sidecar)?;
        record.pictures.push(Picture {
            shows: match item.negative {
                true => Shows::Negative,
                false => Shows::Positive,
            },
            variant: item.variant,
            seed: recipe.seed,
            file: format!("pictures/{item}.png"),
            sha256: picture.sha256,
            width: picture.canvas.width as u32 * picture.scale,
            quality,
        });
    }
    Ok(record)
}

fn sidecar(path: &Path) -> Result<Sidecar> {
    let text = fs::read(path).map_err(|source| Error::io("cannot read", path, source))?;
    serde_json::from_slice(&text).map_err(|source| {
        let message = format!("{} is not an atlas' sidecar", path.display());
        Error::new(Kind::Input, message).caused_by(source)
    })
}

fn response(path: &Path) -> Result<Array1<f32>> {
    let file = fs::File::open(path).map_err(|source| Error::io("cannot read", path, source))?;
    Array1::read_npy(file).map_err(|source| {
        let message = format!("{} is not an array of responses", path.display());
        Error::new(Kind::Input, message).caused_by(source)
    })
}

fn add_neighbours(
    model: &Model,
    tap: TapId,
    records: &mut [Record],
    responses: &[Array1<f32>],
) -> Result<()> {
    let units: Vec<usize> = records.iter().map(|record| record.unit).collect();
    let by_weights = neighbours::by_weights(&model.encoder, tap, &units, NEIGHBOURS)?;
    let mut by_responses: Option<Vec<Vec<Near>>> = None;
    if responses.len() >= ENOUGH_PICTURES {
        let channels = model.encoder.tap(tap).channels;
        let values = responses.iter().flatten().copied().collect();
        let matrix = Tensor::from_vec(values, (responses.len(), channels), &Device::Cpu)?;
        by_responses = Some(neighbours::by_responses(&matrix, &units, NEIGHBOURS)?);
    }
    for (place, record) in records.iter_mut().enumerate() {
        if let Some(near) = &by_weights {
            record.near_weights.clone_from(&near[place]);
        }
        if let Some(near) = &by_responses {
            record.near_responses.clone_from(&near[place]);
        }
    }
    Ok(())
}

fn header(model: &Model, plan: &Plan) -> Result<Header> {
    let first = plan.first()?;
    let mut recipe = serde_json::to_value(first)
        .map_err(|source| Error::new(Kind::Internal, "cannot write a recipe").caused_by(source))?;
    let is_common = |part: &Part| part.recipe.ascent.redirect_steps == first.ascent.redirect_steps;
    let differs = !plan.parts.iter().all(is_common);
    if let Some(recipe) = recipe.as_object_mut() {
        recipe.retain(|key, _| match key.as_str() {
            "schema" | "model" | "objective" | "files" | "texts" | "variant" | "checkpoints" => {
                false
            }
            "redirect_steps" => !differs,
            _ => true,
        });
    }
    let tap = |part: &Part| {
        let tap = model.encoder.tap(tap_of(model, part)?);
        Ok(Tap {
            name: tap.name.clone(),
            units: tap.channels,
            options: part.recipe.options(model)?,
        })
    };
    Ok(Header {
        model: first.model.clone(),
        recipe,
        taps: plan.parts.iter().map(tap).collect::<Result<_>>()?,
    })
}
