//! Terms that act on the RGB image itself: values and gradients, one image at a time.

use super::l2::l2;
use super::tv::total_variation;

/// A term that acts on the RGB image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCanvas {
    /// The mean of `(x - 0.5)^2`.
    L2,
    /// Total variation.
    Tv,
}

impl OnCanvas {
    /// All of them, in the order in which a GPU has their weights.
    #[cfg(feature = "cuda")]
    pub const ALL: [Self; 2] = [Self::L2, Self::Tv];

    /// The value of planes `(channels, height, width)`; adds `weight` times the gradient to `gradient`.
    pub(super) fn read(
        self,
        image: &[f64],
        size: (usize, usize),
        weight: f64,
        gradient: &mut [f64],
    ) -> f64 {
        match self {
            Self::L2 => l2(image, weight, gradient),
            Self::Tv => total_variation(image, size, weight, gradient),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Vec<f64> {
        (0..3 * 5 * 7)
            .map(|i| 0.5 + 0.4 * (f64::from(i) * 1.7).sin())
            .collect()
    }

    fn gradient_matches_differences(quantity: impl Fn(&[f64], f64, &mut [f64]) -> f64) {
        let image = picture();
        let mut gradient = vec![0.0; image.len()];
        quantity(&image, 2.0, &mut gradient);
        let mut unused = vec![0.0; image.len()];
        for index in 0..image.len() {
            let mut at = |shift: f64| {
                let mut moved = image.clone();
                moved[index] += shift;
                quantity(&moved, 1.0, &mut unused)
            };
            let difference = 2.0 * (at(1e-6) - at(-1e-6)) / 2e-6;
            let fits = (gradient[index] - difference).abs() <= 1e-8;
            assert!(fits, "{index}: {} and {difference}", gradient[index]);
        }
    }

    #[test]
    fn gradients_match_central_differences() {
        gradient_matches_differences(l2);
        gradient_matches_differences(|image, weight, gradient| {
            total_variation(image, (5, 7), weight, gradient)
        });
    }

    #[test]
    fn a_checkerboard_has_the_largest_variation_and_a_flat_image_none() {
        let board: Vec<f64> = (0..16).map(|i| f64::from((i / 4 + i) % 2)).collect();
        assert_eq!(total_variation(&board, (4, 4), 1.0, &mut [0.0; 16]), 1.0);
        assert_eq!(
            total_variation(&[0.3; 16], (4, 4), 1.0, &mut [0.0; 16]),
            0.0
        );
        assert_eq!(total_variation(&[0.3], (1, 1), 1.0, &mut [0.0]), 0.0);
        assert_eq!(l2(&[0.0, 1.0], 1.0, &mut [0.0; 2]), 0.25);
    }
}
