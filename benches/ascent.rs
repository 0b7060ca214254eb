//! Times what surrounds the encoder in a step, at 224 pixels, and whole ascents of the embedded model:
//! `cargo bench --bench ascent`. Together the first group must stay below a twentieth of the encoder's
//! own time, which `cargo bench --bench step` shows.

use std::hint::black_box;
use std::time::Duration;

use candle_core::{DType, Tensor};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use percept::ascent::adam::Adam;
use percept::ascent::{Job, Settings, ascend};
use percept::model::{Model, Options};
use percept::objective::Sources;
use percept::ops::warp::Warp;
use percept::param::{Basis, Parameterisation};
use percept::seed::{Key, Purpose};
use percept::size::Size;
use percept::transform::preset::lucid;
use percept::transform::sample;

const SIDE: usize = 224;
const LUCID: Basis = Basis::Fourier { decay: 1.0 };

fn around_the_encoder(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("around the encoder, 224 px");
    group.measurement_time(Duration::from_secs(2));
    let parameterisation = Parameterisation::new(LUCID, Size::square(SIDE));
    let key = Key::new(0, "bench", 0);
    let parameters = parameterisation
        .initial(&mut key.stream(Purpose::Initial, 0), DType::F32)
        .expect("parameters");
    let (image, saved) = parameterisation.forward(&parameters).expect("an image");
    let sampling = |step| {
        sample(
            &lucid(),
            Size::square(SIDE),
            Size::square(SIDE),
            &mut key.stream(Purpose::Transform, step),
        )
    };
    let warp = Warp {
        size: (SIDE, SIDE),
        samplings: vec![sampling(3)],
        mean: [0.48; 3],
        deviation: [0.27; 3],
    };
    group.bench_function("parameters to image", |bench| {
        bench.iter(|| parameterisation.forward(black_box(&parameters)));
    });
    group.bench_function("image to parameters", |bench| {
        bench.iter(|| parameterisation.pullback(&saved, black_box(&image)));
    });
    group.bench_function("warp forward", |bench| {
        bench.iter(|| warp.forward(black_box(&image)));
    });
    group.bench_function("warp pullback", |bench| {
        bench.iter(|| warp.pullback(black_box(&image), SIDE, SIDE));
    });
    group.bench_function("Adam", |bench| {
        bench.iter_batched_ref(
            || Adam::new(&parameters, 0.05).expect("an optimiser"),
            |adam| adam.ascend(&parameters, black_box(&parameters)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// Of units of the embedded model's last block; throughput is in units.
fn ascents(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ascents of mini, 64 px");
    group.sample_size(10);
    let model = Model::load("mini", Options::default()).expect("the embedded model");
    for (units, steps) in [(1, 1), (1, 256), (64, 256)] {
        let settings = Settings {
            basis: LUCID,
            size: Size::square(64),
            steps,
            learning_rate: 0.05,
            preset: String::new(),
            transforms: lucid(),
            redirect_steps: 0,
            checkpoints: Vec::new(),
        };
        let jobs: Vec<Job> = (0..units)
            .map(|unit| {
                let objective = format!("layer4.0.sum:{unit}").parse();
                let key = Key::new(0, unit.to_string(), 0);
                Job::new(
                    &objective.expect("an objective"),
                    &Sources::new(&model),
                    key,
                )
                .expect("a unit of the model")
            })
            .collect();
        group.throughput(Throughput::Elements(units));
        group.bench_function(format!("{units} units, {steps} steps"), |bench| {
            bench.iter(|| -> Vec<Tensor> {
                let rendered = ascend(&model, &settings, &jobs, &());
                rendered
                    .into_iter()
                    .map(|rendered| rendered.expect("a picture").image)
                    .collect()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, around_the_encoder, ascents);
criterion_main!(benches);
