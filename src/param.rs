//! Parameterisations: free numbers to an RGB canvas in (0, 1), and back.
//!
//! Each makes three planes of decorrelated colours, from which lucid's colour matrix and a sigmoid make the canvas
//! ([`colour`]). The Fourier parameterisation makes every frequency equally easy to change, which is what turns noise into
//! pictures; the pixel parameterisation is there for comparison.

#[cfg(feature = "cuda")]
pub mod cuda;

use candle_core::{DType, Device, Tensor};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::error::{Result, bail};
use crate::ops::colour;
use crate::ops::fourier::Synthesis;
use crate::seed::Stream;
use crate::size::Size;

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

/// What makes planes of decorrelated colours from free numbers. All are linear: their pullbacks need nothing saved.
enum Planes {
    /// From half spectra.
    Fourier(Synthesis),
    /// The numbers are the planes.
    Pixel,
}

/// A parameterisation of canvases of one size.
pub struct Parameterisation {
    size: Size,
    planes: Planes,
}

/// What the pullback needs of a forward pass on the CPU.
pub struct Saved {
    canvas: Tensor,
}

impl Parameterisation {
    /// For canvases of this size.
    pub fn new(basis: Basis, size: Size) -> Self {
        let planes = match basis {
            Basis::Fourier { decay } => {
                Planes::Fourier(Synthesis::new(size.height, size.width, decay))
            }
            Basis::Pixel => Planes::Pixel,
        };
        Self { size, planes }
    }

