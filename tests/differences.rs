//! The pullback of whole encoders against directional central differences, in `f64`.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use percept::encoder::layer::Rules;
use percept::encoder::tap::{Relu, TapId};
use percept::model::{Model, Options};
use percept::objective::{Bound, Objective, Sources};

/// Relative to the derivative. A step of 1e-6 crosses almost no ReLU's kink; the differences
/// carry about 1e-9.
const TOLERANCE: f64 = 1e-5;

fn load(name: &str) -> Model {
    let options = Options {
        dtype: DType::F64,
        ..Options::default()
    };
    Model::load(name, options).unwrap()
}

fn wave(side: usize, phase: f64) -> Tensor {
    let values: Vec<f64> = (0..3 * side * side)
        .map(|i| (i as f64 * 0.0371 + phase).sin() + (i as f64 * 0.77 * phase).cos())
        .collect();
    Tensor::from_vec(values, (1, 3, side, side), &Device::Cpu).unwrap()
}

fn derivative_matches(model: &Model, spelling: &str, side: usize) {
    let objective: Objective = spelling.parse().unwrap();
    let bound = Bound::new(&objective, &Sources::new(model)).unwrap();
    let evaluate = |x: &Tensor| {
        let pass = model.encoder.forward(x, bound.taps()).unwrap();
        let evaluation = bound.evaluate(&model.encoder, &pass, None).unwrap();
        let gradient = pass
            .pullback(&evaluation.at_taps, Rules::default())
            .unwrap();
        (evaluation.value, gradient)
    };
    let x = wave(side, 1.0);
    let (_, gradient) = evaluate(&x);
    for phase in [2.0, 3.0, 5.0] {
        let direction = wave(side, phase);
        let step = 1e-6;
        let moved = |sign: f64| evaluate(&(&x + (&direction * (sign * step)).unwrap()).unwrap()).0;
        let difference = (moved(1.0) - moved(-1.0)) / (2.0 * step);
        let derivative: f64 = (&gradient * &direction)
            .unwrap()
            .sum_all()
            .unwrap()
            .to_scalar()
            .unwrap();
        let scale = difference.abs().max(derivative.abs());
        let fits = scale > 1e-9 && (difference - derivative).abs() <= TOLERANCE * scale;
        assert!(
            fits,
            "{spelling} along {phase}: {derivative} and {difference}"
        );
    }
}

#[test]
fn the_embedded_resnet_at_many_taps() {
    let model = load("mini");
    for objective in [
        "stem:3",
        "layer1.0.conv1:5",
        "layer2.1:7",
        "layer3.2.sum:11",
        "layer3.0.conv2:5",
        "layer4.0.sum:491",
        "layer4.0.sum:491@1,0",
        "embedding:9",
        "text(\"a dog\") - 0.5*text(\"a cat\")",
        "deepdream(layer3) + 0.1*layer3:4",
        "layer4.0.sum:491 - 0.5*layer3.1.sum:40 + 2*layer1:3@centre",
    ] {
        derivative_matches(&model, objective, 64);
    }
    derivative_matches(&model, "layer4.0.sum:30", 97);
}

#[test]
fn a_vit_at_many_taps() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vit/openai.pt");
    let model = load(path.to_str().unwrap());
    for objective in [
        "blocks.0.attn:3",
        "blocks.0.mlp:100",
        "blocks.0:17",
        "blocks.1.mlp:88@2,3",
        "blocks.1.attn:40",
        "blocks.1:5 + blocks.0.mlp:9",
        "embedding:1",
    ] {
        derivative_matches(&model, objective, 64);
    }
}

/// What a tap says of the ReLU beside it is what its values say.
#[test]
fn only_taps_behind_a_relu_have_no_value_below_zero() {
    let vit = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vit/openai.pt");
    for (name, has_relus) in [("mini", true), (vit.to_str().unwrap(), false)] {
        let encoder = load(name).encoder;
        let taps: Vec<TapId> = (0..encoder.taps().len()).map(TapId).collect();
        let pass = encoder
            .forward(&wave(encoder.resolution(), 1.0), &taps)
            .unwrap();
        for &tap in &taps {
            let activation = pass.activation(tap).unwrap().flatten_all().unwrap();
            let lowest: f64 = activation.min(0).unwrap().to_scalar().unwrap();
            let tap = encoder.tap(tap);
            assert_eq!(lowest >= 0.0, tap.relu == Relu::Behind, "{tap}: {lowest}");
            assert_eq!(tap.relu == Relu::Ahead, tap.name.ends_with(".sum"), "{tap}");
        }
        let mut taps = encoder.taps().iter();
        assert_eq!(taps.any(|tap| tap.has_relu()), has_relus, "{name}");
    }
}
