//! An activation's positions as one.

use std::str::FromStr;

use candle_core::{DType, Tensor};
use serde::Serialize;

use crate::encoder::architecture::Vision;
use crate::encoder::tap::Layout;
use crate::error::{Error, Result, bail};
use crate::model::Model;

/// What stands for all positions of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pool {
    /// The mean over cells or patches, without the class token.
    Mean,
    /// The largest of cells or patches, without the class token.
    Max,
    /// The class token of a vision transformer.
    Cls,
}

impl FromStr for Pool {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "mean" => Ok(Self::Mean),
            "max" => Ok(Self::Max),
            "cls" => Ok(Self::Cls),
            _ => bail!(Request, "give mean, max or cls"),
        }
    }
}

impl Pool {
    pub(super) fn check(self, model: &Model) -> Result<()> {
        if self == Self::Cls && matches!(model.architecture.vision, Vision::ResNet(_)) {
            bail!(
                Request,
                "--pool cls needs a class token, and {} is a ResNet: give --pool mean or max",
                model.name
            );
        }
        Ok(())
    }

    /// One image's activation as `(1, channels)`.
    pub(super) fn of(self, activation: &Tensor, layout: Layout) -> Result<Tensor> {
        let channels_last = match layout {
            Layout::Vector => return Ok(activation.clone()),
            Layout::Map { .. } => activation.flatten_from(2)?.transpose(1, 2)?,
            Layout::Tokens { .. } if self == Self::Cls => {
                return Ok(activation.narrow(1, 0, 1)?.squeeze(1)?);
            }
            Layout::Tokens { .. } => activation.narrow(1, 1, activation.dim(1)? - 1)?,
        };
        Ok(match self {
            Self::Max => channels_last.contiguous()?.max(1)?,
            _ => channels_last.to_dtype(DType::F64)?.mean(1)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_class_token_is_no_position() {
        let tokens =
            Tensor::new(&[[[9f32, -9.0], [1.0, -1.0], [3.0, -5.0]]], &Device::Cpu).unwrap();
        let layout = Layout::Tokens { grid: 0 };
        let of = |pool: Pool| -> Vec<Vec<f64>> {
            let pooled = pool.of(&tokens, layout).unwrap();
            pooled.to_dtype(DType::F64).unwrap().to_vec2().unwrap()
        };
        assert_eq!(of(Pool::Mean), [[2.0, -3.0]]);
        assert_eq!(of(Pool::Max), [[3.0, -1.0]]);
        assert_eq!(of(Pool::Cls), [[9.0, -9.0]]);
    }

    #[test]
    fn cells_of_a_map_are_pooled_by_channel() {
        let map = Tensor::new(
            &[[[[1f32, 2.0], [3.0, 6.0]], [[-1.0, -2.0], [0.0, -9.0]]]],
            &Device::Cpu,
        );
        let map = map.unwrap();
        let of = |pool: Pool| -> Vec<Vec<f64>> {
            let pooled = pool.of(&map, Layout::Map { stride: 1 }).unwrap();
            pooled.to_dtype(DType::F64).unwrap().to_vec2().unwrap()
        };
        assert_eq!(of(Pool::Mean), [[3.0, -3.0]]);
        assert_eq!(of(Pool::Max), [[6.0, 0.0]]);
    }
}
