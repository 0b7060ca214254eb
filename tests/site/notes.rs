//! Content notes: blurred until somebody asks.

use crate::browser::page;
use crate::synthetic::{FLAGGED, LARGE, ten_thousand};

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
