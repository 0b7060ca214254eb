//! Many layers, and what all pictures share.

use percept::atlas::manifest::Tap;
use percept::atlas::publish::publish;
use tempfile::TempDir;

use crate::site::browser::page;
use crate::site::synthetic::{header, paint_pictures, record, ten_thousand};

#[test]
fn many_layers_are_a_table() {
    let Some(page) = page() else { return };
    let folder = TempDir::new().unwrap();
    let pictures = paint_pictures(folder.path(), 32);
    let mut header = header();
    header.taps = (0..20)
        .map(|layer| Tap {
            name: format!("layer{layer}.sum"),
            units: 1000 + layer,
            options: None,
        })
        .collect();
    let taps = header.taps.iter().enumerate();
    let records: Vec<_> = taps
        .flat_map(|(layer, tap)| (0..=layer).map(|unit| record(&tap.name, unit, &pictures, 1000)))
        .collect();
    publish(folder.path(), &header, &records).unwrap();
    page.open(folder.path(), "");
    page.expect(
        "document.querySelector('.summary').textContent",
        "What its units respond to: 210 of 20 layers".to_owned(),
    );
    page.expect("document.querySelectorAll('#layers tbody tr').length", 20);
    page.expect(
        "[...document.querySelectorAll('#layers tr:nth-child(8) > *')].map((cell) => cell.textContent)",
        ["layer7.sum", "1,007", "8"].map(str::to_owned).to_vec(),
    );
    page.until("document.querySelector('#layers summary').textContent === '20 layers'");
    page.click("#layers tr:nth-child(8) a");
    page.expect(
        "document.getElementById('count').textContent",
        "8 of 210 units".to_owned(),
    );
    // It is where one begins, and out of the way then.
    page.expect("document.getElementById('layers').hidden", true);
    page.click(".title");
    page.expect("document.getElementById('layers').hidden", false);
    page.resize(360, 740, true);
    page.expect("document.documentElement.scrollWidth <= innerWidth", true);
    page.assert_quiet(&format!("file://{}/", folder.path().display()));
}

#[test]
fn a_few_layers_are_a_sentence() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(folder, "");
    page.expect("document.getElementById('layers') === null", true);
    page.expect(
        "document.querySelector('.summary').textContent",
        "What its units respond to: 9,920 of layer4.5.sum, 80 of layer3.0.conv1".to_owned(),
    );
}

#[test]
fn the_recipe_is_told_in_words() {
    let Some(page) = page() else { return };
    let folder = TempDir::new().unwrap();
    let mut header = header();
    header.recipe = serde_json::json!({
        "preset": "lucid", "steps": 256, "seed": 3, "learning_rate": 0.05, "scale": 1, "size": 64,
        "basis": { "kind": "fourier", "decay": 1.0 }, "redirect_steps": 0, "device": "cpu", "dtype": "f32",
        "transforms": [
            { "kind": "jitter", "pixels": 8 },
            { "kind": "scale", "factors": [0.9, 1.0, 1.1] },
            { "kind": "rotate", "degrees": [-10.0, 0.0, 10.0] },
        ],
    });
    publish(folder.path(), &header, &[]).unwrap();
    page.open(folder.path(), "");
    page.click("footer summary");
    let facts: Vec<String> = page.eval(
        "[...document.querySelectorAll('footer dt')].map((name) => \
         `${name.textContent}: ${name.nextElementSibling.textContent}`).slice(1)",
    );
    assert_eq!(
        facts,
        [
            "Preset: lucid",
            "Transforms of each step: jitter 8 px, scale 0.9 to 1.1, rotate up to 10 degrees",
            "Steps: 256",
            "Step length: 0.05 (Adam)",
            "Parameterisation: Fourier, decay 1",
            "Redirected ReLUs: never",
            "Canvas: 64 px",
            "Enlarged: no",
            "Seed: 3",
            "Made on: the CPU",
            "Activations stored as: f32",
        ]
    );
    page.until(&format!(
        "document.querySelector('footer').innerText.includes('Made with percept {}.')",
        env!("CARGO_PKG_VERSION")
    ));
}
