//! Facets: what they add on the way back, against central differences in `f64` with the other terms' cotangent held.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, WithDType};
use percept::ascent::{Job, Settings, ascend};
use percept::backend::cpu::Real;
use percept::backend::field::Field;
use percept::encoder::Visit;
use percept::encoder::engine::Cpu;
use percept::encoder::layer::Rules;
use percept::encoder::program::Program;
use percept::encoder::tap::TapId;
use percept::model::{Model, Options};
use percept::objective::{Bound, Objective, Sources};
use percept::param::{Basis, Parameterisation};
use percept::seed::{Key, Purpose};
use percept::size::Size;
use tempfile::TempDir;

use crate::common::{SHORT, files, fixture, json, refused, success};

/// Relative to the derivative.
const TOLERANCE: f64 = 1e-5;

fn load(name: &str) -> Model {
    let options = Options {
        dtype: DType::F64,
        ..Options::default()
    };
    Model::load(name, options).unwrap()
}

fn wave(shape: &[usize], phase: f64) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count)
        .map(|i| (i as f64 * 0.0371 + phase).sin() + (i as f64 * 0.77 * phase).cos())
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// A style, `(channels)` or `(channels, h, w)`.
fn write_style(path: &Path, shape: &[usize]) {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| (i as f64 * 0.7).sin()).collect();
    let style = ndarray::ArrayD::<f64>::from_shape_vec(shape, values).unwrap();
    ndarray_npy::write_npy(path, &style).unwrap();
}

/// What is asked of an encoder: an objective at an input, with the pure cotangents at facets' taps, if they are held.
struct At<'a> {
    model: &'a Model,
    bound: &'a Bound,
    x: &'a Tensor,
    held: Option<&'a Vec<Vec<f64>>>,
}

/// The value, its gradient, and the pure cotangents at the facets' taps.
type Found = (f64, Vec<f64>, Vec<Vec<f64>>);

impl Visit for At<'_> {
    type Output = Found;

    fn visit<T: Real>(self, program: &Program<Cpu<T>>) -> Found {
        let encoder = &self.model.encoder;
        let side = Size::of(self.x).unwrap();
        let input = Field::<T>::from_planes(self.x).unwrap();
        let taps = self.bound.taps();
        let run = program.run(input, taps).unwrap();
        let mut value = 0.0;
        let mut cotangents = Vec::new();
        for &id in taps {
            let a = run.activation(id).unwrap();
            let mut own = Field::any(a.extent);
            let at = (id, encoder.tap(id));
            value += self.bound.read(at, (a, 0), &mut own.elements).unwrap();
            cotangents.push((id, own));
        }
        let facets: Vec<TapId> = taps
            .iter()
            .copied()
            .filter(|&tap| self.bound.styles(encoder, tap, side).is_some())
            .collect();
        let rules = Rules::default();
        let mut pure = program
            .cotangents_at(&run, &cotangents, &facets, rules)
            .unwrap();
        if let Some(held) = self.held {
            for (pure, held) in pure.iter_mut().zip(held) {
                for (pure, &held) in pure.elements.iter_mut().zip(held) {
                    *pure = T::of(held);
                }
            }
        }
        for (&tap, pure) in facets.iter().zip(&pure) {
            let styles = self.bound.styles(encoder, tap, side).unwrap();
            let (_, own) = cotangents.iter_mut().find(|(id, _)| *id == tap).unwrap();
            let a = run.activation(tap).unwrap();
            value += styles.read_image(encoder.tap(tap), 0, (a, pure), own);
        }
        let dx = program.pullback(&run, cotangents, rules).unwrap();
        let numbers = |x: &Tensor| -> Vec<f64> {
            let x = x.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
            x.to_vec1().unwrap()
        };
        let pure = pure.iter().map(|pure| {
            let elements = pure.elements.iter();
            elements.map(|&x| WithDType::to_f64(x)).collect()
        });
        (value, numbers(&dx.to_planes().unwrap()), pure.collect())
    }
}

fn at(model: &Model, bound: &Bound, x: &Tensor, held: Option<&Vec<Vec<f64>>>) -> Found {
    model.encoder.visit(At {
        model,
        bound,
        x,
        held,
    })
}

