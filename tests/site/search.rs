//! Searching, sorting and filtering.

use crate::browser::{Page, page};
use crate::synthetic::{LARGE, NAMED, SMALL, ten_thousand};

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
    let words: Vec<String> =
        page.eval("[...document.querySelectorAll('.tile i')].map((word) => word.textContent)");
    assert_eq!(words, ["unique", "Ünique zebrafish"]);
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
    page.click("#ranges input");
    page.type_text("11.5");
    page.expect(
        "document.querySelector('.badge').textContent",
        "1".to_owned(),
    );
    let expected: usize =
        page.eval("atlas.catalogue.number('clean').values.filter((value) => value >= 11.5).length");
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
