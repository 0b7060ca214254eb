//! What an ascent does to the embedded model: objectives rise, dead units are rescued or
//! reported, one failure leaves the others alone.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{DType, Device, Tensor};
use percept::ascent::{Job, Rendered, Settings, Watch, ascend};
use percept::error::Kind;
use percept::model::{Model, Options};
use percept::objective::{Bound, Objective, Sources, Term, Text};
use percept::param::Basis;
use percept::seed::Key;
use percept::size::Size;
use percept::transform::preset::{NAMES, preset};

static MINI: LazyLock<Model> = LazyLock::new(|| Model::load("mini", Options::default()).unwrap());

/// A unit that no ascent from grey noise finds awake: after its ReLU it is zero everywhere.
static DEAD: LazyLock<String> = LazyLock::new(|| {
    let mut units = (0..192).map(|unit| format!("layer4.0.conv2:{unit}"));
    let is_dead = |unit: &String| climb(&settings(1), unit).is_err();
    units.find(is_dead).expect("some unit sleeps")
});

fn settings(steps: usize) -> Settings {
    Settings {
        basis: Basis::Fourier { decay: 1.0 },
        size: Size::square(64),
        steps,
        learning_rate: 0.05,
        preset: String::new(),
        transforms: Vec::new(),
        redirect_steps: 0,
        checkpoints: Vec::new(),
    }
}

fn climb(settings: &Settings, objective: &str) -> percept::Result<Rendered> {
    let objective: Objective = objective.parse().unwrap();
    let job = job(&objective)?;
    ascend(&MINI, settings, &[job], &()).remove(0)
}

fn job(objective: &Objective) -> percept::Result<Job> {
    let key = Key::new(0, objective.to_string(), 0);
    Job::new(objective, &Sources::new(&MINI), key)
}

fn rises(settings: &Settings, objective: &str) {
    let trace = climb(settings, objective).unwrap().trace.objective;
    let (first, last) = (trace[0], trace[trace.len() - 1]);
    assert!(last > first, "{objective}: {first} to {last}");
}

#[test]
fn every_kind_of_objective_rises_within_a_few_steps() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("v.safetensors");
    let vector: Vec<f32> = (0..768).map(|i| (i as f32 * 0.7).sin()).collect();
    Tensor::from_vec(vector, 768, &Device::Cpu)
        .unwrap()
        .save_safetensors("v", &file)
        .unwrap();
    let file = file.display();
    for objective in [
        "491".to_owned(),
        "layer4.0.sum:491@centre".to_owned(),
        "layer3.1.sum:12@0,3".to_owned(),
        "embedding:3".to_owned(),
        "-491".to_owned(),
        "layer4.0.sum:491 - 0.5*layer3.2.sum:40".to_owned(),
        "layer2.1.sum:7 - 0.1*l2 - 0.1*tv".to_owned(),
        "l2".to_owned(),
        "tv".to_owned(),
        format!("direction(layer4.0.sum, {file})"),
        format!("direction(layer4.0.sum, {file}, power=2)"),
        "text(\"a dog\") - 0.5*text(\"a cat (2*3 - 1)\")".to_owned(),
        "deepdream(layer2)".to_owned(),
    ] {
        rises(&settings(8), &objective);
    }
}

