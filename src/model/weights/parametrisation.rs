//! Parameters that a fine-tune stored in other terms, folded to what they stand for.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use super::names::Role;
use crate::Result;
use crate::error::{Context, bail};

/// Below this a direction's norm counts as this, as in PyTorch's `normalize`.
const SMALLEST_NORM: f64 = 1e-12;

/// The positions that Long-CLIP keeps from the model that it was made of, when it stretches the others.
const KEPT_POSITIONS: usize = 20;

/// Makes each parameter of its parts.
///
/// # Errors
/// When a part is missing or misshapen.
pub(super) fn fold(parts: BTreeMap<(String, Role), Tensor>) -> Result<BTreeMap<String, Tensor>> {
    let mut folded = BTreeMap::new();
    let mut lengths = BTreeMap::new();
    let mut directions = BTreeMap::new();
    for ((name, role), tensor) in parts {
        match role {
            Role::Length => lengths.insert(name, tensor),
            Role::Direction => directions.insert(name, tensor),
            Role::Whole => folded.insert(name, tensor),
            Role::Unknown => bail!(
                Weights,
                "{name} is stored in parts that percept does not put together, a parametrisation or an adapter: \
                 fold them with torch.nn.utils.parametrize.remove_parametrizations or PEFT's merge_and_unload, \
                 and save the weights again"
            ),
        };
    }
    for (name, length) in lengths {
        let Some(direction) = directions.remove(&name) else {
            bail!(
                Weights,
                "{name} has a length and no direction: the file is incomplete"
            );
        };
        let whole = scaled(&name, &length, &direction)?;
        if folded.insert(name.clone(), whole).is_some() {
            bail!(
                Weights,
                "it holds {name} twice, once as length and direction"
            );
        }
    }
    match directions.into_keys().next() {
        Some(name) => bail!(
            Weights,
            "{name} has a direction and no length: the file is incomplete"
        ),
        None => Ok(folded),
    }
}

/// `length * direction / |direction|`, the norm taken over every axis along which there is one length:
/// PyTorch's weight normalisation, and the geometric parametrisation.
fn scaled(name: &str, length: &Tensor, direction: &Tensor) -> Result<Tensor> {
    let (given, full) = (length.dims(), direction.dims());
    let fits = given.len() == full.len() && given.iter().zip(full).all(|(&l, &d)| l == 1 || l == d);
    if !(fits || given.is_empty()) {
        bail!(
            Weights,
            "{name} is stored as lengths {given:?} and directions {full:?}, which do not go together"
        );
    }
    let axes: Vec<usize> = (0..full.len())
        .filter(|&axis| given.get(axis).is_none_or(|&lengths| lengths == 1))
        .collect();
    let direction = direction.to_dtype(DType::F64)?;
    let norm = direction.sqr()?.sum_keepdim(axes)?.sqrt()?;
    let factor = length
        .to_dtype(DType::F64)?
        .broadcast_div(&norm.maximum(SMALLEST_NORM)?)?;
    Ok(direction.broadcast_mul(&factor)?.to_dtype(DType::F32)?)
}

/// Joins Long-CLIP's two tables of text positions as its masks do: the first rows of one, the rest of the other.
///
/// # Errors
/// When they differ in shape.
pub(super) fn join_positions(tensors: &mut BTreeMap<String, Tensor>) -> Result<()> {
    const KEPT: &str = "positional_embedding";
    let Some(stretched) = tensors.remove("positional_embedding_res") else {
        return Ok(());
    };
    let Some(kept) = tensors
        .get(KEPT)
        .filter(|kept| kept.dims() == stretched.dims())
    else {
        bail!(
            Weights,
            "positional_embedding_res of shape {:?} has no positional_embedding of the same shape beside it",
            stretched.dims()
        );
    };
    let joined = || -> candle_core::Result<Tensor> {
        let positions = stretched.dim(0)?;
        let first = KEPT_POSITIONS.min(positions);
        let rest = stretched.narrow(0, first, positions - first)?;
        Tensor::cat(&[kept.narrow(0, 0, first)?, rest], 0)
    };
    let joined = joined().context(|| "cannot join the positions of the text".to_owned())?;
    tensors.insert(KEPT.to_owned(), joined);
    Ok(())
}
