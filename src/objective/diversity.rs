//! Lucid's `diversity`: how alike the pictures of a group are in style, as the cosines of the Gram matrices of their
//! activations at a tap (Olah et al. 2017; `objectives.diversity`). With a negative weight it spreads them.

#[cfg(feature = "cuda")]
pub mod cuda;

use std::fmt;

use candle_core::WithDType;

use crate::backend::cpu::{Matrix, Real, product};
use crate::encoder::tap::canonical;
use crate::error::{Result, bail};

/// How it is spelled.
pub(super) const USAGE: &str = "write diversity(TAP), such as - 0.5*diversity(layer3)";

/// The likeness of a group's pictures as it is spelled: `diversity(TAP)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Diversity {
    /// The tap's canonical name.
    pub tap: String,
}

impl Diversity {
    /// Reads what stands in the parentheses.
    pub(super) fn parse(arguments: &str) -> Result<Self> {
        if arguments.trim().is_empty() {
            bail!(Request, "diversity() names no tap; {USAGE}");
        }
        Ok(Self {
            tap: canonical(arguments),
        })
    }
}

impl fmt::Display for Diversity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "diversity({})", self.tap)
    }
}

/// One picture's activations and their Gram matrix.
struct Style<'a, T> {
    /// `(positions, channels)`.
    rows: Matrix<'a, T>,
    /// `rows^T rows`, `(channels, channels)`, divided by `length`.
    gram: Vec<T>,
    /// The Gram matrix' Frobenius norm; where it is 0, the picture is like no other.
    length: f64,
}

impl<'a, T: Real> Style<'a, T> {
    fn of(rows: &'a [T], channels: usize) -> Self {
        let rows = Matrix::new(rows, rows.len() / channels, channels);
        let mut gram = vec![T::zero(); channels * channels];
        product(&mut gram, channels, T::one(), rows.transposed(), rows);
        let length = dot(&gram, &gram).sqrt();
        if length > 0.0 {
            let share = T::of(length.recip());
            gram.iter_mut().for_each(|x| *x *= share);
        }
        Self { rows, gram, length }
    }
}

/// Of each picture, whose activations are `(positions, channels)`, the sum of the cosines with the others. Adds
/// `weight` times the gradient of the sum over all pictures to their cotangents, of the same shape.
///
/// With `G` the Gram matrices, `g = G / |G|` and `c` the cosines, the gradient of picture `i`'s activations `A` is
/// `4 / |G_i| A_i (sum_j g_j - c_ij g_i)`: every pair stands in the sum twice.
pub(super) fn read<T: Real>(
    pictures: &[&[T]],
    channels: usize,
    weight: f64,
    cotangents: &mut [&mut [T]],
) -> Vec<f64> {
    let styles: Vec<Style<T>> = pictures
        .iter()
        .map(|rows| Style::of(rows, channels))
        .collect();
    let mut likeness = Vec::with_capacity(styles.len());
    for (index, (own, cotangent)) in styles.iter().zip(cotangents).enumerate() {
        let mut others = vec![T::zero(); own.gram.len()];
        let mut sum = 0.0;
        for (_, other) in styles
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
        {
            sum += dot(&own.gram, &other.gram);
            add(&mut others, &other.gram);
        }
        likeness.push(sum);
        if own.length == 0.0 {
            continue;
        }
        let along = T::of(sum);
        for (other, own) in others.iter_mut().zip(&own.gram) {
            *other -= along * *own;
        }
        let mut slope = vec![T::zero(); cotangent.len()];
        let others = Matrix::new(&others, channels, channels);
        let scale = T::of(4.0 * weight / own.length);
        product(&mut slope, channels, scale, own.rows, others);
        add(cotangent, &slope);
    }
    likeness
}

fn add<T: Real>(to: &mut [T], x: &[T]) {
    for (to, &x) in to.iter_mut().zip(x) {
        *to += x;
    }
}

fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    let products = a.iter().zip(b);
    products
        .map(|(&a, &b)| WithDType::to_f64(a) * WithDType::to_f64(b))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::read;

    const CHANNELS: usize = 3;

    /// Two positions of three channels each, of three pictures.
    fn pictures() -> Vec<Vec<f64>> {
        let values =
            |picture: usize| (0..2 * CHANNELS).map(move |i| ((i + 7 * picture) as f64).sin());
        (0..3).map(|picture| values(picture).collect()).collect()
    }

    fn likeness(pictures: &[Vec<f64>], weight: f64) -> (Vec<f64>, Vec<Vec<f64>>) {
        let rows: Vec<&[f64]> = pictures.iter().map(|rows| &rows[..]).collect();
        let mut cotangents = vec![vec![0.0; 2 * CHANNELS]; pictures.len()];
        let mut slots: Vec<&mut [f64]> = cotangents.iter_mut().map(|own| &mut own[..]).collect();
        (read(&rows, CHANNELS, weight, &mut slots), cotangents)
    }

    #[test]
    fn the_gradient_of_the_whole_groups_likeness_matches_central_differences() {
        let pictures = pictures();
        let (_, gradient) = likeness(&pictures, -0.5);
        for picture in 0..pictures.len() {
            for index in 0..2 * CHANNELS {
                let at = |shift: f64| {
                    let mut moved = pictures.clone();
                    moved[picture][index] += shift;
                    -0.5 * likeness(&moved, 1.0).0.iter().sum::<f64>()
                };
                let difference = (at(1e-6) - at(-1e-6)) / 2e-6;
                let own = gradient[picture][index];
                assert!((own - difference).abs() <= 1e-7, "{own} and {difference}");
            }
        }
    }

    #[test]
    fn equal_pictures_are_alike_whatever_their_strength_and_empty_ones_are_like_none() {
        let [first, ..] = &pictures()[..] else {
            unreachable!()
        };
        let stronger: Vec<f64> = first.iter().map(|x| 3.0 * x).collect();
        let (likenesses, _) = likeness(&[first.clone(), stronger, vec![0.0; 6]], 1.0);
        assert!((likenesses[0] - 1.0).abs() < 1e-12 && (likenesses[1] - 1.0).abs() < 1e-12);
        let (alone, gradient) = likeness(std::slice::from_ref(first), 1.0);
        assert_eq!((alone, gradient), (vec![0.0], vec![vec![0.0; 6]]));
        assert_eq!(likenesses[2], 0.0);
    }

    /// Channels that are active at other places are other channels to a Gram matrix, places are not.
    #[test]
    fn where_in_the_picture_does_not_matter() {
        let here = vec![1.0, 2.0, 0.0, 0.0, 0.0, 0.5];
        let there = vec![0.0, 0.0, 0.5, 1.0, 2.0, 0.0];
        let (likenesses, _) = likeness(&[here, there], 1.0);
        assert!((likenesses[0] - 1.0).abs() < 1e-12);
    }
}
