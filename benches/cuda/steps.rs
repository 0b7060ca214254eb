//! Whole steps of known networks, and renders of the embedded model.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use percept::ascent::cuda::GpuModel;
use percept::ascent::{Job, Settings, Watch};
use percept::device::Dtype;
use percept::model::{Model, Options};
use percept::objective::Sources;
use percept::param::Basis;
use percept::seed::Key;
use percept::size::Size;
use percept::transform::preset::lucid;

use crate::networks::{Network, RN50, RN50X4, SMALL_RESNET, SMALL_VIT, VIT_B_32, random};
use crate::rates::{Clock, Rates};

fn settings(size: usize, steps: usize) -> Settings {
    Settings {
        basis: Basis::Fourier { decay: 1.0 },
        size: Size::square(size),
        steps,
        learning_rate: 0.05,
        preset: String::new(),
        transforms: lucid(),
        redirect_steps: 0,
        checkpoints: Vec::new(),
    }
}

fn jobs(model: &Model, units: usize) -> Vec<Job> {
    let tap = &model.encoder.tap(model.encoder.default_tap()).name;
    (0..units)
        .map(|unit| {
            let objective = format!("{tap}:{unit}").parse();
            let key = Key::new(0, unit.to_string(), 0);
            Job::new(&objective.expect("an objective"), &Sources::new(model), key)
                .expect("a unit of the model")
        })
        .collect()
}

/// Notes when the first steps are done, which allocate, load and record.
struct Warm {
    /// Steps that are not timed; after the 1st and the 17th the trace is read, so the device has done them.
    steps: usize,
    since: OnceLock<Instant>,
}

impl Watch for Warm {
    fn stepped(&self, steps_done: usize) {
        if steps_done == self.steps {
            self.since.get_or_init(Instant::now);
        }
    }
}

/// The seconds of one step of a batch, warm.
fn step(
    criterion: &mut Criterion,
    clock: &Clock,
    there: &GpuModel,
    model: &Model,
    name: &str,
    batch: usize,
) -> f64 {
    let mut group = criterion.benchmark_group("steps");
    let jobs = jobs(model, batch);
    let size = model.encoder.resolution();
    let mut fewest = f64::INFINITY;
    group.throughput(Throughput::Elements(batch as u64));
    group.bench_function(name, |bench| {
        bench.iter_custom(|times| {
            let warm = Warm {
                steps: clock.size(17, 1),
                since: OnceLock::new(),
            };
            let settings = settings(size, warm.steps + times as usize);
            let rendered = there.ascend(&settings, &jobs, &warm);
            let taken = warm.since.get().map_or(Duration::ZERO, Instant::elapsed);
            for rendered in rendered {
                rendered.expect("a picture");
            }
            fewest = fewest.min(taken.as_secs_f64() / times as f64);
            taken.max(Duration::from_nanos(1))
        });
    });
    group.finish();
    fewest
}

/// What `kernels/roofline.py` predicts at the measured rates, in milliseconds.
fn predicted(rates: &Rates, network: &str, dtype: Dtype, batch: usize) -> Option<f64> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels/roofline.py");
    let tensor = match dtype {
        Dtype::F16 => rates.half[0],
        _ => rates.half[1],
    };
    let rates = [rates.memory, rates.single, tensor].map(|rate| rate.to_string());
    let output = Command::new("python3")
        .arg(script)
        .arg("--predict")
        .args([network, &dtype.to_string(), &batch.to_string()])
        .args(rates)
        .args(cfg!(feature = "cudnn").then_some("--cudnn"))
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Steps in `f32` and `bf16`, of one picture and of 32, launch by launch and as a graph.
pub fn steps(criterion: &mut Criterion, clock: &Clock, rates: &Rates) {
    let networks: &[Network] = match clock.is_real {
        true => &[RN50, RN50X4, VIT_B_32],
        false => &[SMALL_RESNET, SMALL_VIT],
    };
    let batches = clock.size([1, 32], [1, 2]);
    let mut rows = Vec::new();
    for &network in networks {
        let model = random(network);
        for (dtype, how) in [
            (Dtype::F32, ""),
            (Dtype::F32, ", as a graph"),
            (Dtype::Bf16, ""),
            (Dtype::Bf16, ", as a graph"),
        ] {
            let there = GpuModel::upload(&model, clock.gpu.clone(), dtype).expect("room");
            let there = there.recording(!how.is_empty());
            for batch in batches {
                let name = format!("{}, {dtype}, batch {batch}{how}", network.0);
                let ms = 1e3 * step(criterion, clock, &there, &model, &name, batch);
                let predicted = predicted(rates, network.0, dtype, batch)
                    .map_or("-".to_owned(), |predicted| {
                        format!("{predicted:.2} | {:.2}", ms / predicted)
                    });
                rows.push(format!(
                    "| {name} | {ms:.2} | {predicted} | {:.0} |",
                    1e3 * batch as f64 / ms
                ));
            }
        }
    }
    println!(
        "\n| step | ms | predicted from the measured rates, ms | times that | images a second |"
    );
    println!("|---|---|---|---|---|");
    println!("{}\n", rows.join("\n"));
}

/// Whole ascents of the embedded model; throughput is in pictures.
pub fn renders(criterion: &mut Criterion, clock: &Clock) {
    let mut group = criterion.benchmark_group("ascents of mini, 64 px");
    let model = Model::load("mini", Options::default()).expect("the embedded model");
    let (sizes, steps) = clock.size(([1, 64, 768], 256), ([1, 2, 3], 2));
    for dtype in [Dtype::F32, Dtype::Bf16] {
        let there = GpuModel::upload(&model, clock.gpu.clone(), dtype).expect("room");
        for units in sizes {
            let (jobs, settings) = (jobs(&model, units), settings(64, steps));
            group.throughput(Throughput::Elements(units as u64));
            let name = format!("{units} units, {steps} steps, {dtype}");
            clock.time(&mut group, &name, || {
                let rendered = there.ascend(&settings, &jobs, &());
                rendered
                    .into_iter()
                    .try_for_each(|rendered| rendered.map(drop))
            });
        }
    }
    group.finish();
}
