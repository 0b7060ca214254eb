//! Finished pictures seen once more, without a gradient, for their quality numbers.

use candle_core::Tensor;

use super::engine::{Objectives, StepEngine};
use super::quality::go_on;
use super::viewport::Viewport;
use super::{Watch, missing};
use crate::encoder::program::Program;
use crate::error::Result;
use crate::objective::Activity;
use crate::ops::warp::Sampling;
use crate::size::Size;

/// Looks at pictures `(1, 3, h, w)` of equal size under each of the samplings: the objectives' values, one list
/// a picture, without the terms on the canvas; and what the first look does to their units.
///
/// # Errors
/// When the device fails, or `watch` stops it.
pub fn look<E: StepEngine>(
    (device, program): (&E::Device, &Program<E>),
    objectives: &Objectives,
    pictures: &[Tensor],
    viewport: &Viewport,
    samplings: &[Sampling],
    watch: &dyn Watch,
) -> Result<Vec<(Vec<f64>, Activity)>> {
    let planes = E::numbers(device, pictures)?;
    let terms = objectives.terms::<E>(device)?;
    let mut activities = vec![Activity::default(); pictures.len()];
    let mut values = vec![Vec::with_capacity(samplings.len()); pictures.len()];
    let size = match pictures.first() {
        Some(picture) => Size::of(picture)?,
        None => return Ok(Vec::new()),
    };
    for (index, sampling) in samplings.iter().enumerate() {
        go_on(watch)?;
        let mut sums = vec![0.0; pictures.len()];
        if !terms.is_empty() {
            let warp = viewport.warps(vec![*sampling; pictures.len()]);
            let input = E::view(&E::warp(device, &warp)?, &planes, size)?;
            let run = program.run(input, &objectives.taps)?;
            for (&tap, terms) in objectives.taps.iter().zip(&terms) {
                let activation = run.activation(tap).ok_or_else(missing)?;
                for (sum, value) in sums.iter_mut().zip(E::values(terms, activation)?) {
                    *sum += value;
                }
            }
            if index == 0 {
                activities = E::activities(objectives, &run)?;
            }
        }
        for (values, sum) in values.iter_mut().zip(sums) {
            values.push(sum);
        }
    }
    Ok(values.into_iter().zip(activities).collect())
}
