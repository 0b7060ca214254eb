//! The numbers of a unit: the columns that a table holds and that a site sorts by.

use super::record::{Moments, Near, Picture, Record};
use crate::ascent::quality::Selectivity;

/// One number that a unit may have.
pub struct Number {
    /// Its column's name.
    pub key: &'static str,
    /// Its name for readers.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Whether it counts.
    pub whole: bool,
    /// Its value.
    pub get: fn(&Record) -> Option<f64>,
}

impl Number {
    const fn of(
        key: &'static str,
        name: &'static str,
        about: &'static str,
        get: fn(&Record) -> Option<f64>,
    ) -> Self {
        Self {
            key,
            name,
            about,
            whole: false,
            get,
        }
    }

    const fn whole(mut self) -> Self {
        self.whole = true;
        self
    }
}

/// All of them; those of pictures are those of the first positive and the first negative one.
pub const NUMBERS: [Number; 20] = [
    Number::of(
        "activation",
        "Activation",
        "the unit's activation on the picture, without transforms",
        |r| r.positive()?.quality.activation,
    ),
    Number::of(
        "clean",
        "Objective",
        "what was climbed, on the picture without transforms: the activation and, where there are any, penalties",
        |r| Some(r.positive()?.quality.clean),
    ),
    Number::of(
        "robust_mean",
        "Robust objective",
        "the mean of the objective under fixed transforms of the picture",
        |r| Some(r.positive()?.quality.robust_mean),
    ),
    Number::of(
        "robust_sd",
        "Robust deviation",
        "the standard deviation under those transforms",
        |r| Some(r.positive()?.quality.robust_sd),
    ),
    Number::of(
        "robust_ratio",
        "Robustness",
        "the robust objective as a share of the objective, both without penalties: far below 1, the picture works only just so",
        |r| r.positive()?.quality.robust_ratio,
    ),
    Number::of(
        "z",
        "Selectivity",
        "standard deviations by which the picture lifts the unit above its usual response",
        |r| Some(selectivity(r.positive()?)?.z),
    ),
    Number::of(
        "rank",
        "Rank",
        "the unit's place by selectivity on the picture among the units of its tap whose response varies; 1 is best",
        |r| Some(selectivity(r.positive()?)?.rank as f64),
    )
    .whole(),
    Number::of(
        "spectrum_slope",
        "Spectrum slope",
        "of the picture's amplitude spectrum: photographs have about -1.4, noisy pictures are flatter",
        |r| r.positive()?.quality.spectrum_slope,
    ),
    Number::of(
        "negative_activation",
        "Negative's activation",
        "the unit's activation on the negative picture, without transforms",
        |r| r.negative()?.quality.activation,
    ),
    Number::of(
        "negative_clean",
        "Negative's objective",
        "the negative objective on the negative picture",
        |r| Some(r.negative()?.quality.clean),
    ),
    Number::of(
        "negative_robust_mean",
        "Negative's robust objective",
        "its mean under fixed transforms",
        |r| Some(r.negative()?.quality.robust_mean),
    ),
    Number::of(
        "negative_robust_sd",
        "Negative's robust deviation",
        "its standard deviation under those transforms",
        |r| Some(r.negative()?.quality.robust_sd),
    ),
    Number::of(
        "negative_robust_ratio",
        "Negative's robustness",
        "its robust objective as a share of its objective, both without penalties",
        |r| r.negative()?.quality.robust_ratio,
    ),
    Number::of(
        "negative_z",
        "Negative's selectivity",
        "standard deviations by which the negative picture lowers the unit below its usual response",
        |r| Some(selectivity(r.negative()?)?.z),
    ),
    Number::of(
        "negative_rank",
        "Negative's rank",
        "the unit's place among those units on the negative picture",
        |r| Some(selectivity(r.negative()?)?.rank as f64),
    )
    .whole(),
    Number::of(
        "mean",
        "Usual response",
        "the unit's mean response to the reference images",
        |r| Some(moments(r)?.mean),
    ),
    Number::of(
        "sd",
        "Usual deviation",
        "the standard deviation of its response to the reference images",
        |r| Some(moments(r)?.sd),
    ),
    Number::of(
        "label_score",
        "Label score",
        "the score of its first label",
        |r| Some(f64::from(r.labels.first()?.1)),
    ),
    Number::of(
        "weights_similarity",
        "Nearest by weights",
        "the cosine of its incoming weights with those of the nearest other unit",
        |r| nearest(&r.near_weights),
    ),
    Number::of(
        "responses_similarity",
        "Nearest by response",
        "the correlation of its responses with those of the nearest other unit",
        |r| nearest(&r.near_responses),
    ),
];

fn selectivity(picture: &Picture) -> Option<&Selectivity> {
    picture.quality.selectivity.as_ref()
}

fn moments(record: &Record) -> Option<&Moments> {
    record.statistics.as_ref()
}

fn nearest(near: &[Near]) -> Option<f64> {
    Some(f64::from(near.first()?.similarity))
}
