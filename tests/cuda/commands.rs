//! The program on the device, and what it says where there is none.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::common::{command, files, fixture, json, refusal, success};
use super::{gpu, is_real};

const SHORT: [&str; 4] = ["--steps", "3", "--quiet", "--scale"];

/// Whether the device is a CPU that acts as a GPU: it can be told to lack things, and counts launches.
fn on_a_cpu() -> bool {
    gpu().is_some_and(|gpu| !is_real(&gpu))
}

#[test]
fn a_picture_of_a_gpu_can_be_replayed() {
    if gpu().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    for dtype in ["f32", "bf16"] {
        let picture = format!("{dtype}.png");
        let render = [
            "render", "117", "--device", "cuda:0", "--dtype", dtype, "--out", &picture, "1",
        ];
        let (fixed, scale) = render.split_at(render.len() - 1);
        success(folder.path(), &[fixed, &SHORT, scale].concat());
        let sidecar = folder.path().join(format!("{dtype}.json"));
        let recipe = &json(&sidecar)["recipe"];
        assert_eq!(
            (&recipe["device"], &recipe["dtype"]),
            (&"cuda".into(), &dtype.into())
        );
        let answer = success(folder.path(), &["replay", &format!("{dtype}.json")]);
        assert!(
            answer.stderr.contains("the same bytes"),
            "{}",
            answer.stderr
        );
    }
}

#[test]
fn an_atlas_finds_its_own_batch_and_holds_the_pictures_of_render() {
    if gpu().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let fixed = ["--device", "cuda", "--steps", "3", "--scale", "1"];
    let atlas = ["atlas", "--units", "117,139,317"];
    success(folder.path(), &[&atlas[..], &fixed].concat());
    let render = ["render", "317", "--batch", "auto", "--out", "317.png"];
    success(folder.path(), &[&render[..], &fixed].concat());
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let own = read("atlas/pictures/layer4.0.sum/317-v0.png");
    assert!(own == read("317.png"), "another batch, other bytes");
    let journal = String::from_utf8(read("atlas/journal/0-of-1.jsonl")).unwrap();
    assert!(journal.contains("\"batch\":3"), "{journal}");
}