fn derivative_matches(model: &Model, spelling: &str, side: usize) {
    let objective: Objective = spelling.parse().unwrap();
    let bound = Bound::new(&objective, &Sources::new(model)).unwrap();
    let shape = [1, 3, side, side];
    let x = wave(&shape, 1.0);
    let (_, gradient, pure) = at(model, &bound, &x, None);
    assert!(!pure.is_empty());
    for phase in [2.0, 3.0] {
        let direction = wave(&shape, phase);
        let along: Vec<f64> = direction.flatten_all().unwrap().to_vec1().unwrap();
        let step = 1e-6;
        let moved = |sign: f64| {
            let x = (&x + (&direction * (sign * step)).unwrap()).unwrap();
            at(model, &bound, &x, Some(&pure)).0
        };
        let difference = (moved(1.0) - moved(-1.0)) / (2.0 * step);
        let derivative: f64 = gradient.iter().zip(&along).map(|(g, d)| g * d).sum();
        let scale = difference.abs().max(derivative.abs());
        let fits = scale > 1e-9 && (difference - derivative).abs() <= TOLERANCE * scale;
        assert!(
            fits,
            "{spelling} along {phase}: {derivative} and {difference}"
        );
    }
}

/// Styles for taps of the embedded model: a vector for its third stage, and for its second a map of another shape than its grid.
struct StylesOfMini {
    _folder: TempDir,
    third: PathBuf,
    second: PathBuf,
}

fn styles_of_mini(model: &Model) -> StylesOfMini {
    let folder = TempDir::new().unwrap();
    let channels = |tap: &str| {
        let encoder = &model.encoder;
        encoder.tap(encoder.tap_named(tap).unwrap()).channels
    };
    let path = |name: &str| folder.path().join(name);
    write_style(&path("third.npy"), &[channels("layer3")]);
    write_style(&path("second.npy"), &[1, channels("layer2"), 3, 5]);
    StylesOfMini {
        third: path("third.npy"),
        second: path("second.npy"),
        _folder: folder,
    }
}

#[test]
fn gradients_match_central_differences_with_the_pure_cotangent_held() {
    let mini = load("mini");
    let styles = styles_of_mini(&mini);
    let (third, second) = (styles.third.display(), styles.second.display());
    for objective in [
        format!("layer4.0.sum:117 + 0.5*facet(layer3, {third})"),
        format!("layer4.0.sum:117 - 3*facet(layer3, {third}, linear)"),
        format!(
            "layer4.0.sum:117 + facet(layer3, {third}) + 2*facet(layer2, {second}) + 0.1*layer2:3"
        ),
        format!("embedding:3 + 5*facet(layer2, {second}) + facet(layer2, {second}, linear)"),
    ] {
        derivative_matches(&mini, &objective, 64);
    }
    let vit = load(fixture("vit/openai.pt").to_str().unwrap());
    let channels = vit.encoder.tap(vit.encoder.tap_named("blocks.0").unwrap());
    let folder = TempDir::new().unwrap();
    let style = folder.path().join("style.npy");
    write_style(&style, &[channels.channels, 2, 2]);
    let spelling = format!("blocks.1:5 + 3*facet(blocks.0, {})", style.display());
    derivative_matches(&vit, &spelling, 64);
}

