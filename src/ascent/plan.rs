//! What a step does, drawn before it is done: one function of settings, keys and the step's number.

use super::Settings;
use super::viewport::Viewport;
use crate::encoder::layer::Rules;
use crate::ops::warp::Warp;
use crate::seed::{Key, Purpose};
use crate::transform::sample;

/// A step of a batch.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How the encoder looks at each image's canvas.
    pub warp: Warp,
    /// What changes the pullback.
    pub rules: Rules,
}

impl Plan {
    /// Of the step `step`, counted from 0, of the images with these keys.
    pub fn draw<'k>(
        settings: &Settings,
        viewport: &Viewport,
        step: usize,
        keys: impl Iterator<Item = &'k Key>,
    ) -> Self {
        let sampling = |key: &Key| {
            let mut stream = key.stream(Purpose::Transform, step as u64);
            sample(
                &settings.transforms,
                settings.size,
                viewport.size(),
                &mut stream,
            )
        };
        Self {
            warp: viewport.warps(keys.map(sampling).collect()),
            rules: Rules {
                redirect_relu: step < settings.redirect_steps,
            },
        }
    }
}
