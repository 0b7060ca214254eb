//! Times the forward pass to a tap and the pullback to the image, for comparisons with other
//! programs: `cargo bench --bench step -- WEIGHTS OBJECTIVE SIDE BATCH REPEATS` prints the seconds of
//! each repeat, one a line.

use std::time::Instant;

use candle_core::{Device, Tensor};
use percept::backend::threads::map_images;
use percept::encoder::layer::Rules;
use percept::model::{Model, Options};
use percept::objective::{Bound, Objective, Sources};

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let [weights, objective, side, batch, repeats] = &arguments[..] else {
        eprintln!("usage: cargo bench --bench step -- WEIGHTS OBJECTIVE SIDE BATCH REPEATS");
        return;
    };
    let number = |text: &String| text.parse::<usize>().expect("a number");
    let (side, batch, repeats) = (number(side), number(batch), number(repeats));
    let model = Model::load(weights, Options::default()).expect("weights");
    let objective: Objective = objective.parse().expect("an objective");
    let bound = Bound::new(&objective, &Sources::new(&model)).expect("a unit of the model");
    let images: Vec<Tensor> = (0..batch)
        .map(|image| {
            let value = |i: usize| ((i * 7919 + image * 31) % 2003) as f32 / 1001.0 - 1.0;
            let pixels: Vec<f32> = (0..3 * side * side).map(value).collect();
            Tensor::from_vec(pixels, (1, 3, side, side), &Device::Cpu).expect("an image")
        })
        .collect();
    for _ in 0..repeats {
        let start = Instant::now();
        map_images(images.iter().collect(), |_, image: &Tensor| {
            let pass = model.encoder.forward(image, bound.taps()).expect("a pass");
            let evaluation = bound
                .evaluate(&model.encoder, &pass, None)
                .expect("a value");
            pass.pullback(&evaluation.at_taps, Rules::default())
                .expect("a gradient")
        });
        println!("{}", start.elapsed().as_secs_f64());
    }
}