/// The step of an ascent has the value and the gradient that the parts have by themselves.
#[test]
fn a_step_adds_facets_on_its_way_back() {
    let mini = load("mini");
    let styles = styles_of_mini(&mini);
    let spelling = format!(
        "layer4.0.sum:117 + 0.5*facet(layer3, {}) + 2*facet(layer2, {})",
        styles.third.display(),
        styles.second.display()
    );
    let objective: Objective = spelling.parse().unwrap();
    let (side, basis) = (mini.encoder.resolution(), Basis::Pixel);
    let settings = Settings {
        size: Size::square(side),
        steps: 1,
        learning_rate: 0.05,
        preset: String::new(),
        transforms: Vec::new(),
        basis,
        redirect_steps: 0,
        checkpoints: Vec::new(),
    };
    let key = Key::new(0, "facet", 0);
    let job = Job::new(&objective, &Sources::new(&mini), key.clone()).unwrap();
    let rendered = ascend(&mini, &settings, &[job], &()).remove(0).unwrap();
    let parameterisation = Parameterisation::new(basis, settings.size);
    let mut stream = key.stream(Purpose::Initial, 0);
    let numbers = parameterisation.initial(&mut stream, DType::F64).unwrap();
    let (image, _) = parameterisation.forward(&numbers).unwrap();
    let normalisation = mini.conventions.normalisation.value;
    let of_channels = |values: [f32; 3]| {
        let values = values.map(f64::from);
        Tensor::new(&values, &Device::Cpu)
            .unwrap()
            .reshape((1, 3, 1, 1))
            .unwrap()
    };
    let deviation = of_channels(normalisation.deviation);
    let centred = image
        .broadcast_sub(&of_channels(normalisation.mean))
        .unwrap();
    let x = centred.broadcast_div(&deviation).unwrap();
    let bound = Bound::new(&objective, &Sources::new(&mini)).unwrap();
    let (value, gradient, _) = at(&mini, &bound, &x, None);
    let gradient = Tensor::from_vec(gradient, (1, 3, side, side), &Device::Cpu).unwrap();
    let gradient = gradient.broadcast_div(&deviation).unwrap();
    let squares = gradient.sqr().unwrap().sum_all().unwrap();
    let norm = squares.to_scalar::<f64>().unwrap().sqrt();
    let close = |ours: f32, gold: f64| (f64::from(ours) - gold).abs() <= 1e-5 * gold.abs();
    let (ours, norms) = (&rendered.trace.objective, &rendered.trace.gradient_norm);
    assert!(close(ours[0], value), "{} and {value}", ours[0]);
    assert!(close(norms[0], norm), "{} and {norm}", norms[0]);
}

#[test]
fn a_facet_goes_into_the_recipe_and_comes_again_in_a_replay() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_style(&path("style.npy"), &[384]);
    let unit = "layer4.0.sum:117 + 0.5*facet(layer3, style.npy)";
    let fixed = ["render", "--quiet", "--out", ".", "--negative", unit];
    success(folder.path(), &[&fixed[..], &SHORT].concat());
    let names = files(folder.path());
    let sidecar = names
        .iter()
        .find(|name| name.extension().unwrap() == "json");
    let sidecar = path(sidecar.unwrap().to_str().unwrap());
    let recipe = &json(&sidecar)["recipe"];
    assert_eq!(
        recipe["objective"],
        "-layer4.0.sum:117 + 0.5*facet(layer3, style.npy)"
    );
    assert_eq!(recipe["files"].as_object().unwrap().len(), 1);
    let answer = success(folder.path(), &["replay", sidecar.to_str().unwrap()]);
    assert!(
        answer.stderr.contains("the same bytes"),
        "{}",
        answer.stderr
    );
    write_style(&path("style.npy"), &[384, 1, 1]);
    let answer = crate::common::percept(folder.path(), &["replay", sidecar.to_str().unwrap()]);
    assert!(
        answer.stderr.contains("put that one back"),
        "{}",
        answer.stderr
    );
}

#[test]
fn facets_that_nothing_passes_or_that_do_not_fit_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    write_style(Path::new(&path("style.npy")), &[384]);
    write_style(Path::new(&path("map.npy")), &[384, 2, 0]);
    let style = path("style.npy");
    for (objective, words) in [
        (
            format!("facet(layer3, {style})"),
            ["needs a unit behind it", "layer3"],
        ),
        (
            format!("layer2:3 + facet(layer3, {style})"),
            ["needs a unit behind it", "before the unit's"],
        ),
        (
            format!("layer3:3 + facet(layer3, {style})"),
            ["needs a unit behind it", "before the unit's"],
        ),
        (
            format!("5 + facet(layer2, {style})"),
            ["layer2 has 192 units", "map (192, h, w)"],
        ),
        (
            format!("5 + facet(layer3, {})", path("map.npy")),
            ["shape [384, 2, 0]", "map (384, h, w)"],
        ),
        (
            "5 + facet(layer3)".to_owned(),
            ["names no file", "facet(TAP, FILE)"],
        ),
        (
            "5 + facet(, a)".to_owned(),
            ["incomplete", "facet(TAP, FILE)"],
        ),
        (format!("5 + facet(x, {style})"), ["no tap x", ""]),
    ] {
        refused(&["render", &objective], &words);
    }
}
