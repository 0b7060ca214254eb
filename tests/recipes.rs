//! Recipes: what their randomness is addressed by, and those of earlier versions.

use std::fs;
use std::path::Path;

use percept::model::{Model, Options};
use percept::objective::Sources;
use percept::recipe::{Recipe, Request};
use percept::seed::Key;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Picture, SHORT, json, percept, refused};

fn recipe(model: &Model, unit: &str) -> Recipe {
    let request = Request {
        units: vec![unit.to_owned()],
        ..Request::default()
    };
    request.resolve(&Sources::new(model)).unwrap().remove(0)
}

fn keys(recipe: &Recipe, model: &Model) -> Vec<Key> {
    recipe.job(&Sources::new(model)).unwrap().keys
}

fn write_vector(path: &Path, phase: f32) {
    let vector = ndarray::Array1::from_shape_fn(768, |i| (i as f32 + phase).sin());
    ndarray_npy::write_npy(path, &vector).unwrap();
}

#[test]
fn randomness_depends_on_what_is_rendered_and_not_on_where_a_file_lies() {
    let model = Model::load("mini", Options::default()).unwrap();
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, phase) in [("a.npy", 0.0), ("b.npy", 0.0), ("c.npy", 1.0)] {
        write_vector(&path(name), phase);
    }
    let of = |unit: &str| keys(&recipe(&model, unit), &model);
    let along = |name: &str| {
        of(&format!(
            "direction(layer4.0.sum, {})",
            path(name).display()
        ))
    };
    assert_eq!(along("a.npy"), along("b.npy"));
    assert_ne!(along("a.npy"), along("c.npy"));
    assert_eq!(of("5"), [Key::new(0, "layer4.0.sum:5", 0)]);
    assert_eq!(of("5 - 10*l2"), of("5"));
    assert_eq!(of("5 - 0.1*tv + 2*layer3:7"), of("5 + 2*layer3:7"));
    let facet = format!("5 + facet(layer4.0.conv1, {})", path("d.npy").display());
    ndarray_npy::write_npy(path("d.npy"), &ndarray::Array1::<f32>::ones(192)).unwrap();
    assert_eq!(of(&facet), of("5"));
    assert_ne!(of("-5"), of("5"));
}

#[test]
fn a_recipe_that_does_not_say_its_layout_keeps_to_the_first() {
    let model = Model::load("mini", Options::default()).unwrap();
    let first = |unit: &str| -> Recipe {
        let mut value = serde_json::to_value(recipe(&model, unit)).unwrap();
        assert_eq!(
            value.as_object_mut().unwrap().remove("schema"),
            Some(2.into())
        );
        let recipe: Recipe = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(&recipe).unwrap(), value);
        recipe
    };
    let by_spelling = [Key::new(0, "layer4.0.sum:5 - 10*l2", 0)];
    assert_eq!(keys(&first("5 - 10*l2"), &model), by_spelling);
    assert_eq!(
        keys(&first("5"), &model),
        keys(&recipe(&model, "5"), &model)
    );
}

fn replay(picture: &Picture, change: impl Fn(&mut serde_json::Map<String, Value>)) -> String {
    let path = picture.path.with_extension("json");
    let mut sidecar = json(&path);
    change(sidecar["recipe"].as_object_mut().unwrap());
    fs::write(&path, sidecar.to_string()).unwrap();
    percept(picture.folder.path(), &["replay", "picture.json"]).stderr
}

/// The pixels are those of then; the file says of itself what its recipe was.
#[test]
fn an_earlier_recipe_makes_its_picture_again_or_says_why_not() {
    let picture = Picture::render(&[&SHORT[..], &["17"]].concat());
    replay(&picture, |recipe| drop(recipe.remove("schema")));
    let pixels = |path: &Path| image::open(path).unwrap().into_rgb8();
    let again = picture.folder.path().join("picture.replay.png");
    assert_eq!(pixels(&again), pixels(&picture.path));

    let folder = TempDir::new().unwrap();
    let vector = folder.path().join("v.npy");
    write_vector(&vector, 0.0);
    let along = format!("direction(layer4.0.sum, {})", vector.display());
    let picture = Picture::render(&[&SHORT[..], &[&along]].concat());
    let answer = replay(&picture, |recipe| {
        recipe.remove("schema");
        let files = recipe.remove("files").unwrap();
        recipe.insert("vectors".to_owned(), files);
    });
    for word in ["cannot replay", "v.npy", "earlier percept", "anew"] {
        assert!(answer.contains(word), "{answer}");
    }
}

#[test]
fn a_later_recipe_is_told_from_a_damaged_one() {
    let picture = Picture::render(&[&SHORT[..], &["17"]].concat());
    let path = picture.path.with_extension("json");
    let mut sidecar = json(&path);
    sidecar["recipe"]["novel"] = true.into();
    sidecar["recipe"]["schema"] = 3.into();
    fs::write(&path, sidecar.to_string()).unwrap();
    let words = ["layout 3", "reads 1 and 2", "the version that wrote it"];
    refused(&["replay", path.to_str().unwrap()], &words);
}
