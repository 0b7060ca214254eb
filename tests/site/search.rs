//! Searching, sorting and filtering.

use percept::atlas::publish::publish;
use tempfile::TempDir;

use crate::site::browser::{Page, page};
use crate::site::synthetic::{LARGE, NAMED, SMALL, header, paint_pictures, records, ten_thousand};

fn first(page: &Page, count: usize) -> Vec<String> {
    page.eval(&format!(
        "[...document.querySelectorAll('.tile')].slice(0, {count}).map((tile) => tile.hash.slice(2))"
    ))
}

#[test]
fn units_are_found_by_number_word_and_label() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(folder, "");
    page.click("[name=q]");
    page.type_text("zebraf");
    page.expect("document.querySelectorAll('.tile').length", 1);
    assert_eq!(first(&page, 9), [format!("{LARGE}/{NAMED}")]);
    page.expect("location.hash", "#/?q=zebraf".to_owned());

    // Accents and capitals do not matter; the word itself comes before one that begins like it.
    page.open(folder, "#/?q=UNIQUE");
    page.expect("document.querySelectorAll('.tile').length", 2);
    assert_eq!(
        first(&page, 2),
        [format!("{LARGE}/{}", NAMED + 1), format!("{LARGE}/{NAMED}")]
    );
    // Each is called by its first answer; what it was found by stands beside that.
    let first_answer: String = page.eval(&format!(
        "atlas.catalogue.first(atlas.catalogue.find('{LARGE}', {}))",
        NAMED + 1
    ));
    assert_ne!(first_answer, "unique");
    page.expect(
        "[...document.querySelectorAll('.tile i')].map((word) => word.textContent)",
        vec![first_answer, "Ünique zebrafish".to_owned()],
    );
    let also = "[...document.querySelectorAll('.tile .also')].map(({ hidden, textContent }) => \
         hidden ? '' : textContent)";
    page.expect(
        also,
        vec!["also: unique (written, 4th)".to_owned(), String::new()],
    );
    page.open(folder, &format!("#/?q={}", NAMED + 1));
    page.expect(&format!("({also})[0]"), String::new());
    // A phrase in quotes is the whole of it; several words must all be there.
    page.open(folder, "#/?q=%22unique%22");
    page.expect("document.querySelectorAll('.tile').length", 1);
    page.open(folder, "#/?q=zebrafish%20%C3%BCnique");
    page.expect("document.querySelectorAll('.tile').length", 1);
    page.open(folder, "#/?q=zebrafish%20nosuchword");
    page.expect("document.querySelectorAll('.tile').length", 0);
    page.expect("document.getElementById('nothing').hidden", false);

    page.open(folder, "#/?q=4321");
    page.until("document.querySelectorAll('.tile').length > 0");
    assert_eq!(first(&page, 1), [format!("{LARGE}/4321")]);
    page.open(folder, &format!("#/?q={SMALL}:33"));
    page.expect("document.querySelectorAll('.tile').length", 1);
    assert_eq!(first(&page, 1), [format!("{SMALL}/33")]);

    // A chip leads to the units that have its word.
    page.open(folder, &format!("#/{LARGE}/{NAMED}"));
    page.until("document.querySelector('.labels a')?.textContent === 'Ünique zebrafish'");
    page.click(".labels a");
    page.expect("document.querySelectorAll('.tile').length", 1);
    page.expect(
        "document.querySelector('[name=q]').value",
        "\"Ünique zebrafish\"".to_owned(),
    );
    page.assert_quiet(&format!("file://{}/", folder.display()));
}

#[test]
fn whole_words_are_found_before_beginnings_and_those_before_parts() {
    let Some(page) = page() else { return };
    let folder = TempDir::new().unwrap();
    let pictures = paint_pictures(folder.path(), 32);
    let mut records = records(&pictures, 6, 0);
    let answers = [
        "star struck",
        "truckers' stop",
        "awe-struck",
        "pickup truck",
        "stuck, then struck, then a truck",
        "truck",
    ];
    for (record, answer) in records.iter_mut().zip(answers) {
        for texts in [
            &mut record.words,
            &mut record.drawings,
            &mut record.line_art,
        ] {
            *texts = vec!["nothing of the kind".to_owned()];
        }
        record.labels.clear();
        record.drawings.push(answer.to_owned());
    }
    // A whole word far down is still a whole word.
    records[3]
        .drawings
        .splice(0..0, vec!["another".to_owned(); 3]);
    publish(folder.path(), &header(), &records).unwrap();
    page.open(folder.path(), "#/?q=truck");
    page.until("document.querySelectorAll('.tile').length > 0");
    let units: Vec<usize> = page
        .eval("[...document.querySelectorAll('.tile b')].map((unit) => Number(unit.textContent))");
    assert_eq!(units, [5, 4, 3, 1, 0, 2]);
    page.expect(
        "document.querySelectorAll('.tile .also')[2].textContent",
        "also: pickup truck (drawn, 5th)".to_owned(),
    );
    page.expect(
        "document.querySelectorAll('.tile i')[2].textContent",
        "nothing of the kind".to_owned(),
    );
    page.assert_quiet(&format!("file://{}/", folder.path().display()));
}

