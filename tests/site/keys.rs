//! Keys.

use crate::site::browser::page;
use crate::site::synthetic::{LARGE, ten_thousand};

#[test]
fn keys_lead_through_pictures_and_units() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    let at = |unit: usize| format!("#/{LARGE}/{unit}");
    page.open(folder, "");
    page.until("document.querySelector('.tile')");
    let columns: usize = page.eval(
        "[...document.querySelectorAll('.tile')].filter((tile) => \
         tile.getBoundingClientRect().top === document.querySelector('.tile').getBoundingClientRect().top).length",
    );
    for (key, unit) in [
        ("ArrowRight", 0),
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowDown", 2 + columns),
        ("ArrowLeft", 1 + columns),
        ("ArrowUp", 1),
        ("ArrowUp", 1),
    ] {
        page.press(key);
        page.expect("document.activeElement.hash", at(unit));
    }
    page.press("End");
    page.expect(
        "document.activeElement.hash",
        "#/layer3.0.conv1/237".to_owned(),
    );
    page.expect(
        "document.activeElement.getBoundingClientRect().bottom <= innerHeight",
        true,
    );
    page.press("Home");
    page.expect("document.activeElement.hash", at(0));
    page.expect(
        "document.activeElement.getBoundingClientRect().top >= \
         document.getElementById('controls').getBoundingClientRect().bottom",
        true,
    );
    // One tile is in the order of the tab key.
    page.expect(
        "document.querySelectorAll('.tile[tabindex=\"0\"]').length",
        1,
    );

    page.press("ArrowRight");
    page.press("Enter");
    page.expect("location.hash", at(1));
    page.expect("document.activeElement.textContent", "1".to_owned());
    page.press("ArrowRight");
    page.expect("document.querySelector('h1').textContent", "2".to_owned());
    page.press("ArrowLeft");
    page.expect("document.querySelector('h1').textContent", "1".to_owned());
    page.press("Escape");
    page.expect("document.activeElement.hash", at(1));

    // Typing is typing.
    page.press("/");
    page.expect("document.activeElement.name", "q".to_owned());
    page.type_text("9r?");
    page.expect("document.querySelector('[name=q]').value", "9r?".to_owned());
    page.expect("location.hash", "#/?q=9r%3F".to_owned());
    page.press("Escape");
    page.press("?");
    page.expect("document.getElementById('keys').open", true);
    page.press("Escape");
    page.expect("document.getElementById('keys').open", false);
    page.press("t");
    page.expect("document.documentElement.dataset.theme", "dark".to_owned());
    page.assert_quiet(&format!("file://{}/", folder.display()));
}