/// Units of two taps, more than a batch, and one that has no gradient.
#[test]
fn a_vision_transformer_and_a_residual_network_render() {
    if gpu().is_none() {
        return;
    }
    for (model, units) in [
        (
            "vit/openai.pt",
            ["blocks.0.mlp:3", "blocks.1:2", "embedding:1"],
        ),
        (
            "rn/openai.pt",
            ["layer4.0.sum:3", "layer2.0.conv2:1", "embedding:1"],
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let model = fixture(model).display().to_string();
        let fixed = [
            "render", "--model", &model, "--device", "cuda", "--batch", "2", "--out", ".",
        ];
        success(
            folder.path(),
            &[&fixed, &units[..], &SHORT, &["1"]].concat(),
        );
        let here = TempDir::new().unwrap();
        let fixed = ["render", "--model", &model, "--out", "."];
        success(here.path(), &[&fixed, &units[..], &SHORT, &["1"]].concat());
        for entry in std::fs::read_dir(here.path()).unwrap() {
            let name = entry.unwrap().file_name();
            if !name.to_string_lossy().ends_with(".json") {
                continue;
            }
            let [ours, gold] = [&folder, &here].map(|folder| json(&folder.path().join(&name)));
            for key in ["clean", "robust_mean"] {
                let [ours, gold] =
                    [&ours, &gold].map(|side| side["quality"][key].as_f64().unwrap());
                assert!(
                    (ours - gold).abs() <= 1e-3 * gold.abs().max(1.0),
                    "{name:?}: {ours}, {gold}"
                );
            }
        }
    }
}

/// What the CPU that acts as a GPU can be told to lack.
#[test]
fn what_a_device_lacks_is_said_with_the_cure() {
    if !on_a_cpu() {
        return;
    }
    for (variable, value, device, words) in [
        (
            "FAKE_CUDA_DEVICES",
            "0",
            "cuda",
            &["finds no device", "--device cpu"][..],
        ),
        (
            "FAKE_CUDA_DEVICES",
            "2",
            "cuda:5",
            &["no device cuda:5", "cuda:1"],
        ),
        (
            "FAKE_CUDA_MAJOR",
            "7",
            "cuda",
            &["compute capability 7.0", "8.0", "--device cpu"],
        ),
        (
            "FAKE_CUDA_BYTES",
            "1000000",
            "cuda",
            &["not enough memory", "--batch"],
        ),
        (
            "FAKE_CUDA_BYTES",
            "6000000",
            "cuda",
            &["not enough memory", "--batch"],
        ),
        (
            "LD_LIBRARY_PATH",
            "",
            "cuda",
            &["no CUDA driver", "--device cpu"],
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let mut command = command(folder.path(), &["render", "117", "--device", device]);
        command.args(SHORT).arg("1").env(variable, value);
        refusal(command, folder.path(), words);
    }
}

/// Convolutions of 16-bit numbers alone need cuDNN, of the version that percept knows.
#[cfg(feature = "cudnn")]
#[test]
fn a_missing_cudnn_is_said_with_the_cure_and_not_missed_in_f32() {
    if !on_a_cpu() {
        return;
    }
    // The driver and cuBLAS without it.
    let libraries = TempDir::new().unwrap();
    let known = std::env::var_os("LD_LIBRARY_PATH").unwrap();
    for name in ["libcuda.so", "libcublas.so"] {
        let mut found = std::env::split_paths(&known).map(|folder| folder.join(name));
        let found = found.find(|path| path.exists()).unwrap();
        std::os::unix::fs::symlink(found, libraries.path().join(name)).unwrap();
    }
    let without = ("LD_LIBRARY_PATH", libraries.path().as_os_str());
    let older = ("FAKE_CUDNN_VERSION", "8907".as_ref());
    for (dtype, (variable, value), words) in [
        ("bf16", without, &["cuDNN was not found"][..]),
        ("f16", older, &["version 8907", "cuDNN 9"]),
        ("f32", without, &[]),
    ] {
        let folder = TempDir::new().unwrap();
        let render = ["render", "117", "--device", "cuda", "--dtype", dtype];
        let mut command = command(folder.path(), &render);
        command.args(SHORT).arg("1").env(variable, value);
        if words.is_empty() {
            assert!(command.output().unwrap().status.success());
        } else {
            let cures = [
                "LD_LIBRARY_PATH",
                "--dtype f32",
                "without the feature cudnn",
            ];
            refusal(command, folder.path(), &[words, &cures].concat());
        }
    }
}

/// How often a render of so many steps launches each kernel, as the CPU that acts as a GPU sees it.
fn launches(steps: usize, arguments: &[&str]) -> BTreeMap<String, usize> {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let fixed = ["render", "--device", "cuda", "--quiet", "--out", "."];
    let mut command = command(
        folder.path(),
        &[&fixed, &["--steps", &steps.to_string()][..], arguments].concat(),
    );
    let output = command.env("FAKE_CUDA_LOG", &log).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let mut counts = BTreeMap::new();
    for name in std::fs::read_to_string(log).unwrap().lines() {
        let kinds = ["_f32", "_bf16"];
        let own = kinds.iter().find_map(|kind| name.strip_suffix(kind));
        *counts.entry(own.unwrap_or(name).to_owned()).or_insert(0) += 1;
    }
    counts
}

/// How often each of these steps, counted from 0, launches each kernel.
fn launches_of_steps(steps: Range<usize>, arguments: &[&str]) -> Vec<BTreeMap<String, usize>> {
    let counts: Vec<BTreeMap<String, usize>> = (steps.start..=steps.end)
        .map(|steps| launches(steps, arguments))
        .collect();
    let step = |pair: &[BTreeMap<String, usize>]| {
        let mut own = pair[1].clone();
        for (name, count) in &mut own {
            *count -= pair[0].get(name).unwrap_or(&0);
        }
        own.retain(|_, count| *count > 0);
        own
    };
    counts.windows(2).map(step).collect()
}

/// The counts in `kernels/README.md` are those of `kernels/roofline.py`.
#[test]
fn a_step_launches_what_the_roofline_counts() {
    if !on_a_cpu() {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels/roofline.py");
    for (name, dtype, model, unit) in [
        ("rn", "f32", fixture("rn/openai.pt"), "3"),
        ("vit", "f32", fixture("vit/openai.pt"), "3"),
        ("mini", "f32", "mini".into(), "117"),
        ("mini", "bf16", "mini".into(), "117"),
    ] {
        let mut python = Command::new("python3");
        python.arg(&script).args(["--launches", name, dtype]);
        if cfg!(feature = "cudnn") {
            python.arg("--cudnn");
        }
        let Ok(counted) = python.output() else {
            eprintln!("SKIPPED, no python3");
            return;
        };
        let counted = String::from_utf8(counted.stdout).unwrap();
        let counted: BTreeMap<String, usize> = counted
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(name, count)| (name.to_owned(), count.parse().unwrap()))
            .collect();
        let model = model.display().to_string();
        assert_eq!(
            launches_of_steps(2..3, &["--model", &model, "--dtype", dtype, unit]),
            [counted],
            "{name}, {dtype}"
        );
    }
}

/// A device looks at what it made: once without transforms, and under four.
#[test]
fn pictures_are_looked_at_where_they_are_made() {
    if !on_a_cpu() {
        return;
    }
    let steps = 2;
    let launches = launches(steps, &["--model", "mini", "117"]);
    assert_eq!(launches["reduce_values_fwd"], steps + 1 + 4);
}

/// Where a ReLU's output is read by a pool alone, one pass makes both; not where it is read at a tap.
#[test]
fn a_tap_parts_a_relu_from_its_pool() {
    if !on_a_cpu() {
        return;
    }
    let counts = ["layer4.0.sum:3", "layer4.0.sum:3 + layer2.0.conv2:1"]
        .map(|unit| launches_of_steps(2..3, &["--model", "mini", unit]));
    let [fused, parted] = counts.map(|counts| {
        ["pool_fwd", "winograd_pool_fwd"].map(|name| counts[0].get(name).copied().unwrap_or(0))
    });
    assert_eq!(parted, [fused[0] + 1, fused[1] - 1]);
}

/// A step that is like an earlier one is a launch of one graph: from the second on, and, where the first have
/// redirected ReLUs, again from the second without.
#[test]
fn a_graph_stands_for_the_launches_of_a_step() {
    if !on_a_cpu() {
        return;
    }
    let redirected = ["117", "--redirect", "2"];
    let alone = launches_of_steps(1..4, &redirected);
    let recorded = launches_of_steps(1..4, &[&redirected[..], &["--cuda-graph"]].concat());
    let redirects = |step: &BTreeMap<_, _>| step.contains_key("relu_redirect_bwd");
    assert_eq!(
        alone.iter().map(redirects).collect::<Vec<_>>(),
        [true, false, false]
    );
    for ((mut recorded, alone), graphs) in recorded.into_iter().zip(alone).zip([1, 0, 1]) {
        assert_eq!(recorded.remove("graph").unwrap_or(0), graphs);
        assert_eq!(recorded, alone);
    }
}

/// Two devices share a batch, and make the pictures that one makes.
#[test]
fn several_devices_share_the_units() {
    if !on_a_cpu() {
        return;
    }
    let render = |device: &str| {
        let folder = TempDir::new().unwrap();
        let mut command = command(
            folder.path(),
            &["render", "3..6", "--device", device, "--out", "."],
        );
        command.args(SHORT).arg("1").env("FAKE_CUDA_DEVICES", "2");
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let names = files(folder.path()).into_iter();
        let pictures = names.filter(|name| name.extension().is_some_and(|end| end == "png"));
        let read = |name| std::fs::read(folder.path().join(name)).unwrap();
        let pictures: Vec<_> = pictures.map(read).collect();
        assert_eq!(pictures.len(), 3);
        pictures
    };
    assert!(render("cuda:0,1") == render("cuda"));
}
