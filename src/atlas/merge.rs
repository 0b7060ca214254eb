//! Atlases that were rendered in parts, brought together.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use super::folder::{Files, Folder};
use super::job::in_order;
use super::journal::{Entry, Event};
use super::plan::{Item, Plan};
use super::units::Units;
use super::writer::{Bytes, Writer};
use crate::error::{Error, Result, bail};

/// The name of the journal of what was brought from elsewhere.
const JOURNAL: &str = "merged";

/// An atlas that was brought together.
#[derive(Debug)]
pub struct Merged {
    /// The plan of all its parts.
    pub plan: Plan,
    /// Pictures that are done, in the plan's order.
    pub entries: Vec<Entry>,
    /// Pictures that could not be made, and why.
    pub failed: Vec<(Item, String)>,
    /// Pictures that came from another folder now.
    pub brought: usize,
}

/// Brings the pictures of several folders of one plan into one, which may be among them or new.
///
/// # Errors
/// When the folders' plans differ, when pictures are missing from all of them, or when the system
/// refuses; pictures that were brought by then stay.
pub fn merge(folders: &[Folder], out: &Folder) -> Result<Merged> {
    let plan = common_plan(folders)?;
    let mut done: HashMap<Item, Entry> = match out.plan()? {
        Some(_) => out.done(&plan)?,
        None => HashMap::new(),
    };
    let mut failed = BTreeMap::new();
    let mut writer = None;
    let mut brought = 0;
    for folder in folders {
        for event in folder.events(&plan.digest()?)? {
            if let Event::Failed { item, error } = event {
                failed.insert(item, error);
            }
        }
        for entry in in_order(&plan, &folder.done(&plan)?) {
            if done.contains_key(&entry.item) {
                continue;
            }
            if writer.is_none() {
                writer = Some(Writer::open(out.clone(), &plan, JOURNAL)?);
            }
            if let Some(writer) = &writer {
                let bytes = read(&folder.files(&entry.item))?;
                let how = (entry.seconds, entry.batch);
                done.insert(entry.item.clone(), writer.put(&entry.item, &bytes, how)?);
                brought += 1;
            }
        }
    }
    if let Some(writer) = &writer {
        writer.settle()?;
    }
    failed.retain(|item, _| !done.contains_key(item));
    let all = plan.items().count();
    let missing = plan.items();
    let missing = missing.filter(|item| !done.contains_key(item) && !failed.contains_key(item));
    let missing: Vec<Item> = missing.collect();
    if !missing.is_empty() {
        bail!(
            Input,
            "{} of {all} pictures are in none of the folders: {}; run the shards that have not finished, then merge again",
            missing.len(),
            spelled(&missing)
        );
    }
    Ok(Merged {
        entries: in_order(&plan, &done),
        plan,
        failed: failed.into_iter().collect(),
        brought,
    })
}

fn common_plan(folders: &[Folder]) -> Result<Plan> {
    let mut common: Option<(&Folder, Plan)> = None;
    for folder in folders {
        let Some(plan) = folder.plan()? else {
            bail!(
                Input,
                "there is no atlas in {}: it has no plan.json",
                folder.path().display()
            );
        };
        match &common {
            None => common = Some((folder, plan)),
            Some((_, known)) if *known == plan => {}
            Some((first, known)) => {
                let differences = known.differences(&plan)?.into_iter();
                let differences: Vec<String> = differences
                    .map(|(name, ours, theirs)| format!("{name} is {ours} and {theirs}"))
                    .collect();
                bail!(
                    Input,
                    "{} and {} hold different plans: {}",
                    first.path().display(),
                    folder.path().display(),
                    differences.join("; ")
                );
            }
        }
    }
    match common {
        Some((_, plan)) => Ok(plan),
        None => bail!(Request, "say which folders to merge"),
    }
}

fn read(files: &Files) -> Result<Bytes> {
    let read =
        |path: &Path| fs::read(path).map_err(|source| Error::io("cannot read", path, source));
    Ok(Bytes {
        picture: read(&files.picture)?,
        sidecar: read(&files.sidecar)?,
        response: read(&files.response)?,
    })
}

/// The units that the pictures are of, tap by tap.
fn spelled(items: &[Item]) -> String {
    let mut taps: Vec<Units> = Vec::new();
    for Item { tap, channel, .. } in items {
        let units = match taps.iter_mut().position(|units| units.tap == *tap) {
            Some(place) => &mut taps[place],
            None => {
                taps.push(Units {
                    tap: tap.clone(),
                    channels: Vec::new(),
                });
                let last = taps.len() - 1;
                &mut taps[last]
            }
        };
        if units.channels.last() != Some(channel) {
            units.channels.push(*channel);
        }
    }
    let taps: Vec<String> = taps.iter().map(Units::to_string).collect();
    taps.join(" ")
}
