//! `percept encode`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::options::{ModelArgs, ThreadArgs, say};
use crate::encode::{self, Wanted};
use crate::error::{Error, Kind, Result, bail};
use crate::input;
use crate::model::Model;
use crate::model::preprocess::{centre, normalised};
use crate::output::{file, tensors};

/// Export activations, embeddings and image gradients for other tools
///
/// Writes one .npz or .safetensors file. Its keys: `input` (the normalised pixels),
/// `act.TAP` for each --tap, `image_embedding` and `text_embedding` (not normalised), and
/// `gradient`: of --gradient's objective on each image, with respect to that image's own input.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  percept encode cat.png dog.jpg --tap layer4 --out acts.npz
  percept encode cat.png --gradient layer4.0.sum:491 --out grad.safetensors
  percept encode --raw batch.npy --tap all --model RN50 --out acts.safetensors
  percept encode --text 'a photo of a cat' --text dog --out words.npz")]
pub struct Encode {
    /// Pictures: resized and cut to the model's input as CLIP does; transparency becomes white
    #[arg(value_name = "PICTURE", value_hint = ValueHint::FilePath)]
    pictures: Vec<PathBuf>,

    /// A tensor (n,3,h,w) of pixels that are already normalised, .npy or .safetensors
    #[arg(long, value_name = "FILE", conflicts_with = "pictures", value_hint = ValueHint::FilePath)]
    raw: Option<PathBuf>,

    /// A text to embed; may be given several times
    #[arg(long, value_name = "TEXT")]
    text: Vec<String>,

    /// A tap to export, or all; may be given several times
    #[arg(long, value_name = "TAP")]
    tap: Vec<String>,

    /// A unit or objective whose gradient to export
    #[arg(long, value_name = "UNIT", allow_hyphen_values = true)]
    gradient: Option<String>,

    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    threads: ThreadArgs,

    /// The file to write, .npz or .safetensors
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: PathBuf,

    /// No remarks
    #[arg(long, short)]
    quiet: bool,
}

impl Encode {
    pub fn run(self) -> Result<()> {
        self.threads.apply()?;
        let format = tensors::Format::of(&self.out)?;
        file::prepare_file(&self.out)?;
        let model = self.model.load(self.quiet)?;
        let mut named = Vec::new();
        if let Some(input) = self.input(&model)? {
            let wanted = Wanted::new(&model, &self.tap, self.gradient.as_deref(), &input)?;
            named.extend(encode::images(&model, &input, &wanted)?);
        } else if !self.tap.is_empty() || self.gradient.is_some() {
            bail!(Request, "--tap and --gradient need pictures or --raw");
        }
        if !self.text.is_empty() {
            named.push((
                "text_embedding".to_owned(),
                encode::texts(&model, &self.text)?,
            ));
        }
        if named.is_empty() {
            bail!(
                Request,
                "nothing to encode: give pictures, --raw FILE or --text TEXT"
            );
        }
        tensors::write(&self.out, format, &named)?;
        if !self.quiet {
            for (name, tensor) in &named {
                say(&format!("{name} {:?}", tensor.dims()))?;
            }
        }
        Ok(())
    }

    fn input(&self, model: &Model) -> Result<Option<candle_core::Tensor>> {
        if let Some(path) = &self.raw {
            return Ok(Some(input::batch(path)?));
        }
        if self.pictures.is_empty() {
            return Ok(None);
        }
        let side = model.encoder.resolution() as u32;
        let mut batch = Vec::with_capacity(self.pictures.len());
        for path in &self.pictures {
            let picture = read_picture(path)?;
            batch.push(normalised(&centre(&picture, side), model.normalisation)?);
        }
        Ok(Some(candle_core::Tensor::cat(&batch, 0)?))
    }
}

fn read_picture(path: &std::path::Path) -> Result<image::DynamicImage> {
    let reader = image::ImageReader::open(path)
        .and_then(image::ImageReader::with_guessed_format)
        .map_err(|source| Error::io("cannot read", path, source))?;
    reader.decode().map_err(|source| {
        let message = format!(
            "cannot read {} as a picture (PNG, JPEG, WebP, GIF or BMP)",
            path.display()
        );
        Error::new(Kind::Input, message).caused_by(source)
    })
}
