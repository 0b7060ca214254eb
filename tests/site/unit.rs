//! What a unit's page says of it.

use percept::atlas::publish::publish;
use tempfile::TempDir;

use crate::site::browser::page;
use crate::site::synthetic::{LARGE, header, paint_pictures, records, ten_thousand};

const REFERENCE: &str = "32 images of 1/f noise";

#[test]
fn a_response_is_told_with_the_images_that_it_is_compared_with() {
    let Some(page) = page() else { return };
    let folder = TempDir::new().unwrap();
    let pictures = paint_pictures(folder.path(), 32);
    let mut records = records(&pictures, 4, 0);
    let quality = &mut records[0].pictures[0].quality;
    quality.selectivity.as_mut().unwrap().z = 7.918;
    records[0].statistics.as_mut().unwrap().mean = -0.8214;
    records[0].statistics.as_mut().unwrap().sd = 0.5;
    let quality = &mut records[1].pictures[0].quality;
    quality.selectivity.as_mut().unwrap().z = -1.25;
    records[1].statistics = None;
    records[2].pictures.clear();
    records[2].statistics.as_mut().unwrap().mean = 0.25;
    records[2].statistics.as_mut().unwrap().sd = 0.125;
    records[3].pictures.clear();
    records[3].statistics = None;
    publish(folder.path(), &header(), &records).unwrap();

    let told = [
        format!(
            "On its picture the unit is 7.92 standard deviations above its usual response on {REFERENCE}, \
             −0.821 ± 0.500."
        ),
        format!(
            "On its picture the unit is 1.25 standard deviations below its usual response on {REFERENCE}."
        ),
        format!("Its usual response on {REFERENCE}, 0.250 ± 0.125."),
        String::new(),
    ];
    for (unit, told) in told.into_iter().enumerate() {
        page.open(folder.path(), &format!("#/{LARGE}/{unit}"));
        page.expect(
            "document.querySelector('h1')?.textContent",
            unit.to_string(),
        );
        page.expect(
            "document.querySelector('.response p').textContent",
            told.clone(),
        );
        page.expect(
            "document.querySelector('.response').hidden",
            told.is_empty(),
        );
    }
    // No text speaks of reference images without their name.
    page.expect(
        "atlas.catalogue.numbers.filter(({ about }) => about.includes('the reference images')).length",
        0,
    );
    page.expect(
        "atlas.catalogue.number('mean').about",
        format!("the unit's mean response to {REFERENCE}"),
    );
    page.click("footer summary");
    page.until(&format!(
        "document.querySelector('footer dl').innerText.includes('measured on {REFERENCE}')"
    ));
    page.assert_quiet(&format!("file://{}/", folder.path().display()));
}

#[test]
fn what_is_not_known_of_answers_is_said() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(folder, &format!("#/{LARGE}/12"));
    page.until("document.querySelector('.answers .ranked')?.textContent.includes('not kept')");
    // Answers are in an order, labels have scores.
    page.expect("document.querySelectorAll('.answers ol.chips').length", 3);
    page.expect(
        "[...document.querySelectorAll('.labels li > span:not(.bar)')].every((score) => \
         /^0\\.\\d+$/.test(score.textContent))",
        true,
    );
    page.assert_quiet(&format!("file://{}/", folder.display()));
}

#[test]
fn example_images_stand_below_the_pictures() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(folder, &format!("#/{LARGE}/12"));
    page.expect(
        "document.querySelectorAll('.plate .examples img').length",
        5,
    );
    page.until(
        "[...document.querySelectorAll('.plate .examples img')].every((image) => \
         image.naturalWidth > 0 && image.alt.startsWith('Example image '))",
    );
    page.expect(
        "document.querySelector('.examples').getBoundingClientRect().top >= \
         document.querySelector('.pictures').getBoundingClientRect().bottom",
        true,
    );
    page.assert_quiet(&format!("file://{}/", folder.display()));
}

#[test]
fn a_number_stands_between_the_ends_of_its_layer() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(folder, "#/layer3.0.conv1/12");
    page.until("document.querySelectorAll('.numbers tr').length > 12");
    let ends: Vec<Vec<String>> = page.eval(
        "[...document.querySelectorAll('.numbers tr')].map((row) => \
         [...row.querySelectorAll('.end')].map((end) => end.textContent))",
    );
    let known: Vec<Vec<String>> = page.eval(
        "atlas.catalogue.numbers.map(({ values }) => { const own = values.slice(9920); \
         return [Math.min(...own), Math.max(...own)].map(atlas.draw.format); })",
    );
    assert_eq!(ends, known);
    page.assert_quiet(&format!("file://{}/", folder.display()));
}
