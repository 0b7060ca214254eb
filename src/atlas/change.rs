//! What is asked of an atlas that was begun before, and how that differs from its plan.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value;

use super::plan::{Part, Plan};
use crate::device::{Device, Dtype};
use crate::error::{Error, Kind, Result, bail};
use crate::model::Model;
use crate::recipe::{Recipe, Request};

/// What the weights were called, which decides nothing but what a recipe says.
pub(super) const WEIGHTS_NAME: &str = "model.name";

const UNITS: &str = "units";

/// What all pictures of a part share, from wherever the weights lie.
fn of_any_unit(part: &Part) -> Recipe {
    let mut recipe = part.recipe.clone();
    recipe.objective = recipe.objective.of_channel(0);
    recipe.model.name.clear();
    recipe
}

impl Plan {
    /// The recipe of the first picture.
    ///
    /// # Errors
    /// When the plan has none.
    pub fn first(&self) -> Result<&Recipe> {
        match self.parts.first() {
            Some(part) => Ok(&part.recipe),
            None => bail!(Input, "the plan has no units"),
        }
    }

    /// What the plan renders on, the first GPU where that is a GPU.
    ///
    /// # Errors
    /// When the plan has no units.
    pub fn device(&self) -> Result<(Device, Dtype)> {
        let recipe = self.first()?;
        Ok((recipe.device(), recipe.dtype))
    }

    /// The request with everything that it leaves open taken from the plan. A request cannot leave
    /// its device open.
    ///
    /// # Errors
    /// When the plan has no units, or not the model's.
    pub fn complete(&self, request: Request, model: &Model) -> Result<Request> {
        let recipe = self.first()?;
        let ascent = &recipe.ascent;
        let units = self.parts.iter().map(|part| part.units.to_string());
        let units: Vec<String> = units.collect();
        let completed = Request {
            units: units.clone(),
            negative: request.negative || self.negative,
            variants: request.variants.or(Some(self.variants)),
            preset: request.preset.clone().or(Some(ascent.preset.clone())),
            steps: request.steps.or(Some(ascent.steps)),
            learning_rate: request.learning_rate.or(Some(ascent.learning_rate)),
            size: request.size.or(Some(ascent.size)),
            seed: request.seed.or(Some(recipe.seed)),
            basis: request.basis.or(Some(ascent.basis)),
            scale: request.scale.or(Some(recipe.scale)),
            ..request.clone()
        };
        let redirect_steps = match request.redirect_steps {
            Some(steps) => Some(steps),
            None => self.redirect_steps(&completed, model)?,
        };
        Ok(Request {
            units: if request.units.is_empty() {
                units
            } else {
                request.units
            },
            redirect_steps,
            ..completed
        })
    }

    /// What was asked for; nothing where each tap has what it gets by itself. `request` is for the plan and
    /// leaves it open.
    fn redirect_steps(&self, request: &Request, model: &Model) -> Result<Option<usize>> {
        let by_itself = Self::new(request, model)?;
        let steps = |plan: &Self| -> Vec<usize> {
            let parts = plan.parts.iter();
            parts
                .map(|part| part.recipe.ascent.redirect_steps)
                .collect()
        };
        Ok(match steps(&by_itself) == steps(self) {
            true => None,
            false => Some(self.first()?.ascent.redirect_steps),
        })
    }

    /// Checks that a model has the plan's weights.
    ///
    /// # Errors
    /// When it has others.
    pub fn check_weights(&self, model: &Model) -> Result<()> {
        let entry = &self.first()?.model;
        if entry.sha256 != model.digest {
            bail!(
                Request,
                "the atlas was begun with other weights: model.sha256 was {} ({}), and is now {} ({}); say with --model where the old ones lie, or give another --out",
                entry.sha256,
                entry.name,
                model.digest,
                model.origin
            );
        }
        if entry.prefix != model.prefix {
            let spelled = |prefix: &Option<String>| prefix.clone().unwrap_or_default();
            bail!(
                Request,
                "the atlas was begun with another image encoder of {}: model.prefix was \"{}\", and is now \"{}\"; give the same --prefix, or another --out",
                model.origin,
                spelled(&entry.prefix),
                spelled(&model.prefix)
            );
        }
        entry.check_conventions(model)
    }

