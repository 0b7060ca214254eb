//! What `percept encode` exports, without a file.

use std::collections::HashMap;

use candle_core::Tensor;
use percept::encode::{Images, Request, Wanted, images};
use percept::model::Model;

/// Of normalised pixels `(n, 3, h, w)`: `act.TAP` for each tap, and whatever else [`images`] hands on, by name.
pub fn encoded(
    model: &Model,
    input: &Tensor,
    taps: &[&str],
    gradient: Option<&str>,
) -> HashMap<String, Tensor> {
    let given = Images::Raw(input.clone());
    let taps: Vec<String> = taps.iter().map(ToString::to_string).collect();
    let request = Request {
        taps: &taps,
        gradient,
        ..Request::default()
    };
    let wanted = Wanted::new(model, request, &given).unwrap();
    let mut rows: Vec<Vec<Tensor>> = Vec::new();
    let keep = |_, row: percept::Result<Vec<Tensor>>| {
        rows.push(row?);
        Ok(())
    };
    images(model, &given, &wanted, 0..given.count(), keep).unwrap();
    let layout = wanted.layout(model).unwrap().into_iter().enumerate();
    let of_all = |(place, (name, _))| {
        let parts: Vec<&Tensor> = rows.iter().map(|row| &row[place]).collect();
        (name, Tensor::cat(&parts, 0).unwrap())
    };
    layout.map(of_all).collect()
}
