//! Where pictures are made, and how activations are stored there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result, bail};

/// What the ascent runs on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Device {
    /// The CPU.
    #[default]
    Cpu,
    /// NVIDIA GPUs by their numbers; several divide a batch among themselves.
    Cuda(Vec<usize>),
}

impl Device {
    /// What a recipe says: for which GPU it was does not matter.
    pub fn kind(&self) -> DeviceKind {
        match self {
            Self::Cpu => DeviceKind::Cpu,
            Self::Cuda(_) => DeviceKind::Cuda,
        }
    }

    /// How many devices there are to share a batch.
    pub fn count(&self) -> usize {
        match self {
            Self::Cpu => 1,
            Self::Cuda(ordinals) => ordinals.len(),
        }
    }
}

/// What kind of device it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
}

impl DeviceKind {
    /// The first device of the kind.
    pub fn first(self) -> Device {
        match self {
            Self::Cpu => Device::Cpu,
            Self::Cuda => Device::Cuda(vec![0]),
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        })
    }
}

impl FromStr for Device {
    type Err = Error;

    /// `cpu`, `cuda` (the first GPU), `cuda:1`, `cuda:0,2`.
    fn from_str(text: &str) -> Result<Self> {
        let list = match text {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => "0",
            _ => match text.strip_prefix("cuda:") {
                Some(list) => list,
                None => bail!(
                    Request,
                    "give cpu, cuda, or GPUs by their numbers such as cuda:0 or cuda:0,1"
                ),
            },
        };
        let mut ordinals = Vec::new();
        for part in list.split(',') {
            let Ok(ordinal) = part.parse() else {
                bail!(
                    Request,
                    "{part:?} is no number of a GPU: give such as cuda:0 or cuda:0,1"
                );
            };
            if ordinals.contains(&ordinal) {
                bail!(Request, "cuda:{ordinal} is named twice");
            }
            ordinals.push(ordinal);
        }
        Ok(Self::Cuda(ordinals))
    }
}

/// How weights and activations are stored; sums and pictures are `f32` always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 24 bits of precision.
    #[default]
    F32,
    /// 11 bits of precision, half the memory.
    F16,
    /// 8 bits of precision and the range of `f32`, half the memory.
    Bf16,
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        })
    }
}

impl FromStr for Dtype {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            "bf16" => Ok(Self::Bf16),
            _ => Err(Error::new(
                Kind::Request,
                "activations are stored as f32, f16 or bf16",
            )),
        }
    }
}

/// # Errors
/// When a device cannot store activations like this.
pub fn check(device: DeviceKind, dtype: Dtype) -> Result<()> {
    if device == DeviceKind::Cpu && dtype != Dtype::F32 {
        bail!(
            Request,
            "the CPU computes in f32: leave out --dtype {dtype}, or give --device cuda"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_known_by_name_and_number() {
        let cuda = |ordinals: &[usize]| Device::Cuda(ordinals.to_vec());
        for (text, device) in [
            ("cpu", Device::Cpu),
            ("cuda", cuda(&[0])),
            ("cuda:2", cuda(&[2])),
            ("cuda:0,3", cuda(&[0, 3])),
        ] {
            assert_eq!(text.parse::<Device>().unwrap(), device);
        }
        for text in [
            "", "gpu", "cuda:", "cuda:x", "cuda:1,1", "cuda:-1", "cuda:0,",
        ] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
        assert!(check(DeviceKind::Cpu, Dtype::F16).is_err());
        assert!(check(DeviceKind::Cuda, Dtype::F16).is_ok());
    }
}
