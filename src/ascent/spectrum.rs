//! The slope of a picture's amplitude spectrum.

use candle_core::{DType, Tensor};
use realfft::num_complex::Complex;
use rustfft::FftPlanner;

use crate::error::Result;

/// The least-squares slope of log amplitude over log frequency, each ring one cycle per image
/// wide and weighted equally, on the mean of the three channels.
pub fn spectrum_slope(image: &Tensor) -> Result<Option<f64>> {
    let side = image.dim(2)?;
    if side < 16 {
        return Ok(None);
    }
    let grey: Vec<f64> = image
        .mean(1)?
        .flatten_all()?
        .to_dtype(DType::F64)?
        .to_vec1()?;
    let mut plane: Vec<Complex<f64>> = grey.iter().map(|&x| Complex::new(x, 0.0)).collect();
    let fft = FftPlanner::new().plan_fft_forward(side);
    for _ in 0..2 {
        fft.process(&mut plane);
        plane = (0..side * side)
            .map(|i| plane[i % side * side + i / side])
            .collect();
    }
    // Each ring's mean logarithms lie on the line of a power law, however wide the ring.
    let mut rings = vec![(0.0, 0.0, 0.0); side / 4 + 1];
    for (index, bin) in plane.iter().enumerate() {
        let folded = |k: usize| k.min(side - k) as f64;
        let frequency = folded(index / side).hypot(folded(index % side));
        if let Some(ring) = rings.get_mut(frequency.round() as usize)
            && frequency > 0.0
            && bin.norm() > 0.0
        {
            *ring = (
                ring.0 + frequency.ln(),
                ring.1 + bin.norm().ln(),
                ring.2 + 1.0,
            );
        }
    }
    let points: Vec<(f64, f64)> = rings
        .iter()
        .skip(2)
        .filter(|ring| ring.2 > 0.0)
        .map(|(x, y, count)| (x / count, y / count))
        .collect();
    if points.len() < 2 {
        return Ok(None);
    }
    let count = points.len() as f64;
    let (mean_x, mean_y) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), p| (x + p.0 / count, y + p.1 / count));
    let covariance: f64 = points.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
    let variance: f64 = points.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
    Ok(Some(covariance / variance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::fourier::Synthesis;
    use candle_core::Device;

    /// A spectrum of constant amplitude and varied phase, scaled by 1 / f^1.5, has that slope.
    #[test]
    fn the_slope_of_a_power_law_is_found() {
        let side = 64;
        let bin = |index: usize| {
            let (y, x) = (index / 33, index % 33);
            // The first and last columns are their own mirror images.
            let mirrored = (x == 0 || x == 32) && y > side / 2;
            let y = if mirrored { side - y } else { y };
            let phase = (y * 33 + x) as f64 * 0.618 * (y + 1) as f64;
            let alone = (x == 0 || x == 32) && (y == 0 || y == side / 2);
            let imaginary = if mirrored { -phase.sin() } else { phase.sin() };
            if alone {
                [1.0, 0.0]
            } else {
                [phase.cos(), imaginary]
            }
        };
        let phases: Vec<f64> = (0..side * 33).flat_map(bin).collect();
        let spectrum = Tensor::from_vec(phases, (1, 1, side, 33, 2), &Device::Cpu).unwrap();
        let plane = Synthesis::new(side, side, 1.5).forward(&spectrum).unwrap();
        let image = Tensor::cat(&[&plane, &plane, &plane], 1).unwrap();
        let slope = spectrum_slope(&image).unwrap().unwrap();
        assert!((slope + 1.5).abs() < 1e-9, "{slope}");
    }
}
