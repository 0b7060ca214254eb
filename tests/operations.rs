//! The Fourier synthesis and the warp against PyTorch.
//! `tests/fixtures/generate.py` made the expected values.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use percept::ops::colour;
use percept::ops::fourier::Synthesis;
use percept::ops::warp::{Fill, PlaneMap, Sampling, Warp};

/// Both sides compute in `f64`.
const TOLERANCE: f64 = 1e-10;

fn expected(file: &str) -> HashMap<String, Tensor> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(file);
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

fn assert_same(ours: &Tensor, theirs: &Tensor, what: &str) {
    assert_eq!(ours.dims(), theirs.dims(), "{what}");
    let difference = (ours - theirs).unwrap().abs().unwrap().max_all().unwrap();
    let difference: f64 = difference.to_scalar().unwrap();
    assert!(difference <= TOLERANCE, "{what}: off by {difference}");
}

#[test]
fn synthesis_and_its_pullback_match_pytorch() {
    let expected = expected("fourier.safetensors");
    for (height, width) in [(8, 8), (7, 5), (13, 11), (16, 9)] {
        let get = |name: &str| {
            expected[&format!("{height}x{width}.{name}")]
                .unsqueeze(0)
                .unwrap()
        };
        let spectrum = get("spectrum");
        for (decay, name) in [(1.0, "image"), (1.5, "image15")] {
            let synthesis = Synthesis::new(height, width, decay);
            let image = colour::forward(&synthesis.forward(&spectrum).unwrap()).unwrap();
            assert_same(
                &image,
                &get(name),
                &format!("{height}x{width} decay {decay}"),
            );
            if decay == 1.0 {
                let dt = colour::pullback(&image, &get("cotangent")).unwrap();
                let gradient = synthesis.pullback(&dt).unwrap();
                assert_same(
                    &gradient,
                    &get("gradient"),
                    &format!("{height}x{width} gradient"),
                );
            }
        }
    }
}

#[test]
fn warps_and_their_pullbacks_match_grid_sample() {
    let expected = expected("warp.safetensors");
    let picture = expected["picture"].unsqueeze(0).unwrap();
    let (_, _, height, width) = picture.dims4().unwrap();
    let theta = expected["theta"].to_vec3::<f64>().unwrap();
    for (index, rows) in theta.iter().enumerate() {
        let sampling = |fill| Sampling {
            map: PlaneMap {
                linear: [[rows[0][0], rows[0][1]], [rows[1][0], rows[1][1]]],
                shift: [rows[0][2], rows[1][2]],
            },
            fill,
        };
        let warp = |fill| Warp {
            size: (7, 8),
            samplings: vec![sampling(fill)],
            mean: [0.0; 3],
            deviation: [1.0; 3],
        };
        let get = |name: &str| expected[&format!("{name}.{index}")].unsqueeze(0).unwrap();
        let zeros = warp(Fill::Constant(0.0));
        assert_same(&zeros.forward(&picture).unwrap(), &get("zeros"), "zeros");
        assert_same(
            &warp(Fill::Edge).forward(&picture).unwrap(),
            &get("border"),
            "border",
        );
        let gradient = zeros.pullback(&get("cotangent"), height, width).unwrap();
        assert_same(&gradient, &get("zeros.gradient"), "gradient");
    }
}
