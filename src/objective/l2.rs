//! The penalty of Goh et al. 2021: how far the RGB image is from grey.

/// The mean of `(x - 0.5)^2`, its gradient times `weight` added to `gradient`.
pub fn l2(image: &[f64], weight: f64, gradient: &mut [f64]) -> f64 {
    let count = image.len() as f64;
    for (slope, &x) in gradient.iter_mut().zip(image) {
        *slope += weight * 2.0 * (x - 0.5) / count;
    }
    image.iter().map(|&x| (x - 0.5) * (x - 0.5)).sum::<f64>() / count
}
