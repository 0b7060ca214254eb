//! `percept encode`.

mod export;
mod shards;

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::options::{ModelArgs, ThreadArgs};
use crate::encode::notes::{Notes, RawNotes};
use crate::encode::{self, Images, Pool, Request, Wanted};
use crate::error::{Error, Kind, Result, bail};
use crate::input::picture::Reading;
use crate::input::{self, listing};
use crate::output::file;
use crate::output::tensors::Format;
use export::Export;

/// Export activations, embeddings and image gradients for other tools
///
/// Writes one .npz or .safetensors file. Its keys: `input` (the normalised pixels),
/// `act.TAP` for each --tap, `image_embedding` and `text_embedding` (not normalised), and
/// `gradient`: of --gradient's objective on each image, with respect to that image's own input.
/// A row of each is a picture, in the order given. The file's notes tell which, with the weights and
/// what was done to the pictures: JSON, in a .safetensors file the metadata's `percept`, in an .npz
/// the member `percept.json`.
///
/// Pictures are PNG, JPEG, WebP, GIF (the first frame) or BMP files of at most 400 million pixels
/// (20,000 x 20,000). They are resized with Pillow's bicubic filter and cut to the model's input, as
/// CLIP does, or as the files beside the weights ask; transparency becomes white. As in CLIP's own code, the EXIF orientation and colour
/// profiles are ignored, unless --upright and --colour-managed apply them. All files are checked
/// before the first is encoded. Texts are cleaned as by the tokenizer of the program that reads the
/// model's format.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  percept encode cat.png dog.jpg --tap layer4 --out acts.npz
  percept encode photos/ --skip-bad --tap all --pool mean --out photos.npz
  percept encode cat.png --gradient layer4.0.sum:491 --out grad.safetensors
  percept encode --raw batch.npy --tap all --model RN50 --out acts.safetensors
  percept encode --text 'a photo of a cat' --text dog --out words.npz")]
pub struct Encode {
    /// Pictures; a folder stands for the pictures in it and below it, sorted by path
    #[arg(value_name = "PICTURE", value_hint = ValueHint::AnyPath)]
    pictures: Vec<PathBuf>,

    /// Turn pictures as their EXIF orientation says
    #[arg(long)]
    upright: bool,

    /// Convert pictures that have a colour profile to sRGB
    #[arg(long)]
    colour_managed: bool,

    /// Go on without pictures that cannot be read; they are named on standard error and in the notes
    #[arg(long)]
    skip_bad: bool,

    /// A tensor (n,3,h,w) of pixels that are already normalised, .npy or .safetensors
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["pictures", "upright", "colour_managed", "skip_bad"],
        value_hint = ValueHint::FilePath
    )]
    raw: Option<PathBuf>,

    /// A text to embed; may be given several times
    #[arg(long, value_name = "TEXT")]
    text: Vec<String>,

    /// A tap to export, or all; may be given several times
    #[arg(long, value_name = "TAP")]
    tap: Vec<String>,

    /// Write one number for each channel of a tap: the mean or max over its positions (of a
    /// transformer its patches, without the class token), or cls, the class token
    #[arg(long, value_name = "mean|max|cls", requires = "tap")]
    pool: Option<Pool>,

    /// A unit or objective whose gradient to export
    #[arg(long, value_name = "UNIT", allow_hyphen_values = true)]
    gradient: Option<String>,

    /// Leave out `input`
    #[arg(long)]
    no_input: bool,

    /// Write several files, of N pictures each: NAME-00000-of-00003.npz and so on
    #[arg(long, value_name = "N")]
    shard_size: Option<usize>,

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
        Format::of(&self.out)?;
        let images = self.images()?;
        let outs = match (&images, self.shard_size) {
            (Some((images, _)), size) => shards::of(&self.out, images.count(), size)?,
            (None, None) => shards::of(&self.out, 0, None)?,
            (None, Some(_)) => bail!(Request, "--shard-size needs pictures or --raw"),
        };
        let paths: Vec<&Path> = outs.iter().map(|out| &*out.path).collect();
        file::prepare_files(&paths)?;
        let model = self.model.load(self.quiet)?;
        let mut notes = Notes::of(&model);
        notes.texts = &self.text;
        let texts = match self.text.as_slice() {
            [] => None,
            texts => Some(encode::texts(&model, texts)?),
        };
        let images = match images {
            Some((images, raw)) => {
                let request = Request {
                    taps: &self.tap,
                    gradient: self.gradient.as_deref(),
                    pool: self.pool,
                    no_input: self.no_input,
                };
                notes.ask(&model, &images, request)?;
                notes.raw = raw;
                let wanted = Wanted::new(&model, request, &images)?;
                Some((images, wanted))
            }
            None => None,
        };
        let export = Export {
            model: &model,
            images,
            texts,
            skip_bad: self.skip_bad,
            quiet: self.quiet,
        };
        export.write(&notes, &outs)
    }

    /// The images that were given, checked as far as can be without decoding them.
    fn images(&self) -> Result<Option<(Images, Option<RawNotes>)>> {
        if let Some(path) = &self.raw {
            let raw = RawNotes::of(path);
            return Ok(Some((Images::Raw(input::batch(path)?), Some(raw))));
        }
        if self.pictures.is_empty() {
            if !self.tap.is_empty() || self.gradient.is_some() {
                bail!(Request, "--tap and --gradient need pictures or --raw");
            }
            if self.text.is_empty() {
                bail!(
                    Request,
                    "nothing to encode: give pictures, --raw FILE or --text TEXT"
                );
            }
            return Ok(None);
        }
        let files = listing::pictures(&self.pictures)?;
        let bad = encode::unreadable(&files);
        if !bad.is_empty() && (!self.skip_bad || bad.len() == files.len()) {
            return Err(refusal(bad, files.len()));
        }
        let reading = Reading {
            upright: self.upright,
            colour_managed: self.colour_managed,
        };
        Ok(Some((Images::Pictures(files, reading), None)))
    }
}

/// One error for all bad pictures of so many: names each, and what is wrong with it.
fn refusal(mut bad: Vec<Error>, all: usize) -> Error {
    if bad.len() == 1 {
        let error = bad.remove(0);
        return if all > 1 { otherwise(error) } else { error };
    }
    let reports: Vec<String> = bad.iter().map(Error::report).collect();
    let message = format!(
        "{} of {all} pictures cannot be read: {}",
        bad.len(),
        reports.join("; ")
    );
    otherwise(Error::new(Kind::Input, message))
}

/// The error, with what to type instead.
fn otherwise(error: Error) -> Error {
    let message = format!("{}; --skip-bad goes on without", error.report());
    Error::new(error.kind(), message)
}
