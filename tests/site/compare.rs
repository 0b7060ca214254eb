//! Units side by side.

use crate::site::browser::page;
use crate::site::synthetic::{FLAGGED, LARGE, SMALL, ten_thousand};

#[test]
fn a_link_shows_three_units_with_all_their_pictures() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    let units = [
        format!("{LARGE}:12"),
        format!("{LARGE}:4321"),
        format!("{SMALL}:9"),
    ];
    page.open(folder, &format!("#/compare/{}", units.join("/")));
    page.expect(
        "[...document.querySelectorAll('.comparison thead th > a:first-child')].map((unit) => unit.textContent)",
        units.to_vec(),
    );
    page.expect("document.title", format!("{} · RN50x4", units.join(", ")));
    page.expect(
        "[...document.querySelectorAll('.comparison tbody th')].slice(0, 9).map((row) => row.textContent)",
        [
            "Excites", "Excites 2", "Silences", "face", "Example images", "Words", "Drawings", "Line art", "Labels",
        ]
        .map(str::to_owned)
        .to_vec(),
    );
    page.expect("document.querySelectorAll('.comparison figure').length", 12);
    page.until(
        "[...document.querySelectorAll('.comparison figure img')].every((image) => \
         image.naturalWidth > 0 && image.alt !== '')",
    );
    page.expect(
        "document.querySelectorAll('.comparison .negative').length",
        3,
    );
    page.until("document.querySelectorAll('.comparison tbody tr').length > 20");
    // Each is beside the others.
    page.expect(
        "new Set([...document.querySelectorAll('.comparison tr:first-child figure')].map((figure) => \
         figure.getBoundingClientRect().top)).size",
        1,
    );
    // What answers have in common stands out.
    page.expect(
        "[...document.querySelectorAll('.comparison .shared')].every((chip) => \
         [...chip.closest('tr').querySelectorAll('a')].filter((other) => \
         other.textContent === chip.textContent).length > 1)",
        true,
    );
    page.resize(360, 740, true);
    page.expect("document.documentElement.scrollWidth <= innerWidth", true);
    page.expect(
        "new Set([...document.querySelectorAll('.comparison tr:first-child figure')].map((figure) => \
         figure.getBoundingClientRect().top)).size",
        1,
    );
    page.resize(1280, 900, false);

    // One is taken away, another one comes.
    page.click(".comparison thead th:nth-child(3) .remove");
    page.expect(
        "location.hash",
        format!("#/compare/{}/{}", units[0], units[2]).replace(':', "%3A"),
    );
    page.expect(
        "document.querySelectorAll('.comparison thead th').length",
        2,
    );
    page.click(".add input");
    page.type_text(&format!("{LARGE}:77"));
    page.press("Enter");
    page.expect(
        "document.querySelectorAll('.comparison thead th').length",
        3,
    );
    page.expect("document.querySelector('.add').hidden", true);
    page.press("Escape");
    page.expect("document.getElementById('index').hidden", false);
    page.assert_quiet(&format!("file://{}/", folder.display()));
}

#[test]
fn units_are_put_aside_and_then_compared() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(folder, "");
    page.expect("document.getElementById('tray').hidden", true);
    page.press("ArrowRight");
    page.press("c");
    page.expect("document.getElementById('tray').hidden", false);
    page.open(folder, &format!("#/{LARGE}/5"));
    page.click("[data-action=pin]");
    page.expect(
        "document.querySelector('[data-action=pin]').getAttribute('aria-pressed')",
        "true".to_owned(),
    );
    page.click(".after");
    page.expect("document.querySelector('h1').textContent", "6".to_owned());
    page.press("c");
    page.expect("document.querySelectorAll('#tray li').length", 2);
    page.expect(
        "document.querySelectorAll('#tray .thumb[aria-label]').length",
        2,
    );
    page.expect(
        "document.getElementById('said').textContent",
        format!("{LARGE}:6 is compared"),
    );
    page.click("#tray > a");
    page.expect(
        "location.hash",
        format!("#/compare/{LARGE}%3A5/{LARGE}%3A6"),
    );
    page.expect(
        "document.querySelectorAll('.comparison thead th').length",
        2,
    );
    // Three at most.
    page.press("Escape");
    for unit in [7, 8] {
        page.run(&format!("location.hash = '#/{LARGE}/{unit}'"));
        page.expect(
            "document.querySelector('h1')?.textContent",
            unit.to_string(),
        );
        page.press("c");
    }
    page.expect("document.querySelectorAll('#tray li').length", 3);
    page.click("#tray li button");
    page.expect("document.querySelectorAll('#tray li').length", 2);

    // A unit and its nearest.
    page.open(folder, &format!("#/{LARGE}/5"));
    page.click(".row .beside");
    page.expect(
        "document.querySelectorAll('.comparison thead th').length",
        3,
    );
    page.expect(
        "document.querySelector('.comparison thead a').textContent",
        format!("{LARGE}:5"),
    );
    page.assert_quiet(&format!("file://{}/", folder.display()));
}

#[test]
fn a_content_note_blurs_its_own_column_and_what_is_not_there_is_said() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(
        folder,
        &format!("#/compare/{LARGE}:{FLAGGED}/{LARGE}:5/{LARGE}:11111/nonsense"),
    );
    page.expect(
        "document.querySelectorAll('.comparison thead th').length",
        2,
    );
    page.expect(
        "document.querySelector('.lost').textContent",
        format!(
            "There is no unit {LARGE}:11111 in this atlas. There is no unit nonsense in this atlas."
        ),
    );
    page.expect(
        "document.querySelector('.comparison .note span').textContent",
        "about a religion".to_owned(),
    );
    let blurred = |unit: usize, expected: bool| {
        let place: usize = page.eval(&format!("atlas.catalogue.find('{LARGE}', {unit})"));
        page.expect(
            &format!(
                "[...document.querySelectorAll('td[data-place=\"{place}\"] img')].map((image) => \
                 getComputedStyle(image).filter.includes('blur')).join() "
            ),
            vec![expected.to_string(); 9].join(","),
        );
    };
    blurred(FLAGGED, true);
    blurred(5, false);
    page.click(".comparison [data-action=reveal]");
    blurred(FLAGGED, false);
    page.press("b");
    blurred(FLAGGED, true);
    page.open(folder, "#/compare/nonsense");
    page.until("document.querySelector('.lost')?.textContent.includes('nonsense')");
    page.assert_quiet(&format!("file://{}/", folder.display()));
}