#[test]
fn a_text_is_the_cosine_of_the_embeddings_that_encode_writes() {
    let texts = ["a dog", "two words (of \"more\" - 1)"].map(str::to_owned);
    let embeddings = percept::encode::texts(&MINI, &texts).unwrap();
    let pixels: Vec<f32> = (0..3 * 64 * 64).map(|i| (i as f32 * 0.37).sin()).collect();
    let image = Tensor::from_vec(pixels, (1, 3, 64, 64), &Device::Cpu).unwrap();
    let numbers = |x: &Tensor| -> Vec<f64> {
        let x = x.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
        x.to_vec1().unwrap()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for (text, embedding) in texts.into_iter().zip(embeddings.chunk(2, 0).unwrap()) {
        let objective = Objective::from(Term::Text(Text { text }));
        assert_eq!(
            objective.to_string().parse::<Objective>().unwrap(),
            objective
        );
        let bound = Bound::new(&objective, &Sources::new(&MINI)).unwrap();
        let pass = MINI.encoder.forward(&image, bound.taps()).unwrap();
        let value = bound.evaluate(&MINI.encoder, &pass, None).unwrap().value;
        let seen = numbers(&pass.activation(bound.taps()[0]).unwrap());
        let read = numbers(&embedding);
        let cosine = dot(&seen, &read) / (dot(&seen, &seen) * dot(&read, &read)).sqrt();
        assert!((value - cosine).abs() < 1e-9, "{value}, not {cosine}");
    }
}

#[test]
fn every_preset_and_basis_climbs_at_any_size() {
    for name in NAMES {
        for (basis, size) in [
            (Basis::Fourier { decay: 1.5 }, 64),
            (Basis::Pixel, 53),
            (Basis::Fourier { decay: 1.0 }, 97),
        ] {
            let preset = preset(name).unwrap();
            let settings = Settings {
                basis,
                size: Size::square(size),
                transforms: preset.transforms,
                ..settings(12)
            };
            let rendered = climb(&settings, "layer3.2.sum:3").unwrap();
            assert_eq!(rendered.image.dims(), [1, 3, size, size]);
            let trace = rendered.trace.objective;
            assert!(trace[11] > trace[0], "{name} {basis:?} {size}: {trace:?}");
        }
    }
}

#[test]
fn a_dead_unit_is_an_error_that_says_what_to_try() {
    let error = climb(&settings(8), &DEAD).err().unwrap();
    assert_eq!(error.kind(), Kind::Numeric);
    for advice in ["no gradient", "--seed", "--redirect"] {
        assert!(error.report().contains(advice), "{}", error.report());
    }
}

#[test]
fn redirected_relus_wake_a_dead_unit() {
    let settings = Settings {
        redirect_steps: 16,
        ..settings(48)
    };
    let trace = climb(&settings, &DEAD).unwrap().trace;
    assert_eq!(trace.objective[0], 0.0);
    assert!(trace.objective[47] > 0.0, "{:?}", trace.objective);
}

#[test]
fn a_failure_leaves_the_rest_of_the_batch_alone() {
    let job = |spelling: &str| job(&spelling.parse().unwrap());
    let refused = job("layer4.0.sum:99999").unwrap_err();
    assert_eq!(refused.kind(), Kind::Request);
    let jobs = ["491", &DEAD, "12"].map(|spelling| job(spelling).unwrap());
    let results = ascend(&MINI, &settings(2), &jobs, &());
    let kinds: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().err().map(percept::Error::kind))
        .collect();
    assert_eq!(kinds, [None, Some(Kind::Numeric), None]);
    let alone = climb(&settings(2), "12").unwrap();
    let bits = |rendered: &Rendered| {
        rendered
            .image
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
    };
    assert_eq!(bits(results[2].as_ref().unwrap()), bits(&alone));
}

#[test]
fn a_step_that_overflows_is_an_error() {
    let settings = Settings {
        learning_rate: 1e38,
        ..settings(6)
    };
    let error = climb(&settings, "491 - 1e30*l2")
        .err()
        .map(|error| error.kind());
    assert!(error.is_none_or(|kind| kind == Kind::Numeric));
}

#[test]
fn checkpoints_are_the_pictures_of_shorter_runs() {
    let settings_with = Settings {
        checkpoints: vec![2, 5],
        ..settings(5)
    };
    let rendered = climb(&settings_with, "491").unwrap();
    assert_eq!(rendered.checkpoints.len(), 2);
    let shorter = climb(&settings(2), "491").unwrap();
    for ((_, kept), whole) in rendered
        .checkpoints
        .iter()
        .zip([&shorter.image, &rendered.image])
    {
        let difference = (kept - whole).unwrap().abs().unwrap().max_all().unwrap();
        assert_eq!(
            difference
                .to_dtype(DType::F64)
                .unwrap()
                .to_scalar::<f64>()
                .unwrap(),
            0.0
        );
    }
}

/// Stops an ascent when it has been asked so often whether to.
struct Stop {
    after: usize,
    asked: AtomicUsize,
}

impl Watch for Stop {
    fn should_stop(&self) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst) >= self.after
    }
}

#[test]
fn a_batch_stops_between_images_and_each_is_the_picture_of_the_steps_that_it_did() {
    let long = settings(1_000_000);
    let units = ["491", "117", "3", "40", "5"];
    let jobs = units.map(|unit| {
        let objective: Objective = format!("layer4.0.sum:{unit}").parse().unwrap();
        job(&objective).unwrap()
    });
    let mut reached = Vec::new();
    for after in [0, 4, 17] {
        let stop = Stop {
            after,
            asked: AtomicUsize::new(0),
        };
        let stopped = ascend(&MINI, &long, &jobs, &stop);
        for (job, stopped) in jobs.iter().zip(stopped) {
            let stopped = stopped.unwrap();
            let steps = stopped.steps_done;
            reached.push(steps);
            assert_eq!(stopped.trace.objective.len(), steps);
            let whole = ascend(&MINI, &settings(steps), std::slice::from_ref(job), &());
            let values = |rendered: &Rendered| {
                let values = rendered.image.flatten_all().unwrap();
                values.to_vec1::<f32>().unwrap()
            };
            assert!(
                values(&stopped) == values(whole[0].as_ref().unwrap()),
                "{steps}"
            );
        }
        let done: usize = reached[reached.len() - jobs.len()..].iter().sum();
        assert!(
            done <= after,
            "{done} steps after it was asked {after} times"
        );
    }
    assert!(reached.iter().any(|&steps| steps > 0));
}
