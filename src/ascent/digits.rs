//! How numbers are printed.

/// A number in three significant digits, its whole part never cut: `0.00123`, `2.82`, `-31.4`, `5120`; with an
/// exponent from a million on and below a thousandth: `3.20e8`, `-4.56e-7`.
pub fn three(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{value:.2e}");
    let exponent = scientific
        .split_once('e')
        .map(|(_, exponent)| exponent.parse());
    match exponent {
        Some(Ok(exponent @ -3..=5)) => {
            let exponent: i32 = exponent;
            format!("{value:.*}", (2 - exponent).max(0) as usize)
        }
        _ => scientific,
    }
}

#[cfg(test)]
mod tests {
    use super::three;

    #[test]
    fn numbers_have_three_digits_that_tell_something() {
        for (value, text) in [
            (2.8249, "2.82"),
            (-0.2449, "-0.245"),
            (31.4159, "31.4"),
            (9.999, "10.0"),
            (5119.6, "5120"),
            (999_499.0, "999499"),
            (999_999.0, "1.00e6"),
            (3.2e30, "3.20e30"),
            (0.001_234_5, "0.00123"),
            (0.000_999_9, "0.00100"),
            (0.000_987, "9.87e-4"),
            (-1e-12, "-1.00e-12"),
            (f64::MAX, "1.80e308"),
            (0.0, "0"),
            (-0.0, "0"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(three(value), text, "{value}");
        }
    }
}
