//! The units of a tap that are most alike: by the weights that lead into them, and by what they respond
//! to.

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use super::record::Near;
use crate::backend::packed::{Epilogue, Packed, multiply};
use crate::encoder::Encoder;
use crate::encoder::tap::TapId;
use crate::error::{Result, bail};

/// Units that are compared with all others at once.
const ROWS: usize = 256;

/// Of each of `units`, the `count` of the others with the largest cosine of the incoming weights, nearest
/// first; of units that are equally near, the one with the smaller number. A unit whose weights are all
/// zero has no neighbours and is none. `None` where no map makes the tap ([`Encoder::incoming`]).
///
/// # Errors
/// When a unit does not exist or a weight is not finite.
pub fn by_weights(
    encoder: &Encoder,
    tap: TapId,
    units: &[usize],
    count: usize,
) -> Result<Option<Vec<Vec<Near>>>> {
    let Some(weights) = encoder.incoming(tap)? else {
        return Ok(None);
    };
    let rows = chosen(&weights, units)?;
    nearest(rows, units, count).map(Some)
}

/// As [`by_weights`], by the correlation of responses: `responses` is `(pictures, units of the tap)`.
///
/// # Errors
/// When a unit does not exist or a response is not finite.
pub fn by_responses(responses: &Tensor, units: &[usize], count: usize) -> Result<Vec<Vec<Near>>> {
    let mut rows = chosen(&responses.t()?, units)?;
    for row in &mut rows {
        let mean = row.iter().sum::<f64>() / row.len().max(1) as f64;
        for value in row {
            *value -= mean;
        }
    }
    nearest(rows, units, count)
}

/// The rows of these units, of a matrix that has one for every unit of the tap.
fn chosen(matrix: &Tensor, units: &[usize]) -> Result<Vec<Vec<f64>>> {
    let all: Vec<Vec<f64>> = matrix.to_dtype(DType::F64)?.to_vec2()?;
    let mut rows = Vec::with_capacity(units.len());
    for &unit in units {
        match all.get(unit) {
            Some(row) if row.iter().all(|value| value.is_finite()) => rows.push(row.clone()),
            Some(_) => bail!(Numeric, "unit {unit} has a number that is not finite"),
            None => bail!(Internal, "there is no unit {unit} among {}", all.len()),
        }
    }
    Ok(rows)
}

/// By the cosine of rows.
fn nearest(rows: Vec<Vec<f64>>, units: &[usize], count: usize) -> Result<Vec<Vec<Near>>> {
    let depth = rows.first().map_or(0, Vec::len);
    let mut unit_rows = Vec::with_capacity(rows.len() * depth);
    let mut has_length = Vec::with_capacity(rows.len());
    for row in &rows {
        let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
        has_length.push(length > 0.0);
        let scale = if length > 0.0 { length.recip() } else { 0.0 };
        unit_rows.extend(row.iter().map(|value| (value * scale) as f32));
    }
    let packed = Packed::new(depth, rows.len(), |k, o| unit_rows[o * depth + k]);
    let mut found = Vec::with_capacity(rows.len());
    for start in (0..rows.len()).step_by(ROWS) {
        let end = rows.len().min(start + ROWS);
        let mut cosines = vec![0.0; (end - start) * rows.len()];
        let x = &unit_rows[start * depth..end * depth];
        multiply(x, &packed, &mut cosines, Epilogue::default());
        let block = cosines.par_chunks(rows.len()).enumerate();
        found.par_extend(block.map(|(row, cosines)| {
            let own = start + row;
            let others = (0..rows.len())
                .filter(|&other| other != own && has_length[own] && has_length[other]);
            let near = others.map(|other| Near {
                unit: units[other],
                similarity: cosines[other].clamp(-1.0, 1.0),
            });
            largest(near.collect(), count)
        }));
    }
    Ok(found)
}