#[test]
fn a_filter_shows_its_ends_and_its_handles_stop_at_each_other() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(folder, "");
    page.click("#ranges summary");
    for width in [1280, 1000, 700, 360] {
        page.resize(width, 900, false);
        page.expect(
            "(({ left, right }) => left >= 0 && right <= innerWidth)\
             (document.querySelector('#ranges .panel').getBoundingClientRect())",
            true,
        );
    }
    let ends = "(() => { const values = atlas.catalogue.number('activation').values.filter(Number.isFinite); \
         return [Math.min(...values), Math.max(...values)].map(atlas.draw.format); })()";
    let ends: Vec<String> = page.eval(ends);
    page.expect(
        "[...document.querySelectorAll('#ranges fieldset:first-of-type .end')].map((end) => end.textContent)",
        ends.clone(),
    );
    page.expect(
        "[...document.querySelectorAll('#ranges [type=range]')].slice(0, 2).map((slider) => \
         slider.getAttribute('aria-valuetext'))",
        ends,
    );
    let slide = |index: usize, value: usize| {
        page.run(&format!(
            "const slider = document.querySelectorAll('#ranges [type=range]')[{index}]; \
             slider.value = {value}; slider.dispatchEvent(new Event('input', {{ bubbles: true }}))"
        ));
    };
    slide(1, 30);
    page.until("/activation=\\.\\.\\d/.test(location.hash)");
    slide(0, 35);
    let limits: Vec<f64> = page.eval(
        "[...document.querySelectorAll('#ranges fieldset:first-of-type [type=number]')].map(({ value }) => \
         Number(value))",
    );
    assert!(limits[0] == limits[1] && limits[0] > 8.0, "{limits:?}");
    slide(0, 0);
    slide(1, 40);
    page.expect("location.hash", "#/".to_owned());
    page.assert_quiet(&format!("file://{}/", folder.display()));
}

#[test]
fn units_are_sorted_by_any_number_and_filtered() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(folder, "");
    let keys: Vec<String> = page
        .eval("[...document.querySelector('[name=sort]').options].map((option) => option.value)");
    assert!(keys.len() > 15, "{keys:?}");
    for key in keys.iter().skip(1) {
        page.open(folder, &format!("#/?sort={key}"));
        page.until("document.querySelector('.tile em').textContent !== ''");
        let values: Vec<Option<f64>> = page.eval(&format!(
            "(({{ values }}, places) => places.map((place) => values[place]))\
             (atlas.catalogue.number('{key}'), atlas.catalogue.select({{ sort: '{key}' }}).places)"
        ));
        assert_eq!(values.len(), 10_000);
        let there = values.iter().take_while(|value| value.is_some()).count();
        assert!(
            values[there..].iter().all(Option::is_none),
            "{key}: missing last"
        );
        let whole = key.contains("rank");
        assert!(
            values[..there].is_sorted_by(|a, b| if whole { a <= b } else { a >= b }),
            "{key}"
        );
    }

    // The same by hand.
    page.open(folder, "");
    page.run(
        "const sort = document.querySelector('[name=sort]'); sort.value = 'z'; \
         sort.dispatchEvent(new Event('input', { bubbles: true }))",
    );
    page.expect("location.hash", "#/?sort=z".to_owned());
    let largest = first(&page, 1);
    page.click("[data-action=order]");
    page.until("location.hash.includes('reversed')");
    page.until(&format!(
        "document.querySelector('.tile').hash !== '#/{}'",
        largest[0]
    ));
    page.click("[data-action=order]");
    page.expect(
        "document.querySelector('.tile').hash",
        format!("#/{}", largest[0]),
    );

    page.click("#ranges summary");
    page.click("#ranges [type=number]");
    page.type_text("11.5");
    page.expect(
        "document.querySelector('.badge').textContent",
        "1".to_owned(),
    );
    let expected: usize = page.eval(
        "atlas.catalogue.number('activation').values.filter((value) => value >= 11.5).length",
    );
    page.expect(
        "document.getElementById('count').textContent",
        format!("{expected} of 10,000 units"),
    );
    assert!((100..1000).contains(&expected));

    page.open(folder, &format!("#/{SMALL}?sort=z&z=6..8"));
    page.until("document.querySelectorAll('.tile').length > 0");
    page.expect(
        "document.querySelector('[name=tap]').value",
        SMALL.to_owned(),
    );
    assert!(first(&page, 99).iter().all(|hash| hash.starts_with(SMALL)));
    page.open(folder, "#/?only=flagged");
    page.expect("document.querySelectorAll('.tile').length", 1);
    page.open(folder, "#/?only=unflagged");
    page.expect(
        "document.getElementById('count').textContent",
        "9,999 of 10,000 units".to_owned(),
    );
    page.assert_quiet(&format!("file://{}/", folder.display()));
}
