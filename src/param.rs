//! Parameterisations: free numbers to an RGB image in (0, 1), and back.
//!
//! Both end in lucid's colour decorrelation and sigmoid. The Fourier parameterisation makes
//! every frequency equally easy to change, which is what turns noise into pictures; the pixel
//! parameterisation is there for comparison.

#[cfg(feature = "cuda")]
pub mod cuda;

use candle_core::{DType, Device, Tensor};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::ops::colour;
use crate::ops::fourier::Synthesis;
use crate::seed::Stream;

/// The standard deviation of the initial numbers (lucid's `sd`).
const INITIAL_DEVIATION: f64 = 0.01;

/// Which numbers stand for the image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Basis {
    /// A half spectrum, scaled by `1 / f^decay`.
    Fourier {
        /// 1 is lucid's; larger values make smoother pictures.
        decay: f64,
    },
    /// One number a pixel and channel.
    Pixel,
}

/// A parameterisation of a square image of one size.
pub struct Parameterisation {
    side: usize,
    synthesis: Option<Synthesis>,
}

impl Parameterisation {
    /// For images of `side x side` pixels, `side >= 1`.
    pub fn new(basis: Basis, side: usize) -> Self {
        Self {
            side,
            synthesis: match basis {
                Basis::Fourier { decay } => Some(Synthesis::new(side, side, decay)),
                Basis::Pixel => None,
            },
        }
    }

    /// The shape of the free numbers of one image: `(1, 3, side, side/2 + 1, 2)` or
    /// `(1, 3, side, side)`.
    pub fn shape(&self) -> Vec<usize> {
        match &self.synthesis {
            Some(synthesis) => vec![1, 3, self.side, synthesis.columns(), 2],
            None => vec![1, 3, self.side, self.side],
        }
    }

    /// Normally distributed numbers with standard deviation 0.01.
    pub fn initial(&self, stream: &mut Stream, dtype: DType) -> Result<Tensor> {
        let shape = self.shape();
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| {
                let normal: f64 = StandardNormal.sample(stream);
                (INITIAL_DEVIATION * normal) as f32
            })
            .collect();
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype)?)
    }

    /// The RGB image `(n, 3, side, side)` in (0, 1).
    pub fn image(&self, parameters: &Tensor) -> Result<Tensor> {
        match &self.synthesis {
            Some(synthesis) => colour::forward(&synthesis.forward(parameters)?),
            None => colour::forward(parameters),
        }
    }

    /// The cotangent of the parameters from the image and its cotangent.
    pub fn pullback(&self, image: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
        let dt = colour::pullback(image, cotangent)?;
        match &self.synthesis {
            Some(synthesis) => synthesis.pullback(&dt),
            None => Ok(dt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{pullback_matches_differences, wave};
    use crate::seed::{Key, Purpose};

    #[test]
    fn pullbacks_match_central_differences() {
        for basis in [Basis::Fourier { decay: 1.5 }, Basis::Pixel] {
            let parameterisation = Parameterisation::new(basis, 11);
            let x = wave(&parameterisation.shape(), 0.2);
            let image = parameterisation.image(&x).unwrap();
            pullback_matches_differences(
                &x,
                |x| parameterisation.image(x),
                |dy| parameterisation.pullback(&image, dy),
            );
        }
    }

    #[test]
    fn the_first_image_is_grey_with_a_little_texture() {
        let key = Key::new(0, "grey", 0);
        for basis in [Basis::Fourier { decay: 1.0 }, Basis::Pixel] {
            let parameterisation = Parameterisation::new(basis, 64);
            let mut stream = key.stream(Purpose::Initial, 0);
            let x = parameterisation.initial(&mut stream, DType::F32).unwrap();
            let image = parameterisation.image(&x).unwrap();
            let mean: f32 = image.mean_all().unwrap().to_scalar().unwrap();
            assert!((mean - 0.5).abs() < 0.02, "{basis:?}: {mean}");
        }
    }

    /// Plain gradient descent on the squared distance to a target.
    #[test]
    fn every_basis_can_fit_a_small_picture() {
        let target = ((wave(&[1, 3, 9, 9], 0.1) * 0.3).unwrap() + 0.5).unwrap();
        for (basis, rate) in [(Basis::Fourier { decay: 1.0 }, 2.0), (Basis::Pixel, 4.0)] {
            let parameterisation = Parameterisation::new(basis, 9);
            let mut x = (wave(&parameterisation.shape(), 0.3) * 0.01).unwrap();
            let distance = |x: &Tensor| {
                let error = (parameterisation.image(x).unwrap() - &target).unwrap();
                error
                    .sqr()
                    .unwrap()
                    .mean_all()
                    .unwrap()
                    .to_scalar::<f64>()
                    .unwrap()
            };
            let before = distance(&x);
            for _ in 0..400 {
                let image = parameterisation.image(&x).unwrap();
                let slope = parameterisation
                    .pullback(&image, &(&image - &target).unwrap())
                    .unwrap();
                x = (x - (slope * rate).unwrap()).unwrap();
            }
            let after = distance(&x);
            assert!(after < before * 0.05, "{basis:?}: {before} -> {after}");
        }
    }
}
