//! Where numbers become infinite or undefined.

use candle_core::{DType, Tensor};

use super::Encoder;
use super::tap::{Layout, Tap, TapId};
use crate::backend::cpu::Elements;
use crate::error::Result;

impl Encoder {
    /// The first tap whose activations are not finite for normalised pixels `(n, 3, h, w)`, as far as an image of
    /// this size reaches; `None` where all are finite.
    ///
    /// # Errors
    /// When the image's size does not fit the model.
    pub fn overflow(&self, x: &Tensor) -> Result<Option<&Tap>> {
        let (_, _, height, width) = x.dims4()?;
        let fits = (height, width) == (self.resolution(), self.resolution());
        let taps = (0..self.taps().len()).map(TapId);
        let taps: Vec<TapId> = taps
            .filter(|&tap| fits || self.tap(tap).layout != Layout::Vector)
            .collect();
        let pass = self.forward(x, &taps)?;
        for tap in taps {
            if !is_finite(&pass.activation(tap)?)? {
                return Ok(Some(self.tap(tap)));
            }
        }
        Ok(None)
    }
}

/// Whether every number of a tensor is finite.
///
/// # Errors
/// When memory is short.
pub fn is_finite(x: &Tensor) -> Result<bool> {
    let x = x.contiguous()?;
    if x.dtype() == DType::F64 {
        return Ok(Elements::<f64>::of(&x)?
            .iter()
            .all(|value| value.is_finite()));
    }
    let x = x.to_dtype(DType::F32)?;
    Ok(Elements::<f32>::of(&x)?
        .iter()
        .all(|value| value.is_finite()))
}
