//! Activations, embeddings and image gradients of given images and texts.

use candle_core::Tensor;

use crate::backend::threads::map_images;
use crate::encoder::layer::Rules;
use crate::encoder::tap::{Layout, TapId, canonical};
use crate::error::{Result, bail};
use crate::model::Model;
use crate::objective::{Bound, parse_units};

/// What is to be read off each image.
pub struct Wanted {
    taps: Vec<TapId>,
    embedding: Option<TapId>,
    objective: Option<Bound>,
}

impl Wanted {
    /// Finds taps by name (`all` for every one) and binds the gradient's objective. The image
    /// embedding is wanted whenever the input has the size that it needs.
    ///
    /// # Errors
    /// When a tap or unit does not exist, or the objective reads the RGB image.
    pub fn new(
        model: &Model,
        taps: &[String],
        gradient: Option<&str>,
        input: &Tensor,
    ) -> Result<Self> {
        let encoder = &model.encoder;
        let (_, _, height, width) = input.dims4()?;
        let fits = (height, width) == (encoder.resolution(), encoder.resolution());
        let every = (0..encoder.taps().len()).map(TapId);
        let mut found = Vec::new();
        for name in taps {
            if name == "all" {
                found.extend(
                    every
                        .clone()
                        .filter(|&tap| fits || encoder.tap(tap).layout != Layout::Vector),
                );
                continue;
            }
            match encoder.find(&canonical(name)) {
                Some(tap) => found.push(tap),
                None => bail!(
                    Request,
                    "this model has no tap {name} (`percept layers` lists them)"
                ),
            }
        }
        found.sort_unstable();
        found.dedup();
        let objective = match gradient {
            None => None,
            Some(text) => {
                let objectives = parse_units(text)?;
                let [objective] = objectives.as_slice() else {
                    bail!(
                        Request,
                        "\"{text}\" is {} units: a gradient is of one objective",
                        objectives.len()
                    );
                };
                let bound = Bound::new(objective, encoder)?;
                if bound.reads_image() {
                    bail!(
                        Request,
                        "\"{text}\" has a penalty on the RGB image, which an encoder's input is not: leave it out"
                    );
                }
                Some(bound)
            }
        };
        Ok(Self {
            taps: found,
            embedding: encoder.find("embedding").filter(|_| fits),
            objective,
        })
    }

    fn read(&self) -> Vec<TapId> {
        let objective = self.objective.iter().flat_map(|objective| objective.taps());
        let mut taps: Vec<TapId> = self
            .taps
            .iter()
            .chain(&self.embedding)
            .chain(objective)
            .copied()
            .collect();
        taps.sort_unstable();
        taps.dedup();
        taps
    }
}

/// `input`, `act.TAP` for every wanted tap, `image_embedding`, and `gradient`: of each image's
/// own objective with respect to that image's input.
///
/// # Errors
/// When the input's size does not fit the model and the taps.
pub fn images(model: &Model, input: &Tensor, wanted: &Wanted) -> Result<Vec<(String, Tensor)>> {
    let count = input.dim(0)?;
    let inputs: Vec<Tensor> = (0..count)
        .map(|index| input.narrow(0, index, 1))
        .collect::<Result<_, _>>()?;
    let encoded = map_images(inputs, |_, input| one(model, &input, wanted));
    let mut parts: Vec<Vec<Tensor>> = Vec::new();
    for image in encoded {
        for (index, tensor) in image?.into_iter().enumerate() {
            match parts.get_mut(index) {
                Some(part) => part.push(tensor),
                None => parts.push(vec![tensor]),
            }
        }
    }
    let mut names: Vec<String> = wanted
        .taps
        .iter()
        .map(|&tap| format!("act.{}", model.encoder.tap(tap)))
        .collect();
    names.extend(wanted.embedding.map(|_| "image_embedding".to_owned()));
    names.extend(wanted.objective.as_ref().map(|_| "gradient".to_owned()));
    let mut named = vec![("input".to_owned(), input.clone())];
    for (name, part) in names.into_iter().zip(parts) {
        named.push((name, Tensor::cat(&part, 0)?));
    }
    Ok(named)
}

fn one(model: &Model, input: &Tensor, wanted: &Wanted) -> Result<Vec<Tensor>> {
    let pass = model.encoder.forward(input, &wanted.read())?;
    let mut tensors = Vec::new();
    for &tap in wanted.taps.iter().chain(&wanted.embedding) {
        tensors.push(pass.activation(tap)?);
    }
    if let Some(objective) = &wanted.objective {
        let evaluation = objective.evaluate(&model.encoder, &pass, None)?;
        tensors.push(pass.pullback(&evaluation.at_taps, Rules::default())?);
    }
    Ok(tensors)
}

/// The embeddings of texts, `(n, embedding)`, not normalised.
///
/// # Errors
/// When the model has no text tower, or a text is too long for it.
pub fn texts(model: &Model, texts: &[String]) -> Result<Tensor> {
    let Some(tower) = &model.text else {
        bail!(Request, "{} holds no text encoder", model.origin);
    };
    tower.embed(&tower.tokenise(texts)?)
}
