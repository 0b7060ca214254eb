//! Total variation of the RGB image.

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
