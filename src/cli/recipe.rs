//! The options that decide a picture.

use clap::Args;

use super::options::DeviceArgs;
use crate::device::{Device, Dtype};
use crate::param::Basis;
use crate::recipe::Request;
use crate::size::Size;

#[derive(Debug, Args)]
pub struct RecipeArgs {
    /// Steps of the ascent; the preset's by default (512, or 4096 for goh2021)
    #[arg(long, value_name = "N")]
    steps: Option<usize>,

    /// Size of the canvas in pixels, one number for a square or WIDTHxHEIGHT; the model's input size by default. It is
    /// no way to a larger PNG: --scale is
    ///
    /// A ResNet's taps before the embedding see the canvas as it is: on a larger one the unit has more positions, and
    /// what it answers to is drawn at the size that it has in the model's input, over and over: with 224 pixels the
    /// embedded model's pictures become wallpaper. Memory grows with the area. A ViT, and any embedding, sees the
    /// canvas at the model's input size, sampled without smoothing; one that is no square is seen whole, with what the
    /// transforms pad with around it.
    #[arg(long, value_name = "PIXELS")]
    size: Option<Size>,

    /// Root of all randomness; 0 by default
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Transforms and step length: lucid, goh2021 or none; goh2021 also adds `- 10*l2` to the objective;
    /// lucid by default
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,

    /// Adam's step length; the preset's by default (0.05, or 0.02 for goh2021)
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,

    /// Fourier parameterisation's exponent: larger favours large areas and strong colours;
    /// 1 by default
    ///
    /// On the embedded model's pickup truck, 0.5 gave pale lines on grey, 1 a coloured drawing, 1.5 glaring colours,
    /// and 2 flat areas of pure colours and black. The activation is largest with 1, and 12 % less with 2.
    #[arg(long, value_name = "EXPONENT", conflicts_with = "pixel")]
    decay: Option<f64>,

    /// Climb in pixels instead of frequencies, for comparison
    #[arg(long)]
    pixel: bool,

    /// For how many steps to redirect ReLUs that block the whole gradient; by default 16 for taps
    /// after a ReLU, otherwise 0
    #[arg(long, value_name = "STEPS")]
    redirect: Option<usize>,

    /// Pictures of each unit, from different random starts; 1 by default
    #[arg(long, value_name = "N")]
    variants: Option<u32>,

    /// How many times to enlarge the PNG; to 256 pixels or more by default, 1 keeps the canvas
    #[arg(long, value_name = "FACTOR")]
    scale: Option<u32>,

    #[command(flatten)]
    pub device: DeviceArgs,
}

impl RecipeArgs {
    /// What was asked for, of no units yet.
    pub fn request(&self) -> Request {
        let fourier = self.decay.map(|decay| Basis::Fourier { decay });
        let (device, dtype) = self.device.resolve(Device::default(), Dtype::default());
        Request {
            variants: self.variants,
            preset: self.preset.clone(),
            steps: self.steps,
            learning_rate: self.lr,
            size: self.size,
            seed: self.seed,
            basis: if self.pixel {
                Some(Basis::Pixel)
            } else {
                fourier
            },
            redirect_steps: self.redirect,
            scale: self.scale,
            device,
            dtype,
            ..Request::default()
        }
    }
}
