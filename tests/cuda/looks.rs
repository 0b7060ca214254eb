//! Quality numbers of pictures that the device looks at, and of the same pictures looked at by the CPU.

use std::sync::Arc;

use percept::ascent::cuda::GpuModel;
use percept::ascent::quality::{Judge, Measured};
use percept::ascent::{Job, Rendered, Settings, ascend};
use percept::backend::cuda::Gpu;
use percept::device::Dtype;
use percept::error::{Error, Kind};
use percept::model::{Model, Options};
use percept::size::Size;

use super::ascent::{DECAY_1, jobs, settings, unwrap, write_vector};
use super::gpu;
use super::networks::{SMALL_VIT, random};

fn measured(model: &Model, jobs: &[Job], rendered: &[Rendered]) -> Vec<Measured> {
    let judge = Judge::new(model);
    let measure = |(job, rendered): (&Job, _)| judge.measure(job, rendered, &()).unwrap();
    jobs.iter().zip(rendered).map(measure).collect()
}

/// How far numbers may be from the CPU's, as a share of the largest.
fn within(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F32 => 1e-4,
        Dtype::F16 => 2e-2,
        Dtype::Bf16 => 1e-1,
    }
}

fn assert_close(what: &str, ours: f64, gold: f64, within: f64) {
    let error = (ours - gold).abs();
    assert!(error <= within, "{what}: {ours}, the CPU's {gold}");
}

fn compare(gpu: &Arc<Gpu>, model: &Model, size: Size, objectives: &[&str]) {
    let jobs = jobs(model, objectives);
    let settings = Settings {
        size,
        ..settings(3, DECAY_1)
    };
    let mut rendered = unwrap(ascend(model, &settings, &jobs, &()));
    let gold = measured(model, &jobs, &rendered);
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
        let there = GpuModel::upload(model, gpu.clone(), dtype).unwrap();
        let failed = Err(Error::new(Kind::Numeric, "one that failed"));
        let mut results: Vec<_> = rendered.into_iter().map(Ok).chain([failed]).collect();
        let all: Vec<Job> = jobs.iter().chain(&jobs[..1]).cloned().collect();
        there.look_at(&all, &mut results, &()).unwrap();
        assert!(results.pop().unwrap().is_err());
        rendered = unwrap(results);
        assert!(rendered.iter().all(|rendered| rendered.seen.is_some()));
        let ours = measured(model, &jobs, &rendered);
        for ((what, ours), gold) in objectives.iter().zip(ours).zip(&gold) {
            let (q, g) = (&ours.quality, &gold.quality);
            let most = within(dtype) * g.clean.abs().max(g.robust_mean.abs()).max(0.1);
            assert_close(what, q.clean, g.clean, most);
            assert_close(what, q.robust_mean, g.robust_mean, most);
            assert_close(what, q.robust_sd, g.robust_sd, most);
            assert_eq!(q.robust_draws, g.robust_draws);
            assert_eq!(ours.response.len(), gold.response.len());
            let response = ours.response.iter().zip(&gold.response);
            for (&ours, &gold) in response {
                let (ours, gold) = (f64::from(ours), f64::from(gold));
                let within = within(dtype) * gold.abs().max(1.0);
                assert_close(what, ours, gold, within);
            }
        }
    }
}

/// Units of a map and of a deeper one, a unit with a penalty, a direction, one that reads two taps, and a vector; and tokens, whose first is no position.
#[test]
fn what_a_device_sees_is_what_the_cpu_sees() {
    let Some(gpu) = gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let vector = folder.path().join("v.npy");
    write_vector(&vector, 768);
    let mini = Model::load("mini", Options::default()).unwrap();
    let objectives = [
        "layer4.0.sum:117",
        "layer4.0.sum:12 - 0.01*tv",
        "-layer3.2.sum:12",
        &format!("direction(layer4.0.sum, {}, power=2)", vector.display()),
        "layer3:12 + 0.5*layer4.0.sum:40",
        "embedding:5",
    ];
    compare(&gpu, &mini, Size::square(64), &objectives);
    let wide = Size {
        height: 32,
        width: 80,
    };
    compare(&gpu, &mini, wide, &objectives);
    let vit = random(SMALL_VIT);
    let tap = &vit.encoder.tap(vit.encoder.default_tap()).name;
    let objectives = [format!("{tap}:3"), format!("{tap}:5@centre")];
    let objectives = [&*objectives[0], &*objectives[1]];
    compare(
        &gpu,
        &vit,
        Size::square(vit.encoder.resolution()),
        &objectives,
    );
    compare(&gpu, &vit, wide, &objectives);
}
