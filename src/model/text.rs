//! The text side: byte-pair tokens and the text tower, forward only.

use candle_core::{DType, Device, Tensor};
use instant_clip_tokenizer::{Token, Tokenizer};

use crate::backend::field::Field;
use crate::encoder::architecture::{Architecture, TextShape};
use crate::encoder::engine::Cpu;
use crate::encoder::program::{IMAGE, Program};
use crate::encoder::tap::{Layout, TapId};
use crate::encoder::transformer::{Blocks, layer_norm};
use crate::encoder::weights::Weights;
use crate::error::{Error, Kind, Result, bail, shorten};

/// Entries of the vocabulary that OpenAI published and every later CLIP took over.
const FULL_VOCABULARY: usize = 49408;

/// The first merges of that vocabulary, for models that were trained with a part of it.
const FIRST_MERGES: &str = include_str!("mini/merges.txt");

/// Tokens that are no merges: each byte, each byte at the end of a word, the two markers.
const BASE_TOKENS: usize = 2 * 256 + 2;

/// A CLIP text encoder whose weights never change.
pub struct Text {
    shape: TextShape,
    tokens: Tensor,
    positions: Tensor,
    program: Program<Cpu<f32>>,
    projection: Tensor,
}

impl Text {
    /// Takes the text tower's tensors out of `weights`.
    ///
    /// # Errors
    /// When one is missing or misshapen.
    pub fn new(
        shape: TextShape,
        architecture: &Architecture,
        weights: &mut Weights,
    ) -> Result<Self> {
        let TextShape {
            context,
            vocabulary,
            width,
            depth,
            heads,
            hidden,
        } = shape;
        let dtype = DType::F32;
        let mut program = Program::default();
        let blocks = Blocks {
            width,
            heads,
            hidden,
            causal: true,
            gelu: architecture.gelu,
        };
        let mut x = IMAGE;
        for index in 0..depth {
            let name = format!("transformer.resblocks.{index}");
            x = blocks.append(&mut program, weights, &name, x)?.output;
        }
        let x = program.layer(x, layer_norm(weights, "ln_final", width)?);
        program.tap("tokens", x, width, Layout::Vector);
        // The scale of the logits is no part of either embedding.
        weights.take("logit_scale", &[])?;
        Ok(Self {
            shape,
            tokens: weights
                .take("token_embedding.weight", &[vocabulary, width])?
                .to_dtype(dtype)?,
            positions: weights
                .take("positional_embedding", &[context, width])?
                .to_dtype(dtype)?,
            program,
            projection: weights
                .take("text_projection", &[width, architecture.embedding])?
                .to_dtype(dtype)?,
        })
    }

    /// The tokens of each text, `(n, context)`: start, text, end, zeros.
    ///
    /// # Errors
    /// When the vocabulary is not one that percept knows, or a text is too long.
    pub fn tokenise(&self, texts: &[String]) -> Result<Tensor> {
        let tokenizer = tokenizer(self.shape.vocabulary)?;
        let context = self.shape.context;
        let mut rows = Vec::with_capacity(texts.len() * context);
        for text in texts {
            let mut tokens = vec![tokenizer.start_of_text()];
            tokenizer.encode(text, &mut tokens);
            tokens.push(tokenizer.end_of_text());
            if tokens.len() > context {
                bail!(
                    Request,
                    "\"{}\" has {} tokens with its two markers, and this model reads {context}: shorten it",
                    shorten(text),
                    tokens.len()
                );
            }
            rows.extend(tokens.iter().map(|token| i64::from(Token::to_u16(*token))));
            rows.resize(rows.len() + context - tokens.len(), 0);
        }
        Ok(Tensor::from_vec(
            rows,
            (texts.len(), context),
            &Device::Cpu,
        )?)
    }

    /// The embeddings `(n, embedding)`, not normalised, of token rows `(n, context)`; a text
    /// ends at its largest token.
    pub fn embed(&self, ids: &Tensor) -> Result<Tensor> {
        let mut rows = Vec::new();
        for row in ids.to_vec2::<i64>()? {
            let end = (0..row.len())
                .rev()
                .max_by_key(|&index| row[index])
                .unwrap_or(0);
            let ids: Vec<u32> = row.iter().map(|&id| id as u32).collect();
            let x = self
                .tokens
                .index_select(&Tensor::new(ids, &Device::Cpu)?, 0)?;
            let x = (x + self.positions.narrow(0, 0, row.len())?)?.unsqueeze(0)?;
            let run = self.program.run(Field::from_tokens(&x)?, &[TapId(0)])?;
            let Some(x) = run.activation(TapId(0)) else {
                bail!(Internal, "the text tower kept no output");
            };
            let x = x.to_tokens()?;
            rows.push(x.get(0)?.narrow(0, end, 1)?.matmul(&self.projection)?);
        }
        Ok(Tensor::cat(&rows, 0)?)
    }
}

/// The tokenizer of a vocabulary of this size: OpenAI's, or the one made of its first merges.
fn tokenizer(vocabulary: usize) -> Result<Tokenizer> {
    if vocabulary == FULL_VOCABULARY {
        return Ok(Tokenizer::new());
    }
    let merges = FIRST_MERGES.lines().count() - 1;
    if !(BASE_TOKENS + 1..=BASE_TOKENS + merges).contains(&vocabulary) {
        bail!(
            Request,
            "this model's vocabulary has {vocabulary} entries; percept knows the tokenizer of {FULL_VOCABULARY} \
             and those of its first {merges} merges"
        );
    }
    Tokenizer::with_vocabulary(FIRST_MERGES.as_bytes(), vocabulary as u16).map_err(|source| {
        Error::new(Kind::Internal, "the embedded merges are damaged").caused_by(source)
    })
}
