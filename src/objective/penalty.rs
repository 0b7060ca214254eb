//! Quantities of the RGB image itself: values and gradients, one image at a time.

/// The mean of `(x - 0.5)^2`, its gradient times `weight` added to `gradient`.
pub fn l2(image: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
    let count = image.len() as f64;
    for (slope, &x) in gradient.iter_mut().zip(image) {
        *slope += weight * 2.0 * (x - 0.5) / count;
    }
    image.iter().map(|&x| (x - 0.5) * (x - 0.5)).sum::<f64>() / count
}

/// The mean absolute difference between horizontal and vertical neighbours of planes of
/// `height x width`, its gradient times `weight` added to `gradient`; 0 where a plane has one
/// pixel only.
pub fn total_variation(
    image: &[f64],
    (height, width): (usize, usize),
    weight: f64,
    gradient: &mut [f64],
) -> f64 {
    let pixels = height * width;
    let planes = image.len() / pixels.max(1);
    let pairs = planes * (height * (width - 1) + (height - 1) * width);
    if pairs == 0 {
        return 0.0;
    }
    let share = weight / pairs as f64;
    let mut sum = 0.0;
    let mut pair = |a: usize, b: usize| {
        let difference = image[a] - image[b];
        sum += difference.abs();
        if difference != 0.0 {
            gradient[a] += share * difference.signum();
            gradient[b] -= share * difference.signum();
        }
    };
    for index in 0..image.len() {
        if index % width + 1 < width {
            pair(index, index + 1);
        }
        if index % pixels + width < pixels {
            pair(index, index + width);
        }
    }
    sum / pairs as f64
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
