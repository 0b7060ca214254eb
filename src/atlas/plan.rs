//! What an atlas holds: fixed at its start, kept in `plan.json` with a digest.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::spelled;
use super::units::{Units, written_out};
use crate::error::{Error, Kind, Result, bail};
use crate::input::sha256;
use crate::model::Model;
use crate::objective::{Objective, Position, Sources, Term, Unit};
use crate::recipe::{Recipe, Request};
use crate::size::Size;

/// The version of the layout of an atlas.
pub const SCHEMA: u32 = 1;

/// Every picture of an atlas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The version of percept that renders it.
    pub percept: String,
    /// A tap's units each, no tap twice.
    pub parts: Vec<Part>,
    /// Pictures of each unit, from different random starts.
    pub variants: u32,
    /// Whether each unit's negative is rendered too.
    pub negative: bool,
}

/// Units of one tap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Which.
    #[serde(with = "spelled")]
    pub units: Units,
    /// The first unit's first picture; the others differ in channel, sign and variant only.
    pub recipe: Recipe,
}

/// One picture of an atlas, spelled like its file: `layer4.5.sum/89-v0`, `layer4.5.sum/89-neg-v0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    /// The tap's canonical name.
    pub tap: String,
    /// The channel.
    pub channel: usize,
    /// Whether the unit is made small instead of large.
    pub negative: bool,
    /// Which of the unit's pictures.
    pub variant: u32,
}

/// `plan.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<P> {
    schema: u32,
    digest: String,
    plan: P,
}

impl Plan {
    /// The plan of all units that are asked for; a tap's bare name stands for all of its units.
    /// `request.negative` asks for each unit's negative too.
    ///
    /// # Errors
    /// When a value is out of range, or something else than whole channels is named.
    pub fn new(request: &Request, model: &Model) -> Result<Self> {
        let units = request.units.iter();
        let units = units.map(|text| written_out(text, &model.encoder));
        let all = Request {
            units: units.collect(),
            negative: false,
            ..request.clone()
        };
        let mut parts: Vec<Part> = Vec::new();
        let mut taken = BTreeSet::new();
        for recipe in all.resolve(&Sources::new(model))? {
            if recipe.variant > 0 {
                continue;
            }
            check_size(recipe.ascent.size)?;
            let (tap, channel) = whole_channel(&recipe.objective)?;
            if !taken.insert((tap.to_owned(), channel)) {
                bail!(Request, "{tap}:{channel} is asked for twice");
            }
            match parts.iter_mut().find(|part| part.units.tap == tap) {
                Some(part) => part.units.channels.push(channel),
                None => parts.push(Part {
                    units: Units {
                        tap: tap.to_owned(),
                        channels: vec![channel],
                    },
                    recipe,
                }),
            }
        }
        Ok(Self {
            percept: env!("CARGO_PKG_VERSION").to_owned(),
            parts,
            variants: request.variants.unwrap_or(1),
            negative: request.negative,
        })
    }