    /// The same plan in the recipes' layout of `older`, and with as little of how the weights are used as that says,
    /// which earlier versions left out.
    ///
    /// # Errors
    /// When a plan has no units.
    pub fn in_words_of(mut self, older: &Self) -> Result<Self> {
        let older = older.first()?;
        for part in &mut self.parts {
            part.recipe.schema = older.schema;
            if older.model.conventions.is_none() {
                part.recipe.model.conventions = None;
            }
        }
        Ok(self)
    }

    /// The same plan, of weights of another name.
    #[must_use]
    pub fn of_weights(mut self, name: &str) -> Self {
        for part in &mut self.parts {
            name.clone_into(&mut part.recipe.model.name);
        }
        self
    }

    /// Whether the two make the same pictures, from wherever the weights lie.
    pub fn is_same(&self, other: &Self) -> bool {
        self.clone().of_weights("") == other.clone().of_weights("")
    }

    /// Whether `asked` makes all pictures of this plan and others, of more units.
    pub fn grows_into(&self, asked: &Self) -> bool {
        let is_kept = |own: &Part| {
            let mut others = asked.parts.iter();
            let other = others.find(|other| other.units.tap == own.units.tap);
            other.is_some_and(|other| of_any_unit(own) == of_any_unit(other))
        };
        let of_all = |plan: &Self| (plan.percept.clone(), plan.variants, plan.negative);
        of_all(self) == of_all(asked)
            && self.parts.iter().all(is_kept)
            && self.is_of_fewer_units(asked)
    }

    fn is_of_fewer_units(&self, other: &Self) -> bool {
        let units: HashSet<(&str, usize)> = other.units().collect();
        self.units().all(|unit| units.contains(&unit)) && self.units().count() < units.len()
    }

    /// Checks that `asked` is this plan, or the same of more units. Weights may lie elsewhere by now.
    ///
    /// # Errors
    /// When it is another: says field by field what differs.
    pub fn check_asked(&self, asked: &Self) -> Result<()> {
        if self.is_same(asked) || self.grows_into(asked) {
            return Ok(());
        }
        let may_differ = |name: &str| match name {
            WEIGHTS_NAME => true,
            UNITS => self.is_of_fewer_units(asked),
            _ => false,
        };
        let differences = self.differences(asked)?.into_iter();
        let differences: Vec<String> = differences
            .filter(|(name, ..)| !may_differ(name))
            .map(|(name, old, new)| format!("{name} was {old}, and is now {new}"))
            .collect();
        bail!(
            Request,
            "the atlas was begun with another plan: {}; take back what differs to go on, or give another --out",
            differences.join("; ")
        )
    }

    /// What differs between two plans: its name, what it is here, what it is there.
    ///
    /// # Errors
    /// When a recipe cannot be written as JSON.
    pub fn differences(&self, other: &Self) -> Result<Vec<(String, String, String)>> {
        let theirs = other.fields()?;
        let mut differences = Vec::new();
        for (name, value) in self.fields()? {
            // A tap that is in one of them only shows in the units.
            let other = theirs.iter().find(|(other, _)| *other == name);
            if let Some((_, other)) = other
                && value != *other
            {
                differences.push((name, value, other.clone()));
            }
        }
        Ok(differences)
    }

    /// Everything that decides the pictures, by name.
    fn fields(&self) -> Result<Vec<(String, String)>> {
        let units = self.parts.iter().map(|part| part.units.to_string());
        let mut fields = vec![
            ("percept's version".to_owned(), self.percept.clone()),
            (UNITS.to_owned(), units.collect::<Vec<_>>().join(" ")),
            ("variants".to_owned(), self.variants.to_string()),
            ("negative".to_owned(), self.negative.to_string()),
        ];
        for (index, part) in self.parts.iter().enumerate() {
            let Part { units, recipe } = part;
            let recipe = Recipe {
                objective: recipe.objective.clone().of_channel(0),
                ..recipe.clone()
            };
            for (name, value) in named_values(&recipe)? {
                match name.as_str() {
                    "objective" | "redirect_steps" => {
                        fields.push((format!("{name} of {}", units.tap), value));
                    }
                    "model" if index == 0 => {
                        for (name, value) in named_values(&recipe.model)? {
                            fields.push((format!("model.{name}"), value));
                        }
                    }
                    _ if index == 0 => fields.push((name, value)),
                    _ => {}
                }
            }
        }
        Ok(fields)
    }
}

