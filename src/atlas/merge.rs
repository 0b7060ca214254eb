//! Atlases that were rendered in parts, brought together.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use super::change::WEIGHTS_NAME;
use super::folder::{self, Files, Folder};
use super::job::in_order;
use super::journal::{Busy, Entry, Event};
use super::missing;
use super::plan::{Item, Plan};
use super::publish::check_unchanged;
use super::writer::{Bytes, Writer};
use crate::error::{Error, Result, bail};

/// The name of the journal of what was brought from elsewhere.
const JOURNAL: &str = "merged";

/// An atlas that was brought together.
#[derive(Debug)]
pub struct Merged {
    /// The plan of all its parts.
    pub plan: Plan,
    /// Where its processes found the weights, each place once.
    pub weights: Vec<String>,
    /// Pictures that are done, in the plan's order.
    pub entries: Vec<Entry>,
    /// Pictures that could not be made, and why.
    pub failed: Vec<(Item, String)>,
    /// Pictures that came from another folder now.
    pub brought: usize,
}

/// Brings the pictures of several folders of one plan into one, which may be among them or new. Weights are
/// told by their digests, wherever the folders' processes found them: pictures and sidecars stay as they are,
/// and the plan is that of `out`, or where there is none yet the first folder's.
///
/// # Errors
/// When the folders' plans differ, when pictures are missing from all of them, or when the system
/// refuses; pictures that were brought by then stay.
pub fn merge(folders: &[Folder], out: &Folder) -> Result<Merged> {
    let parts = parts(folders)?;
    let own = out.plan()?;
    let (holder, plan) = match (&own, parts.first()) {
        (Some(own), _) => (out, own),
        (None, Some((folder, part))) => (*folder, part),
        (None, None) => bail!(Request, "say which folders to merge"),
    };
    for (folder, part) in &parts {
        check_same((holder, plan), (folder, part))?;
    }
    if own.is_none() {
        out.check_vacant()?;
    }
    check_unchanged(out.path())?;
    let mut failed = BTreeMap::new();
    let mut begun = Vec::new();
    let mut found: HashMap<Item, (&Folder, Entry)> = HashMap::new();
    // Every file of a folder that is asked for what is done is read.
    let mut done = None;
    for (folder, part) in &parts {
        let events = folder.events(part)?;
        begun.extend(folder::begun(&events));
        for event in events {
            if let Event::Failed { item, error } = event {
                failed.insert(item, error);
            }
        }
        let here = folder.done(part)?;
        if folder.path() == out.path() {
            done = Some(here.clone());
        }
        for (item, entry) in here {
            found.entry(item).or_insert((*folder, entry));
        }
    }
    let mut done = match (done, &own) {
        (Some(done), _) => done,
        (None, Some(own)) => out.done(own)?,
        (None, None) => HashMap::new(),
    };
    let mut brought = 0;
    if found.keys().any(|item| !done.contains_key(item)) {
        // Another process may be merging: it is waited for, and what it brought is there then.
        let writer = Writer::open(out.clone(), plan, JOURNAL, Busy::Wait)?;
        done = out.done(plan)?;
        let brings = |item: &Item| found.contains_key(item) && !done.contains_key(item);
        let new: Vec<Item> = plan.items().filter(brings).collect();
        out.check_places(plan, &new)?;
        for item in new {
            if let Some((folder, entry)) = found.get(&item) {
                let bytes = read(&folder.files(&item))?;
                let how = (entry.seconds, entry.batch);
                done.insert(item.clone(), writer.put(&item, &bytes, how)?);
                brought += 1;
            }
        }
        writer.settle()?;
        writer.check_in_place()?;
    }
    failed.retain(|item, _| !done.contains_key(item));
    let missing = plan.items();
    let missing = missing.filter(|item| !done.contains_key(item) && !failed.contains_key(item));
    let missing: Vec<Item> = missing.collect();
    if !missing.is_empty() {
        bail!(
            Input,
            "{} of {} pictures are in none of the folders: {}; run the shards that have not finished, then merge again",
            missing.len(),
            plan.items().count(),
            missing::described(plan, &missing, &begun)
        );
    }
    let mut weights: Vec<String> = Vec::new();
    for plan in own.iter().chain(parts.iter().map(|(_, plan)| plan)) {
        let name = &plan.first()?.model.name;
        if !weights.contains(name) {
            weights.push(name.clone());
        }
    }
    Ok(Merged {
        entries: in_order(plan, &done),
        plan: plan.clone(),
        weights,
        failed: failed.into_iter().collect(),
        brought,
    })
}

/// The folders, each with its plan.
fn parts(folders: &[Folder]) -> Result<Vec<(&Folder, Plan)>> {
    let part = |folder| match Folder::plan(folder)? {
        Some(plan) => Ok((folder, plan)),
        None => bail!(
            Input,
            "there is no atlas in {}: it has no plan.json",
            folder.path().display()
        ),
    };
    folders.iter().map(part).collect()
}

/// # Errors
/// When the plans of two folders make other pictures.
fn check_same((first, known): (&Folder, &Plan), (folder, plan): (&Folder, &Plan)) -> Result<()> {
    if known.is_same(plan) {
        return Ok(());
    }
    let differences = known.differences(plan)?.into_iter();
    let differences: Vec<String> = differences
        .filter(|(name, ..)| name != WEIGHTS_NAME)
        .map(|(name, ours, theirs)| format!("{name} is {ours} and {theirs}"))
        .collect();
    bail!(
        Input,
        "{} and {} hold different plans: {}",
        first.path().display(),
        folder.path().display(),
        differences.join("; ")
    )
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
