//! Activations, embeddings and image gradients of given images and texts.

pub mod notes;
mod pool;
mod wanted;

use std::ops::Range;
use std::path::PathBuf;

use candle_core::Tensor;

use crate::backend::threads::map_images;
use crate::encoder::overflow::is_finite;
use crate::error::{Context, Error, Result, bail, shorten};
use crate::input::picture::{self, Reading};
use crate::model::Model;
use crate::model::preprocess::normalised;
pub use pool::Pool;
pub use wanted::{Request, Wanted};

/// Images that are to be encoded.
pub enum Images {
    /// Picture files, and how they are read.
    Pictures(Vec<PathBuf>, Reading),
    /// A tensor `(n, 3, h, w)` of normalised pixels.
    Raw(Tensor),
}

impl Images {
    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Self::Pictures(files, _) => files.len(),
            Self::Raw(tensor) => tensor.dims().first().copied().unwrap_or_default(),
        }
    }

    /// The file that one of them is in.
    pub fn file(&self, index: usize) -> Option<&PathBuf> {
        match self {
            Self::Pictures(files, _) => files.get(index),
            Self::Raw(_) => None,
        }
    }

    /// What an error calls one of them.
    fn name(&self, index: usize) -> String {
        match self.file(index) {
            Some(file) => format!("cannot encode {}", file.display()),
            None => format!("cannot encode image {index} of --raw"),
        }
    }

    /// Height and width of the encoder's input.
    fn size(&self, model: &Model) -> Result<(usize, usize)> {
        match self {
            Self::Pictures(..) => Ok((model.encoder.resolution(), model.encoder.resolution())),
            Self::Raw(tensor) => Ok((tensor.dim(2)?, tensor.dim(3)?)),
        }
    }

    /// One of them as normalised pixels, `(1, 3, h, w)`.
    fn read(&self, model: &Model, index: usize) -> Result<Tensor> {
        match self {
            Self::Pictures(files, reading) => {
                let picture = picture::read(&files[index], *reading)?;
                let fit = model.conventions.preprocessing.value.fit()?;
                let square = fit.square(&picture, model.encoder.resolution() as u32);
                let unfit = || format!("{} cannot be encoded", files[index].display());
                let square = square.context(unfit)?;
                normalised(&square, model.conventions.normalisation.value)
            }
            Self::Raw(tensor) => Ok(tensor.narrow(0, index, 1)?),
        }
    }
}

/// The files that cannot be read, as far as can be told without decoding them: each once, by an
/// error that names it.
pub fn unreadable(files: &[PathBuf]) -> Vec<Error> {
    let mut files: Vec<&PathBuf> = files.iter().collect();
    files.sort_unstable();
    files.dedup();
    let checked = map_images(files, |_, file| picture::check(file).err());
    checked.into_iter().flatten().collect()
}

/// Encodes some of the images, as many at a time as there are threads, and hands them on in their
/// order: what the layout of `wanted` says, `(1, ...)` each, where a gradient is of the image's own
/// objective with respect to its own input; or why its picture cannot be read.
///
/// # Errors
/// When a number is not finite (says of which image, and where), or `each` fails.
pub fn images(
    model: &Model,
    images: &Images,
    wanted: &Wanted,
    some: Range<usize>,
    mut each: impl FnMut(usize, Result<Vec<Tensor>>) -> Result<()>,
) -> Result<()> {
    let threads = rayon::current_num_threads();
    for start in some.clone().step_by(threads) {
        let round: Vec<usize> = (start..some.end.min(start + threads)).collect();
        let encoded = map_images(round, |_, index| -> Result<_> {
            Ok(match images.read(model, index) {
                Ok(input) => {
                    let parts = wanted.of(model, &input);
                    (index, Ok(parts.context(|| images.name(index))?))
                }
                Err(unreadable) => (index, Err(unreadable)),
            })
        });
        for image in encoded {
            let (index, parts) = image?;
            each(index, parts)?;
        }
    }
    Ok(())
}

/// The embeddings of texts, `(n, embedding)`, not normalised.
///
/// # Errors
/// When the model embeds no texts, which says why, a text is too long for it, or a number is not finite.
pub fn texts(model: &Model, texts: &[String]) -> Result<Tensor> {
    let tower = model.texts()?;
    let embeddings = tower.embed(&tower.tokenise(texts)?)?;
    for (index, text) in texts.iter().enumerate() {
        if !is_finite(&embeddings.get(index)?)? {
            bail!(
                Numeric,
                "the embedding of \"{}\" is not finite: a weight of the text encoder of {} is too large",
                shorten(text),
                model.origin
            );
        }
    }
    Ok(embeddings)
}
