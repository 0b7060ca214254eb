//! A finished picture seen once more, without a gradient: as it is, and under fixed transforms.

use super::draws;
use crate::ascent::View;
use crate::ops::warp::Sampling;
use crate::seed::{Key, Purpose};
use crate::transform::preset::lucid;
use crate::transform::{Transform, sample};

/// What an objective reads of a finished picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The objective without transforms.
    pub clean: f64,
    /// The objective under each of the first of the fixed transforms.
    pub robust: Vec<f64>,
    /// The mean of every channel of the objective's tap without transforms, where it reads one tap.
    pub means: Option<Vec<f64>>,
}

impl Seen {
    /// From the objective at every one of [`looks`], in their order.
    pub fn new(values: Vec<f64>, means: Option<Vec<f64>>) -> Self {
        let mut values = values.into_iter();
        Self {
            clean: values.next().unwrap_or(f64::NAN),
            robust: values.collect(),
            means,
        }
    }

    /// Whether all of it is.
    pub fn is_finite(&self) -> bool {
        let means = self.means.iter().flatten();
        let mut all = self.robust.iter().chain(means).chain([&self.clean]);
        all.all(|value| value.is_finite())
    }
}

/// A picture of `canvas x canvas` pixels without transforms.
pub fn as_it_is(view: &View, canvas: usize) -> Sampling {
    look(view, canvas, &[], 0)
}

/// How a picture that took so many steps is looked at: first as it is.
pub fn looks(view: &View, canvas: usize, steps: usize) -> Vec<Sampling> {
    let transforms = lucid();
    let robust = (0..draws(steps)).map(|draw| look(view, canvas, &transforms, draw));
    std::iter::once(as_it_is(view, canvas))
        .chain(robust)
        .collect()
}

fn look(view: &View, canvas: usize, transforms: &[Transform], draw: u64) -> Sampling {
    let mut stream = Key::new(0, "robustness", 0).stream(Purpose::Robustness, draw);
    sample(transforms, canvas, view.side(), &mut stream)
}
