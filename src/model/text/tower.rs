//! The text tower: tokens to an embedding.

use candle_core::{DType, Device, Tensor};

use crate::backend::field::Field;
use crate::encoder::architecture::{Pooling, Projection, TextShape};
use crate::encoder::engine::Cpu;
use crate::encoder::program::{IMAGE, Program};
use crate::encoder::tap::{Layout, Relu, Tap, TapId};
use crate::encoder::transformer::{Blocks, layer_norm};
use crate::encoder::weights::Weights;
use crate::error::{Result, bail};

/// The transformer and what is around it.
pub struct Tower {
    shape: TextShape,
    tokens: Tensor,
    positions: Tensor,
    program: Program<Cpu<f32>>,
    projection: Option<Tensor>,
    bias: Option<Tensor>,
}

impl Tower {
    /// Takes the tensors out of `weights`; `embedding` is what a projection leads to.
    ///
    /// # Errors
    /// When one is missing or misshapen.
    pub fn new(shape: TextShape, embedding: usize, weights: &mut Weights) -> Result<Self> {
        let width = shape.width;
        let blocks = Blocks {
            width,
            heads: shape.heads,
            hidden: shape.hidden,
            causal: shape.causal,
            gelu: shape.gelu,
            epsilon: shape.epsilon,
        };
        let mut program = Program::default();
        let mut x = IMAGE;
        for index in 0..shape.depth {
            let name = format!("transformer.resblocks.{index}");
            x = blocks.append(&mut program, weights, &name, x)?.output;
        }
        let x = program.layer(x, layer_norm(weights, "ln_final", width, shape.epsilon)?);
        let tokens = Tap {
            name: "tokens".to_owned(),
            channels: width,
            layout: Layout::Vector,
            relu: Relu::None,
        };
        program.tap(x, tokens);
        let (projection, bias) = match shape.projection {
            Projection::None => (None, None),
            Projection::Matrix => {
                let matrix = weights.take("text_projection", &[width, embedding])?;
                (Some(matrix), None)
            }
            Projection::Linear { bias } => {
                let matrix = weights.take("text_projection.weight", &[embedding, width])?;
                let bias = match bias {
                    true => Some(weights.take("text_projection.bias", &[embedding])?),
                    false => None,
                };
                (Some(matrix.t()?), bias)
            }
        };
        let single = |tensor: Tensor| tensor.to_dtype(DType::F32);
        let [tokens, positions] = [
            ("token_embedding.weight", shape.vocabulary),
            ("positional_embedding", shape.context),
        ]
        .map(|(name, rows)| weights.take(name, &[rows, width]));
        Ok(Self {
            shape,
            tokens: single(tokens?)?,
            positions: single(positions?)?,
            program,
            projection: projection.map(single).transpose()?,
            bias: bias.map(single).transpose()?,
        })
    }

    /// What the tensors and the configuration say of it.
    pub fn shape(&self) -> &TextShape {
        &self.shape
    }

    /// The embeddings `(n, embedding)`, not normalised, of token rows `(n, context)`.
    ///
    /// # Errors
    /// When a row is longer than the context, or a token is not in the vocabulary.
    pub fn embed(&self, ids: &Tensor) -> Result<Tensor> {
        let rows = ids.to_vec2::<i64>()?;
        let embedded: Result<Vec<Tensor>> = rows.iter().map(|row| self.embed_row(row)).collect();
        Ok(Tensor::cat(&embedded?, 0)?)
    }

    fn embed_row(&self, row: &[i64]) -> Result<Tensor> {
        if row.is_empty() || row.len() > self.shape.context {
            bail!(
                Request,
                "a text has {} tokens, and this model reads 1 to {}",
                row.len(),
                self.shape.context
            );
        }
        let entry = |&id: &i64| {
            u32::try_from(id)
                .ok()
                .filter(|&id| (id as usize) < self.shape.vocabulary)
        };
        let Some(ids) = row.iter().map(entry).collect::<Option<Vec<u32>>>() else {
            bail!(
                Request,
                "a token is not one of this model's {}, which count from 0",
                self.shape.vocabulary
            );
        };
        let x = self
            .tokens
            .index_select(&Tensor::new(ids, &Device::Cpu)?, 0)?;
        let x = (x + self.positions.narrow(0, 0, row.len())?)?.unsqueeze(0)?;
        let run = self.program.run(Field::from_tokens(&x)?, &[TapId(0)])?;
        let Some(x) = run.activation(TapId(0)) else {
            bail!(Internal, "the text tower kept no output");
        };
        let pooled = x.to_tokens()?.get(0)?.narrow(0, self.place(row), 1)?;
        let projected = match &self.projection {
            Some(projection) => pooled.matmul(projection)?,
            None => pooled,
        };
        match &self.bias {
            Some(bias) => Ok(projected.broadcast_add(bias)?),
            None => Ok(projected),
        }
    }

    /// The token whose output stands for the row.
    fn place(&self, row: &[i64]) -> usize {
        let first = |wanted: i64| row.iter().position(|&id| id == wanted);
        let place = match self.shape.pooling {
            Pooling::Largest => row.iter().max().and_then(|&largest| first(largest)),
            Pooling::Number(number) => first(number),
            Pooling::First => Some(0),
            Pooling::Last => Some(row.len() - 1),
        };
        place.unwrap_or(0)
    }
}
