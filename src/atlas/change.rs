//! What is asked of an atlas that was begun before, and how that differs from its plan.

use serde::Serialize;
use serde_json::Value;

use super::plan::{Part, Plan};
use crate::device::{Device, Dtype};
use crate::error::{Error, Kind, Result, bail};
use crate::model::Model;
use crate::recipe::{Recipe, Request};

/// What the weights were called, which decides nothing but what a recipe says.
const WEIGHTS_NAME: &str = "model.name";

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
    /// When the plan names something else.
    pub fn device(&self) -> Result<(Device, Dtype)> {
        self.first()?.device()
    }

    /// The request with everything that it leaves open taken from the plan. A request cannot leave
    /// its device open.
    ///
    /// # Errors
    /// When the plan has no units.
    pub fn complete(&self, request: Request) -> Result<Request> {
        let recipe = self.first()?;
        // Where it differs between taps it was left to them.
        let steps = recipe.redirect_steps;
        let is_common = |part: &Part| part.recipe.redirect_steps == steps;
        let redirect_steps = self.parts.iter().all(is_common).then_some(steps);
        let units = self.parts.iter().map(|part| part.units.to_string());
        Ok(Request {
            units: if request.units.is_empty() {
                units.collect()
            } else {
                request.units
            },
            negative: request.negative || self.negative,
            variants: request.variants.or(Some(self.variants)),
            preset: request.preset.or_else(|| Some(recipe.preset.clone())),
            steps: request.steps.or(Some(recipe.steps)),
            learning_rate: request.learning_rate.or(Some(recipe.learning_rate)),
            size: request.size.or(Some(recipe.size)),
            seed: request.seed.or(Some(recipe.seed)),
            basis: request.basis.or(Some(recipe.basis)),
            redirect_steps: request.redirect_steps.or(redirect_steps),
            checkpoints: request.checkpoints,
            scale: request.scale.or(Some(recipe.scale)),
            device: request.device,
            dtype: request.dtype,
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
        Ok(())
    }

    /// Checks that `asked` is this plan. Weights may lie elsewhere by now.
    ///
    /// # Errors
    /// When it is another: says field by field what differs.
    pub fn check_same(&self, asked: &Self) -> Result<()> {
        let differences = self.differences(asked)?.into_iter();
        let differences: Vec<String> = differences
            .filter(|(name, ..)| name != WEIGHTS_NAME)
            .map(|(name, old, new)| format!("{name} was {old}, and is now {new}"))
            .collect();
        if differences.is_empty() {
            return Ok(());
        }
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
            ("units".to_owned(), units.collect::<Vec<_>>().join(" ")),
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
        let again = plan(&model, begun.complete(Request::default()).unwrap());
        assert_eq!(again, begun);
        begun.check_same(&again).unwrap();
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
                    seed: Some(3),
                    size: Some(48),
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
            let asked = plan(&model, begun.complete(change).unwrap());
            let error = begun.check_same(&asked).unwrap_err().to_string();
            assert!(error.contains(says), "{says:?} is not in {error:?}");
        }
        let mut other = begun.clone();
        for part in &mut other.parts {
            part.recipe.model.name = "elsewhere".into();
        }
        begun.check_same(&other).unwrap();
        other.parts[0].recipe.model.sha256 = "other".into();
        let error = begun.check_same(&other).unwrap_err().to_string();
        assert!(error.contains("model.sha256 was "), "{error}");
    }
}
