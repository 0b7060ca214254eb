//! The slope of a picture's amplitude spectrum.

use candle_core::{DType, Tensor};
use realfft::num_complex::Complex;
use rustfft::FftPlanner;

use crate::error::Result;
use crate::size::Size;

/// The least-squares slope of log amplitude over log frequency, each ring one cycle per image (along its longer side)
/// wide and weighted equally, on the mean of the three channels.
pub fn spectrum_slope(image: &Tensor) -> Result<Option<f64>> {
    let Size { height, width } = Size::of(image)?;
    let side = height.max(width);
    if side < 16 {
        return Ok(None);
    }
    let grey: Vec<f64> = image
        .mean(1)?
        .flatten_all()?
        .to_dtype(DType::F64)?
        .to_vec1()?;
    let mut plane: Vec<Complex<f64>> = grey.iter().map(|&x| Complex::new(x, 0.0)).collect();
    let mut planner = FftPlanner::new();
    for (rows, columns) in [(height, width), (width, height)] {
        planner.plan_fft_forward(columns).process(&mut plane);
        plane = (0..rows * columns)
            .map(|i| plane[i % rows * columns + i / rows])
            .collect();
    }
    // Each ring's mean logarithms lie on the line of a power law, however wide the ring.
    let mut rings = vec![(0.0, 0.0, 0.0); side / 4 + 1];
    for (index, bin) in plane.iter().enumerate() {
        let cycles =
            |k: usize, length: usize| k.min(length - k) as f64 * (side as f64 / length as f64);
        let frequency = cycles(index / width, height).hypot(cycles(index % width, width));
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

    /// Planes of random phase and constant amplitude, scaled by 1 / f^1.5.
    #[test]
    fn the_slope_of_a_power_law_is_found() {
        for (height, width) in [(64, 64), (32, 96), (80, 48)] {
            let columns = width / 2 + 1;
            let bin = |index: usize| {
                let (y, x) = (index / columns, index % columns);
                // The first and last columns are their own mirror images.
                let is_alone = x == 0 || 2 * x == width;
                let mirrored = is_alone && 2 * y > height;
                let y = if mirrored { height - y } else { y };
                let phase = (y * columns + x) as f64 * 0.618 * (y + 1) as f64;
                let imaginary = if mirrored { -phase.sin() } else { phase.sin() };
                match is_alone && (y == 0 || 2 * y == height) {
                    true => [1.0, 0.0],
                    false => [phase.cos(), imaginary],
                }
            };
            let phases: Vec<f64> = (0..height * columns).flat_map(bin).collect();
            let spectrum =
                Tensor::from_vec(phases, (1, 1, height, columns, 2), &Device::Cpu).unwrap();
            let plane = Synthesis::new(height, width, 1.5)
                .forward(&spectrum)
                .unwrap();
            let image = Tensor::cat(&[&plane, &plane, &plane], 1).unwrap();
            let slope = spectrum_slope(&image).unwrap().unwrap();
            assert!((slope + 1.5).abs() < 1e-9, "{height}x{width}: {slope}");
        }
    }
}