    /// Every picture, in the order in which they are rendered: unit by unit.
    pub fn items(&self) -> impl Iterator<Item = Item> + '_ {
        let units = self.units();
        units.flat_map(|(tap, channel)| self.items_of(tap, channel))
    }

    /// Every unit: its tap and its channel.
    pub fn units(&self) -> impl Iterator<Item = (&str, usize)> {
        let units = self.parts.iter().map(|part| &part.units);
        units.flat_map(|Units { tap, channels }| {
            channels.iter().map(move |&channel| (tap.as_str(), channel))
        })
    }

    /// A unit's pictures.
    pub fn items_of(&self, tap: &str, channel: usize) -> impl Iterator<Item = Item> + use<> {
        let (tap, variants) = (tap.to_owned(), self.variants);
        let signs = [false, true]
            .into_iter()
            .take(1 + usize::from(self.negative));
        signs.flat_map(move |negative| {
            let tap = tap.clone();
            (0..variants).map(move |variant| Item {
                tap: tap.clone(),
                channel,
                negative,
                variant,
            })
        })
    }

    /// A picture's recipe; none where the plan has no such tap.
    pub fn recipe(&self, item: &Item) -> Option<Recipe> {
        let part = self.parts.iter().find(|part| part.units.tap == item.tap)?;
        let objective = part.recipe.objective.clone().of_channel(item.channel);
        Some(Recipe {
            objective: if item.negative {
                objective.suppressing()
            } else {
                objective
            },
            variant: item.variant,
            ..part.recipe.clone()
        })
    }

    /// The SHA-256 of everything in the plan.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn digest(&self) -> Result<String> {
        Ok(sha256(&serde_json::to_vec(self).map_err(unwritable)?))
    }

    /// As it lies in `plan.json`.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let stored = Stored {
            schema: SCHEMA,
            digest: self.digest()?,
            plan: self,
        };
        let mut text = serde_json::to_vec_pretty(&stored).map_err(unwritable)?;
        text.push(b'\n');
        Ok(text)
    }

    /// From `plan.json`.
    ///
    /// # Errors
    /// When it is another version's, or was changed since it was written.
    pub fn from_json(text: &[u8]) -> Result<Self> {
        let unreadable = |source| {
            let message = "it is not a plan that this percept can read; give --out another folder, or put the atlas' own back";
            Error::new(Kind::Input, message).caused_by(source)
        };
        let Stored { schema, .. } =
            serde_json::from_slice::<Stored<serde::de::IgnoredAny>>(text).map_err(unreadable)?;
        if schema != SCHEMA {
            bail!(
                Input,
                "it has the layout {schema}, and this percept reads {SCHEMA}: use the version that wrote it"
            );
        }
        let Stored { digest, plan, .. } =
            serde_json::from_slice::<Stored<Self>>(text).map_err(unreadable)?;
        if digest != plan.digest()? {
            bail!(
                Input,
                "it was changed since it was written: put the old one back, or begin another atlas"
            );
        }
        Ok(plan)
    }
}

fn unwritable(source: serde_json::Error) -> Error {
    Error::new(Kind::Input, "cannot write the plan as JSON").caused_by(source)
}

/// # Errors
/// When pictures are not as the tiles of the site are.
fn check_size(size: Size) -> Result<()> {
    if !size.is_square() {
        bail!(
            Request,
            "an atlas shows its pictures as squares, and {size} is none: give --size one number, such as {}",
            size.longest()
        );
    }
    Ok(())
}

/// The tap and the channel of an objective that is a unit's mean, with or without penalties.
fn whole_channel(objective: &Objective) -> Result<(&str, usize)> {
    let mut terms = objective.terms().iter();
    match terms.next() {
        Some((
            1.0,
            Term::Unit(Unit {
                tap: Some(tap),
                channel,
                position: Position::Mean,
            }),
        )) if terms.all(|(_, term)| term.is_penalty()) => Ok((tap, *channel)),
        _ => bail!(
            Request,
            "an atlas is made of whole units, and \"{objective}\" is something else: give --units TAP:0..16, or TAP for all of its units; `percept render` takes any objective"
        ),
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-neg" } else { "" };
        write!(f, "{}/{}{sign}-v{}", self.tap, self.channel, self.variant)
    }
}

impl FromStr for Item {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (tap, name) = text.split_once('/')?;
            let (unit, variant) = name.rsplit_once("-v")?;
            let (channel, negative) = match unit.strip_suffix("-neg") {
                Some(channel) => (channel, true),
                None => (unit, false),
            };
            Some(Self {
                tap: tap.to_owned(),
                channel: channel.parse().ok()?,
                negative,
                variant: variant.parse().ok()?,
            })
        };
        match parse() {
            Some(item) => Ok(item),
            None => bail!(Input, "\"{text}\" is no picture of an atlas"),
        }
    }
}
