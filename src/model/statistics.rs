//! How a tap's units usually respond: over a set of images, the mean and standard deviation of each channel's mean
//! over positions, or of its value at one of them.

use candle_core::Device;
use candle_core::safetensors::SliceSafetensors;

/// The statistics of the embedded model, measured on the art that its card names.
const MINI: &[u8] = include_bytes!("mini/statistics.safetensors");

/// What the embedded statistics were measured on.
const MINI_SOURCE: &str = "emoji art in styles that the mini model was trained on";

/// The smallest deviation that means something: what is below comes of rounding.
const SMALLEST_DEVIATION: f64 = 1e-6;

/// The usual responses of one tap's units.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    mean: Vec<f64>,
    deviation: Vec<f64>,
    /// What they were measured on.
    pub source: String,
}

impl Statistics {
    /// From what each image makes of each channel.
    pub fn of(images: &[Vec<f64>], source: impl Into<String>) -> Self {
        let channels = images.first().map_or(0, Vec::len);
        let count = images.len() as f64;
        let mean: Vec<f64> = (0..channels)
            .map(|channel| images.iter().map(|image| image[channel]).sum::<f64>() / count)
            .collect();
        let deviation = (0..channels)
            .map(|channel| {
                let squares = images
                    .iter()
                    .map(|image| (image[channel] - mean[channel]).powi(2));
                (squares.sum::<f64>() / count).sqrt()
            })
            .collect();
        Self {
            mean,
            deviation,
            source: source.into(),
        }
    }

    /// Those of the embedded model, where they were measured for this tap.
    pub fn of_mini(tap: &str) -> Option<Self> {
        let file = SliceSafetensors::new(MINI).ok()?;
        let load = |what: &str| -> Option<Vec<f64>> {
            let tensor = file.load(&format!("{tap}.{what}"), &Device::Cpu).ok()?;
            tensor
                .to_dtype(candle_core::DType::F64)
                .ok()?
                .to_vec1()
                .ok()
        };
        Some(Self {
            mean: load("mean")?,
            deviation: load("sd")?,
            source: MINI_SOURCE.to_owned(),
        })
    }

    /// A channel's mean and standard deviation.
    pub fn of_channel(&self, channel: usize) -> (f64, f64) {
        (self.mean[channel], self.deviation[channel])
    }

    /// How many standard deviations a channel's value lies above its mean; `None` for a channel that never
    /// varies, or whose deviation is not finite.
    pub fn z(&self, channel: usize, value: f64) -> Option<f64> {
        let deviation = self.deviation[channel];
        let varies = deviation.is_finite() && deviation >= SMALLEST_DEVIATION;
        varies.then(|| (value - self.mean[channel]) / deviation)
    }
}