    /// The shape of the free numbers of one canvas: `(1, 3, h, w/2 + 1, 2)` for a spectrum, `(1, 3, h, w)` for pixels.
    pub fn shape(&self) -> Vec<usize> {
        let Size { height, width } = self.size;
        match &self.planes {
            Planes::Fourier(synthesis) => vec![1, 3, height, synthesis.columns(), 2],
            Planes::Pixel => vec![1, 3, height, width],
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

    /// The RGB canvases `(n, 3, h, w)` in (0, 1) of free numbers `(n, ...)`, and what the pullback needs.
    pub fn forward(&self, numbers: &Tensor) -> Result<(Tensor, Saved)> {
        let canvas = match &self.planes {
            Planes::Fourier(synthesis) => colour::forward(&synthesis.forward(numbers)?)?,
            Planes::Pixel => colour::forward(numbers)?,
        };
        let saved = Saved {
            canvas: canvas.clone(),
        };
        Ok((canvas, saved))
    }

    /// The cotangent of the free numbers from that of the canvases, `(n, 3, h, w)`.
    pub fn pullback(&self, saved: &Saved, cotangent: &Tensor) -> Result<Tensor> {
        let planes = colour::pullback(&saved.canvas, cotangent)?;
        match &self.planes {
            Planes::Fourier(synthesis) => synthesis.pullback(&planes),
            Planes::Pixel => Ok(planes),
        }
    }

    /// The free numbers whose canvas is a given RGB picture `(1, 3, h, w)` in [0, 1], of the picture's type: the
    /// inverse of [`Parameterisation::forward`]. What is nearer to 0 or 1 than 1.2e-7 becomes that, since a sigmoid
    /// reaches neither ([`colour::inverse`]); else only rounding is lost.
    ///
    /// # Errors
    /// When the picture has another size, or a value that lies outside [0, 1].
    pub fn fit(&self, picture: &Tensor) -> Result<Tensor> {
        let Size { height, width } = self.size;
        if picture.dims() != [1, 3, height, width] {
            bail!(
                Input,
                "a picture of shape {:?} is not the canvas' (1, 3, {height}, {width}); resize it first",
                picture.dims()
            );
        }
        let planes = colour::inverse(&picture.to_dtype(DType::F64)?)?;
        let numbers = match &self.planes {
            Planes::Fourier(synthesis) => synthesis.inverse(&planes)?,
            Planes::Pixel => planes,
        };
        Ok(numbers.to_dtype(picture.dtype())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{pullback_matches_differences, wave};
    use crate::seed::{Key, Purpose};

    const LUCID: Basis = Basis::Fourier { decay: 1.0 };

    /// Even and odd sides, squares and not.
    const SIZES: [(usize, usize); 6] = [(8, 8), (11, 11), (6, 9), (9, 6), (1, 1), (2, 3)];

    fn size((height, width): (usize, usize)) -> Size {
        Size { height, width }
    }

    fn canvas(parameterisation: &Parameterisation, numbers: &Tensor) -> Tensor {
        parameterisation.forward(numbers).unwrap().0
    }

    fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
        let difference =
            (a.to_dtype(DType::F64).unwrap() - b.to_dtype(DType::F64).unwrap()).unwrap();
        let difference: Vec<f64> = difference.flatten_all().unwrap().to_vec1().unwrap();
        difference.into_iter().fold(0.0, |largest, x| {
            assert!(x.is_finite());
            x.abs().max(largest)
        })
    }

    #[test]
    fn pullbacks_match_central_differences() {
        for basis in [Basis::Fourier { decay: 1.5 }, Basis::Pixel] {
            for sides in SIZES {
                let parameterisation = Parameterisation::new(basis, size(sides));
                let x = wave(&parameterisation.shape(), 0.2);
                let (_, saved) = parameterisation.forward(&x).unwrap();
                pullback_matches_differences(
                    &x,
                    |x| Ok(parameterisation.forward(x)?.0),
                    |dy| parameterisation.pullback(&saved, dy),
                );
            }
        }
    }

    #[test]
    fn the_first_image_is_grey_with_a_little_texture() {
        let key = Key::new(0, "grey", 0);
        for basis in [LUCID, Basis::Pixel] {
            let parameterisation = Parameterisation::new(basis, Size::square(64));
            let mut stream = key.stream(Purpose::Initial, 0);
            let x = parameterisation.initial(&mut stream, DType::F32).unwrap();
            let image = canvas(&parameterisation, &x);
            let mean: f32 = image.mean_all().unwrap().to_scalar().unwrap();
            assert!((mean - 0.5).abs() < 0.02, "{basis:?}: {mean}");
        }
    }

    /// Plain gradient descent on the squared distance to a target.
    #[test]
    fn every_basis_climbs_to_a_small_picture() {
        let target = ((wave(&[1, 3, 9, 9], 0.1) * 0.3).unwrap() + 0.5).unwrap();
        for (basis, rate) in [(LUCID, 2.0), (Basis::Pixel, 4.0)] {
            let parameterisation = Parameterisation::new(basis, Size::square(9));
            let mut x = (wave(&parameterisation.shape(), 0.3) * 0.01).unwrap();
            let distance = |x: &Tensor| {
                let error = (canvas(&parameterisation, x) - &target).unwrap();
                let mean = error.sqr().unwrap().mean_all().unwrap();
                mean.to_scalar::<f64>().unwrap()
            };
            let before = distance(&x);
            for _ in 0..400 {
                let (image, saved) = parameterisation.forward(&x).unwrap();
                let slope = parameterisation
                    .pullback(&saved, &(&image - &target).unwrap())
                    .unwrap();
                x = (x - (slope * rate).unwrap()).unwrap();
            }
            let after = distance(&x);
            assert!(after < before * 0.05, "{basis:?}: {before} -> {after}");
        }
    }

    /// In `f64` only what is cut off at 0 and 1 is lost. In `f32` numbers of up to 100 go through a transform and a
    /// colour matrix before the sigmoid divides their errors by 4.
    #[test]
    fn the_canvas_of_fitted_numbers_is_the_picture() {
        for basis in [LUCID, Basis::Fourier { decay: 1.5 }, Basis::Pixel] {
            for (height, width) in SIZES {
                let parameterisation = Parameterisation::new(basis, size((height, width)));
                let inner = ((wave(&[1, 3, height, width], 0.1) * 0.35).unwrap() + 0.5).unwrap();
                let whole = ((inner.clone() * 3.0).unwrap() - 1.0)
                    .unwrap()
                    .clamp(0.0, 1.0);
                for (picture, in_f64) in [(inner, 1e-12), (whole.unwrap(), 1.3e-7)] {
                    for (dtype, tolerance) in [(DType::F64, in_f64), (DType::F32, 1e-5)] {
                        let picture = picture.to_dtype(dtype).unwrap();
                        let numbers = parameterisation.fit(&picture).unwrap();
                        assert_eq!(numbers.dims(), parameterisation.shape());
                        assert_eq!(numbers.dtype(), dtype);
                        let off =
                            largest_difference(&canvas(&parameterisation, &numbers), &picture);
                        assert!(
                            off <= tolerance,
                            "{basis:?} {height}x{width} {dtype:?}: {off}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_picture_of_the_canvas_is_not_fitted() {
        let parameterisation = Parameterisation::new(LUCID, size((8, 6)));
        let refusal = |picture: Tensor| parameterisation.fit(&picture).unwrap_err().to_string();
        let turned = refusal(wave(&[1, 3, 6, 8], 0.1));
        assert!(
            turned.contains("[1, 3, 6, 8]") && turned.contains("(1, 3, 8, 6)"),
            "{turned}"
        );
        for value in [f64::NAN, -0.5, 1.5] {
            let flat = Tensor::full(value, (1, 3, 8, 6), &Device::Cpu).unwrap();
            let message = refusal(flat);
            assert!(message.contains("from 0 to 1"), "{message}");
        }
    }
}
