//! What is said of a unit beforehand: content notes, which blur until somebody asks, and that it never opened.

use percept::atlas::publish::publish;
use tempfile::TempDir;

use crate::site::browser::page;
use crate::site::synthetic::{FLAGGED, LARGE, header, paint_pictures, records, ten_thousand};

#[test]
fn a_unit_with_a_content_note_is_blurred_until_it_is_asked_for() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    let thumb = format!("document.querySelector('.tile[href=\"#/{LARGE}/{FLAGGED}\"] .thumb')");
    let filter = |element: &str| format!("getComputedStyle({element}).filter.includes('blur')");
    page.open(folder, &format!("#/?q={FLAGGED}"));
    page.until(&filter(&thumb));
    let blurred = "[...document.querySelectorAll('.thumb')].filter((thumb) => \
        getComputedStyle(thumb).filter !== 'none').length";
    page.expect(blurred, 1);

    page.click(&format!(".tile[href='#/{LARGE}/{FLAGGED}']"));
    page.expect(
        "document.querySelector('.note span').textContent",
        "about a religion".to_owned(),
    );
    let every = "[...document.querySelectorAll('figure img, .example img')].every((image) => \
        getComputedStyle(image).filter.includes('blur'))";
    page.expect(every, true);
    page.click("[data-action=reveal]");
    page.expect(every, false);
    page.until(&format!(
        "!({})",
        filter("document.querySelector('figure img')")
    ));
    // It stays so in the index, and can be blurred again.
    page.press("Escape");
    page.until(&format!("{thumb} && !({})", filter(&thumb)));
    page.press("Enter");
    page.until("document.querySelector('.note')");
    page.press("b");
    page.expect(every, true);

    // A unit without a note has no switch, and the next visitor sees it blurred again.
    page.open(folder, &format!("#/{LARGE}/{}", FLAGGED + 1));
    page.expect("document.querySelector('.note').hidden", true);
    page.open(folder, &format!("#/{LARGE}/{FLAGGED}"));
    page.expect(every, true);
    page.assert_quiet(&format!("file://{}/", folder.display()));
}

#[test]
fn a_unit_that_never_opened_says_so_and_can_be_filtered() {
    let Some(page) = page() else { return };
    let folder = TempDir::new().unwrap();
    let pictures = paint_pictures(folder.path(), 32);
    let mut records = records(&pictures, 8, 0);
    for unit in [2, 5] {
        records[unit].pictures[0].quality.opened = Some(false);
        records[unit].pictures[0].quality.selectivity = None;
    }
    records[6].pictures[0].quality.opened = None;
    publish(folder.path(), &header(), &records).unwrap();
    let marked = "[...document.querySelectorAll('.tile')].filter((tile) => \
         tile.querySelector('.closed').checkVisibility()).map((tile) => tile.querySelector('b').textContent)";
    page.open(folder.path(), "");
    page.expect("document.querySelectorAll('.tile').length", 8);
    page.expect(marked, vec!["2".to_owned(), "5".to_owned()]);
    page.until(
        "document.querySelectorAll('.thumb')[2].getAttribute('aria-label').includes('it never opened')",
    );
    // There is a filter for what there is.
    page.expect(
        "[...document.querySelectorAll('[name=only] option:not([hidden])')].map(({ value }) => value)",
        ["", "opened", "unopened"].map(str::to_owned).to_vec(),
    );
    page.run(
        "const field = document.querySelector('[name=only]'); field.value = 'unopened'; \
         field.dispatchEvent(new Event('input', { bubbles: true }))",
    );
    page.expect("location.hash", "#/?only=unopened".to_owned());
    page.expect("document.querySelectorAll('.tile').length", 2);
    page.open(folder.path(), "#/?only=opened");
    page.expect("document.querySelectorAll('.tile').length", 6);

    let said = "document.querySelector('.unopened')?.checkVisibility()";
    let on_picture = "[...document.querySelectorAll('figure')].map((figure) => \
         figure.querySelector('.closed').checkVisibility())";
    page.open(folder.path(), &format!("#/{LARGE}/2"));
    page.expect(said, true);
    page.expect(on_picture, vec![true, false, false, false]);
    page.expect(
        "document.querySelector('figure .closed').textContent",
        "never opened".to_owned(),
    );
    page.expect(
        "document.querySelector('figcaption').textContent.includes('rank')",
        false,
    );
    page.open(folder.path(), &format!("#/{LARGE}/3"));
    page.expect(said, false);
    page.expect(on_picture, vec![false; 4]);
    page.open(folder.path(), &format!("#/compare/{LARGE}:2/{LARGE}:3"));
    page.expect(
        "[...document.querySelectorAll('.comparison thead .closed')].map((mark) => mark.checkVisibility())",
        vec![true, false],
    );
    page.assert_quiet(&format!("file://{}/", folder.path().display()));
}