fn named_values(object: &impl Serialize) -> Result<Vec<(String, String)>> {
    let value = serde_json::to_value(object)
        .map_err(|source| Error::new(Kind::Internal, "cannot write a recipe").caused_by(source))?;
    let Value::Object(fields) = value else {
        return Ok(Vec::new());
    };
    let spelled = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(fields
        .into_iter()
        .map(|(name, value)| (name, spelled(value)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Options;
    use crate::size::Size;

    fn plan(model: &Model, request: Request) -> Plan {
        Plan::new(&request, model).unwrap()
    }

    fn request() -> Request {
        Request {
            units: vec!["layer4:0..3".into(), "layer4.0.sum:7".into()],
            steps: Some(4),
            ..Request::default()
        }
    }

    #[test]
    fn a_plan_completes_a_request_to_itself_and_names_what_differs() {
        let model = Model::load("mini", Options::default()).unwrap();
        let begun = plan(&model, request());
        let again = plan(&model, begun.complete(Request::default(), &model).unwrap());
        assert_eq!(again, begun);
        begun.check_asked(&again).unwrap();
        for (change, says) in [
            (
                Request {
                    units: vec!["layer4:0..4".into()],
                    ..Request::default()
                },
                "units was layer4:0..3 layer4.0.sum:7, and is now layer4:0..4",
            ),
            (
                Request {
                    units: vec!["layer4:2,1,0".into(), "layer4.0.sum:7".into()],
                    ..Request::default()
                },
                "plan: units was layer4:0..3 layer4.0.sum:7, and is now layer4:2,1,0 layer4.0.sum:7;",
            ),
            (
                Request {
                    units: vec!["layer4:0..4".into(), "layer4.0.sum:7".into()],
                    steps: Some(5),
                    ..Request::default()
                },
                "plan: steps was 4, and is now 5;",
            ),
            (
                Request {
                    seed: Some(3),
                    size: Some(Size::square(48)),
                    ..Request::default()
                },
                "seed was 0, and is now 3; size was ",
            ),
            (
                Request {
                    redirect_steps: Some(8),
                    ..Request::default()
                },
                "redirect_steps of layer4 was 16, and is now 8; redirect_steps of layer4.0.sum was 0, and is now 8",
            ),
            (
                Request {
                    negative: true,
                    variants: Some(2),
                    ..Request::default()
                },
                "variants was 1, and is now 2; negative was false, and is now true",
            ),
            (
                Request {
                    preset: Some("goh2021".into()),
                    ..Request::default()
                },
                "objective of layer4 was layer4:0, and is now layer4:0 - 10*l2",
            ),
        ] {
            let asked = plan(&model, begun.complete(change, &model).unwrap());
            let error = begun.check_asked(&asked).unwrap_err().to_string();
            assert!(error.contains(says), "{says:?} is not in {error:?}");
        }
        let mut other = begun.clone();
        for part in &mut other.parts {
            part.recipe.model.name = "elsewhere".into();
        }
        begun.check_asked(&other).unwrap();
        other.parts[0].recipe.model.sha256 = "other".into();
        let error = begun.check_asked(&other).unwrap_err().to_string();
        assert!(error.contains("model.sha256 was "), "{error}");
    }

    #[test]
    fn a_plan_grows_into_one_of_more_units_that_is_as_if_it_was_asked_for_at_once() {
        let model = Model::load("mini", Options::default()).unwrap();
        let begun = plan(&model, request());
        let more = |units: &[&str]| Request {
            units: units.iter().map(|&text| text.into()).collect(),
            ..Request::default()
        };
        for units in [
            &["layer4:0..4", "layer4.0.sum:7"][..],
            &["layer3:1", "layer4.0.sum:7,8", "layer4:5,0..3"],
        ] {
            let grown = plan(&model, begun.complete(more(units), &model).unwrap());
            begun.check_asked(&grown).unwrap();
            assert!(begun.grows_into(&grown) && !grown.grows_into(&begun));
            let at_once = Request {
                units: more(units).units,
                ..request()
            };
            assert_eq!(grown, plan(&model, at_once));
        }
        // What was asked for at first holds for taps that come later.
        let unlike = Request {
            redirect_steps: Some(3),
            ..request()
        };
        let begun = plan(&model, unlike);
        let units = ["layer4:0..3", "layer4.0.sum:7", "layer3:0"];
        let grown = plan(&model, begun.complete(more(&units), &model).unwrap());
        assert_eq!(grown.parts[2].recipe.ascent.redirect_steps, 3);
        assert!(begun.grows_into(&grown));
    }
}
