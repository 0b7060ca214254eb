//! Central differences for the tests of pullbacks.

use candle_core::{DType, Device, Tensor};

use crate::error::Result;

/// How far a pullback may be from central differences in `f64`, relative to the larger of the
/// two: the differences themselves carry about 1e-9 at step 1e-5.
pub const DIFFERENCE_TOLERANCE: f64 = 1e-6;

/// A smooth, aperiodic tensor with values in about [-1, 1].
pub fn wave(shape: &[usize], phase: f64) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count)
        .map(|i| {
            ((i as f64) * 0.831 + phase).sin() + 0.3 * ((i * i % 97) as f64 * 0.21 + phase).cos()
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).expect("a count that fits its shape")
}

/// The inner product of two tensors of one shape.
pub fn dot(a: &Tensor, b: &Tensor) -> f64 {
    let product = (a.to_dtype(DType::F64).unwrap() * b.to_dtype(DType::F64).unwrap()).unwrap();
    product.sum_all().unwrap().to_scalar().unwrap()
}

/// Asserts `|a - b| <= tolerance * max(|a|, |b|, floor)`, and fails on NaN.
pub fn assert_close(a: f64, b: f64, tolerance: f64, what: &str) {
    let scale = a.abs().max(b.abs()).max(1e-3);
    let fits = (a - b).abs() <= tolerance * scale;
    assert!(
        fits,
        "{what}: {a} and {b} differ by more than {tolerance} of {scale}"
    );
}

/// Checks a pullback at `x` in several directions: `<dy, f(x + hv) - f(x - hv)> / 2h` against
/// `<pullback(dy), v>`, for one output cotangent `dy` and one-element and dense directions `v`.
pub fn pullback_matches_differences(
    x: &Tensor,
    forward: impl Fn(&Tensor) -> Result<Tensor>,
    pullback: impl Fn(&Tensor) -> Result<Tensor>,
) {
    let step = 1e-5;
    let y = forward(x).unwrap();
    let dy = wave(y.dims(), 0.4);
    let dx = pullback(&dy).unwrap();
    assert_eq!(
        dx.dims(),
        x.dims(),
        "the pullback has the shape of the input"
    );
    let count = x.elem_count();
    let mut directions = vec![wave(x.dims(), 2.1), wave(x.dims(), 5.3)];
    for element in (0..count).step_by((count / 11).max(1)) {
        let mut one = vec![0f64; count];
        one[element] = 1.0;
        directions.push(Tensor::from_vec(one, x.dims(), &Device::Cpu).unwrap());
    }
    for (index, direction) in directions.iter().enumerate() {
        let ahead = forward(&(x + (direction * step).unwrap()).unwrap()).unwrap();
        let behind = forward(&(x - (direction * step).unwrap()).unwrap()).unwrap();
        let difference = (dot(&dy, &ahead) - dot(&dy, &behind)) / (2.0 * step);
        let label = format!("direction {index} of {:?}", x.dims());
        assert_close(
            dot(&dx, direction),
            difference,
            DIFFERENCE_TOLERANCE,
            &label,
        );
    }
}

#[test]
#[should_panic(expected = "differ")]
fn comparisons_fail_on_nan() {
    assert_close(f64::NAN, 1.0, 1e9, "nan");
}
