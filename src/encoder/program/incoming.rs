//! The weights that lead into a value's channels.

use candle_core::{Device, Tensor};

use super::{Program, Step, Value};
use crate::backend::cpu::Real;
use crate::encoder::engine::Cpu;
use crate::encoder::tap::TapId;
use crate::error::Result;

impl<T: Real> Program<Cpu<T>> {
    /// As [`Encoder::incoming`](crate::encoder::Encoder::incoming).
    pub fn incoming(&self, tap: TapId) -> Result<Option<Tensor>> {
        let channels = self.taps[tap.0].channels;
        let maps = self.maps_into(self.tapped[tap.0]);
        if maps.is_empty() {
            return Ok(None);
        }
        let matrices = maps.into_iter().map(|weight| {
            let inputs = weight.len() / channels;
            Tensor::from_vec(weight, (channels, inputs), &Device::Cpu)
        });
        let matrices: Vec<Tensor> = matrices.collect::<Result<_, _>>()?;
        Ok(Some(Tensor::cat(&matrices, 1)?))
    }

    /// The weights of the maps whose sum a value is, up to what each channel does by itself.
    fn maps_into(&self, Value(index): Value) -> Vec<Vec<T>> {
        let Some(step) = index.checked_sub(1).map(|step| &self.steps[step]) else {
            return Vec::new();
        };
        match step {
            Step::Relu(input) => self.maps_into(*input),
            Step::Layer(layer, input) if layer.keeps_channels_apart() => self.maps_into(*input),
            Step::Layer(..) | Step::Sum(..) => Vec::new(),
            Step::Affine(map, _, add) => {
                let mut maps = vec![map.weight()];
                if let Some(Value(add)) = *add
                    && let Some(Step::Affine(shortcut, _, None)) =
                        add.checked_sub(1).map(|step| &self.steps[step])
                {
                    maps.push(shortcut.weight());
                }
                maps
            }
        }
    }
}
