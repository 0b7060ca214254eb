//! Lucid's `direction`: how far an activation points along a vector.

/// Lucid's guards in `_dot_cossim`: the floor of the cosine, and the constant beside the norms.
const COSINE_FLOOR: f64 = 0.1;
const NORM_EPSILON: f64 = 1e-4;

/// `dot(a, v) * max(0.1, cos(a, v))^power` and its gradient in `a`, with the cosine
/// `dot / ((|a| + eps)(|v| + eps))`.
pub fn direction(a: &[f64], v: &[f64], power: u32) -> (f64, Vec<f64>) {
    let dot: f64 = a.iter().zip(v).map(|(a, v)| a * v).sum();
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (length, target) = (norm(a), norm(v) + NORM_EPSILON);
    let cosine = dot / ((length + NORM_EPSILON) * target);
    let floored = cosine.max(COSINE_FLOOR);
    let factor = floored.powi(power as i32);
    let of_factor = if power > 0 && cosine > COSINE_FLOOR {
        dot * f64::from(power) * floored.powi(power as i32 - 1)
    } else {
        0.0
    };
    let along = if length > 0.0 {
        cosine / ((length + NORM_EPSILON) * length)
    } else {
        0.0
    };
    let gradient = a
        .iter()
        .zip(v)
        .map(|(a, v)| v * factor + of_factor * (v / ((length + NORM_EPSILON) * target) - along * a))
        .collect();
    (dot * factor, gradient)
}

#[cfg(test)]
mod tests {
    use super::direction;

    #[test]
    fn the_gradient_of_a_direction_matches_central_differences() {
        let v = [0.3, -1.2, 0.7, 0.1];
        for power in 0..4 {
            for a in [
                [0.5, -0.9, 1.1, 0.2],
                [1.0, 0.2, -0.3, 0.4],
                [0.5, -0.2, 0.0, 3.0],
            ] {
                let (_, gradient) = direction(&a, &v, power);
                for index in 0..a.len() {
                    let at = |shift: f64| {
                        let mut moved = a;
                        moved[index] += shift;
                        direction(&moved, &v, power).0
                    };
                    let difference = (at(1e-6) - at(-1e-6)) / 2e-6;
                    let fits = (gradient[index] - difference).abs() <= 1e-7;
                    assert!(fits, "power {power}: {} and {difference}", gradient[index]);
                }
            }
        }
    }

    #[test]
    fn power_zero_is_the_dot_product() {
        assert_eq!(
            direction(&[1.0, 2.0], &[3.0, -1.0], 0),
            (1.0, vec![3.0, -1.0])
        );
    }
}
