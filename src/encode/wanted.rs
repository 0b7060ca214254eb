//! What is read off each image.

use candle_core::{DType, Device, Tensor};

use super::{Images, Pool};
use crate::encoder::Pass;
use crate::encoder::layer::Rules;
use crate::encoder::overflow::is_finite;
use crate::encoder::tap::{Layout, TapId};
use crate::error::{Result, bail};
use crate::model::Model;
use crate::model::hint::instead;
use crate::objective::{Bound, Sources, parse_units};

/// What is asked of each image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// Taps by name; `all` for every one.
    pub taps: &'a [String],
    /// The units or objective whose gradient is wanted.
    pub gradient: Option<&'a str>,
    /// What stands for all positions of a tap, if it is not to be written whole.
    pub pool: Option<Pool>,
    /// Whether the normalised pixels are left out.
    pub no_input: bool,
}

/// What is to be read off each image.
pub struct Wanted {
    size: (usize, usize),
    with_input: bool,
    taps: Vec<TapId>,
    pool: Option<Pool>,
    embedding: Option<TapId>,
    objective: Option<Bound>,
}

impl Wanted {
    /// Finds taps by name and binds the gradient's objective. The image embedding is wanted
    /// whenever the input has the size that it needs.
    ///
    /// # Errors
    /// When a tap or unit does not exist, nothing but an embedding that the model has not is wanted, the objective reads the RGB image, the model has no
    /// class token to pool by, or nothing is left to be written.
    pub fn new(model: &Model, request: Request, images: &Images) -> Result<Self> {
        let Request {
            taps,
            gradient,
            pool,
            no_input,
        } = request;
        let encoder = &model.encoder;
        let size = images.size(model)?;
        let fits = size == (encoder.resolution(), encoder.resolution());
        if let Some(pool) = pool {
            pool.check(model)?;
        }
        if taps.is_empty() && gradient.is_none() && fits {
            encoder.check_embedding()?;
        }
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
            found.push(encoder.tap_named(name)?);
        }
        found.sort_unstable();
        found.dedup();
        let objective = match gradient {
            None => None,
            Some(text) => {
                let asked = parse_units(text);
                let asked = asked.map_err(|error| instead(model, text).unwrap_or(error))?;
                let (Some(objective), 1) = (asked.objectives().next(), asked.count()) else {
                    bail!(
                        Request,
                        "\"{text}\" is {} units: a gradient is of one objective",
                        asked.count()
                    );
                };
                let bound = Bound::new(&objective, &Sources::new(model))?;
                if bound.reads_canvas() {
                    bail!(
                        Request,
                        "\"{text}\" has a penalty on the RGB image, which an encoder's input is not: leave it out"
                    );
                }
                if bound.needs_more_than_a_pass() {
                    bail!(
                        Request,
                        "\"{text}\" has a facet or compares pictures, which only an ascent does: leave that out"
                    );
                }
                Some(bound)
            }
        };
        let wanted = Self {
            size,
            with_input: !no_input,
            taps: found,
            pool,
            embedding: encoder.find("embedding").filter(|_| fits),
            objective,
        };
        if wanted.names(model).is_empty() {
            bail!(
                Request,
                "nothing is left to write: give --tap, or leave out --no-input"
            );
        }
        Ok(wanted)
    }

    /// The keys of what is read off an image: `input`, `act.TAP` for every wanted tap,
    /// `image_embedding`, and `gradient`.
    fn names(&self, model: &Model) -> Vec<String> {
        let input = self.with_input.then(|| "input".to_owned());
        let tap = |&tap: &TapId| format!("act.{}", model.encoder.tap(tap));
        let taps = self.taps.iter().map(tap);
        let embedding = self.embedding.map(|_| "image_embedding".to_owned());
        let gradient = self.objective.as_ref().map(|_| "gradient".to_owned());
        let after = embedding.into_iter().chain(gradient);
        input.into_iter().chain(taps).chain(after).collect()
    }

    /// The keys, with the shape of each for one image.
    ///
    /// # Errors
    /// When the input's size does not fit the model and the taps.
    pub fn layout(&self, model: &Model) -> Result<Vec<(String, Vec<usize>)>> {
        let (height, width) = self.size;
        let blank = Tensor::zeros((1, 3, height, width), DType::F32, &Device::Cpu)?;
        let pass = model.encoder.forward(&blank, &self.read())?;
        let pixels = vec![3, height, width];
        let mut shapes = Vec::new();
        shapes.extend(self.with_input.then(|| pixels.clone()));
        for activation in self.activations(model, &pass)? {
            shapes.push(activation.dims()[1..].to_vec());
        }
        shapes.extend(self.objective.as_ref().map(|_| pixels));
        Ok(self.names(model).into_iter().zip(shapes).collect())
    }

    /// Reads it off one image, in the order of the layout.
    ///
    /// # Errors
    /// When a number is not finite: names what it is of, and the first layer where one is not.
    pub(super) fn of(&self, model: &Model, input: &Tensor) -> Result<Vec<Tensor>> {
        let pass = model.encoder.forward(input, &self.read())?;
        let mut parts = Vec::new();
        parts.extend(self.with_input.then(|| input.clone()));
        parts.append(&mut self.activations(model, &pass)?);
        if let Some(objective) = &self.objective {
            let evaluation = objective.evaluate(&model.encoder, &pass, None)?;
            parts.push(pass.pullback(&evaluation.at_taps, Rules::default())?);
        }
        for (name, part) in self.names(model).iter().zip(&parts) {
            if !is_finite(part)? {
                bail!(
                    Numeric,
                    "{name} holds numbers that are not finite{}",
                    match model.encoder.overflow(input)? {
                        Some(tap) => format!(
                            ", as {tap} does, the first that does: a weight before it is too large for f32, or the weights are damaged"
                        ),
                        None => String::new(),
                    }
                );
            }
        }
        Ok(parts)
    }

    /// The wanted taps, pooled, and the embedding.
    fn activations(&self, model: &Model, pass: &Pass) -> Result<Vec<Tensor>> {
        let mut parts = Vec::new();
        for &tap in &self.taps {
            let activation = pass.activation(tap)?;
            parts.push(match self.pool {
                Some(pool) => pool.of(&activation, model.encoder.tap(tap).layout)?,
                None => activation,
            });
        }
        if let Some(tap) = self.embedding {
            parts.push(pass.activation(tap)?);
        }
        Ok(parts)
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