fn largest(mut near: Vec<Near>, count: usize) -> Vec<Near> {
    let order = |a: &Near, b: &Near| {
        let by_similarity = b.similarity.total_cmp(&a.similarity);
        by_similarity.then(a.unit.cmp(&b.unit))
    };
    if near.len() > count {
        near.select_nth_unstable_by(count, order);
        near.truncate(count);
    }
    near.sort_by(order);
    near
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, Options};
    use candle_core::Device;
    use std::path::Path;

    /// Two roundings of `f32` a product of unit vectors.
    const TOLERANCE: f64 = 1e-5;

    fn cosine(a: &[f64], b: &[f64]) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    /// Compares with the obvious way: every pair, sorted.
    fn assert_nearest(found: &[Vec<Near>], rows: &[Vec<f64>], units: &[usize], count: usize) {
        assert_eq!(found.len(), units.len());
        for (own, near) in found.iter().enumerate() {
            let others = (0..units.len()).filter(|&other| other != own);
            let mut all: Vec<(usize, f64)> = others
                .map(|other| (units[other], cosine(&rows[own], &rows[other])))
                .collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1));
            assert_eq!(near.len(), count.min(units.len() - 1));
            for (near, (_, similarity)) in near.iter().zip(&all) {
                let own_similarity = all.iter().find(|(unit, _)| *unit == near.unit).unwrap().1;
                assert!((f64::from(near.similarity) - own_similarity).abs() <= TOLERANCE);
                assert!((own_similarity - similarity).abs() <= TOLERANCE);
            }
        }
    }

    fn wave(rows: usize, columns: usize) -> Vec<Vec<f64>> {
        let value = |i: usize| (i as f64 * 12.9898).sin() + (i as f64 * 0.7).cos();
        let row = |r| (0..columns).map(|c| value(r * columns + c)).collect();
        (0..rows).map(row).collect()
    }

    /// Stacks rows into a tensor.
    fn tensor(rows: &[Vec<f64>]) -> Tensor {
        let values: Vec<f64> = rows.iter().flatten().copied().collect();
        Tensor::from_vec(values, (rows.len(), rows[0].len()), &Device::Cpu).unwrap()
    }

    #[test]
    fn responses_are_compared_by_correlation() {
        let (pictures, channels) = (37, 601);
        let responses = wave(pictures, channels);
        let units: Vec<usize> = (0..channels).filter(|unit| unit % 2 == 1).collect();
        let found = by_responses(&tensor(&responses), &units, 7).unwrap();
        let centred: Vec<Vec<f64>> = units
            .iter()
            .map(|&unit| {
                let column: Vec<f64> = responses.iter().map(|row| row[unit]).collect();
                let mean = column.iter().sum::<f64>() / pictures as f64;
                column.iter().map(|value| value - mean).collect()
            })
            .collect();
        assert_nearest(&found, &centred, &units, 7);
    }

    #[test]
    fn constant_units_have_no_neighbours_and_ties_go_to_the_smaller_number() {
        let rows = vec![
            vec![1.0, 2.0, 5.0, 1.0, 2.0, 2.0],
            vec![2.0, 4.0, 5.0, 2.0, 4.0, -4.0],
            vec![4.0, 8.0, 5.0, 4.0, 8.0, -8.0],
        ];
        let units = [0, 1, 2, 3, 4, 5];
        let found = by_responses(&tensor(&rows), &units, 3).unwrap();
        let near = |unit: usize| found[unit].iter().map(|near| near.unit).collect::<Vec<_>>();
        assert_eq!(near(2), [0; 0]);
        assert_eq!(near(4)[..2], [0, 1]);
        assert_eq!(near(0)[..2], [1, 3]);
        assert!(found[5][0].similarity < -0.9);
        let alone = by_responses(&tensor(&rows), &[3], 3).unwrap();
        assert_eq!(alone, [vec![]]);
        assert!(by_responses(&tensor(&rows), &[6], 3).is_err());
        let bad = tensor(&[vec![1.0, f64::NAN], vec![2.0, 3.0]]);
        assert!(by_responses(&bad, &[0, 1], 1).is_err());
    }

    fn load(name: &str) -> (Model, impl Fn(&str) -> Tensor) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let weights = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
        let model = Model::load(path.to_str().unwrap(), Options::default()).unwrap();
        let tensor = move |name: &str| {
            weights[&format!("visual.{name}")]
                .to_dtype(DType::F64)
                .unwrap()
        };
        (model, tensor)
    }

    /// The weights with batch normalisation, from the file's own tensors.
    fn folded(tensor: &impl Fn(&str) -> Tensor, conv: &str, norm: &str) -> Vec<Vec<f64>> {
        let factor = (tensor(&format!("{norm}.weight"))
            / (tensor(&format!("{norm}.running_var")) + 1e-5)
                .unwrap()
                .sqrt()
                .unwrap())
        .unwrap();
        let weight = tensor(&format!("{conv}.weight")).flatten_from(1).unwrap();
        let rows = weight.broadcast_mul(&factor.unsqueeze(1).unwrap()).unwrap();
        rows.to_vec2().unwrap()
    }

    #[test]
    fn weights_are_those_of_the_map_that_makes_the_tap_with_its_norm() {
        let (model, tensor) = load("src/model/mini/model.safetensors");
        let beside = |a: Vec<Vec<f64>>, b: Vec<Vec<f64>>| -> Vec<Vec<f64>> {
            a.into_iter().zip(b).map(|(a, b)| [a, b].concat()).collect()
        };
        let conv = |block: &str, index: usize| {
            folded(
                &tensor,
                &format!("{block}.conv{index}"),
                &format!("{block}.bn{index}"),
            )
        };
        let shortcut = folded(&tensor, "layer4.0.downsample.0", "layer4.0.downsample.1");
        for (tap, rows) in [
            ("layer3.2.sum", conv("layer3.2", 3)),
            ("layer3.2", conv("layer3.2", 3)),
            ("layer3", conv("layer3.2", 3)),
            ("layer3.1.conv1", conv("layer3.1", 1)),
            ("layer3.1.conv2", conv("layer3.1", 2)),
            ("layer4.0.sum", beside(conv("layer4.0", 3), shortcut)),
            ("stem", folded(&tensor, "conv3", "bn3")),
        ] {
            let units: Vec<usize> = (0..rows.len()).step_by(3).collect();
            let id = model.encoder.find(tap).unwrap();
            let found = by_weights(&model.encoder, id, &units, 5).unwrap().unwrap();
            let rows: Vec<Vec<f64>> = units.iter().map(|&unit| rows[unit].clone()).collect();
            assert_nearest(&found, &rows, &units, 5);
        }
        let embedding = model.encoder.find("embedding").unwrap();
        assert_eq!(
            by_weights(&model.encoder, embedding, &[0], 5).unwrap(),
            None
        );
    }

    #[test]
    fn a_transformers_hidden_units_are_compared_by_the_first_matrix_of_their_mlp() {
        let (model, tensor) = load("tests/fixtures/vit/open_clip/open_clip_model.safetensors");
        let id = model.encoder.find("blocks.0.mlp").unwrap();
        let rows: Vec<Vec<f64>> = tensor("transformer.resblocks.0.mlp.c_fc.weight")
            .to_vec2()
            .unwrap();
        let units: Vec<usize> = (0..rows.len()).collect();
        let found = by_weights(&model.encoder, id, &units, 4).unwrap().unwrap();
        assert_nearest(&found, &rows, &units, 4);
    }
}
