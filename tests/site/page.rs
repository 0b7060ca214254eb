//! The page as a whole: how fast it opens, what it keeps in memory, where its links lead.

use crate::site::browser::{Page, page};
use crate::site::server::serve;
use crate::site::synthetic::{FLAGGED, LARGE, SMALL, UNPICTURED, ten_thousand};

/// What the project promises for 10,000 units.
const OPENS_WITHIN_MS: f64 = 2000.0;

/// Tiles of a desktop's window, and what is kept around them.
const MOST_TILES: usize = 200;

fn tiles(page: &Page) -> usize {
    page.eval("document.querySelectorAll('.tile').length")
}

#[test]
fn ten_thousand_units_open_and_scroll_from_the_disk_and_from_a_server() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    for address in [
        format!("file://{}/index.html", folder.display()),
        serve(folder),
    ] {
        let mut fastest = f64::INFINITY;
        for _ in 0..3 {
            page.go(&address);
            // Scripts run, and the first pictures load, before the load event.
            page.until("performance.getEntriesByType('navigation')[0].loadEventEnd > 0");
            fastest = fastest
                .min(page.eval("performance.getEntriesByType('navigation')[0].loadEventEnd"));
        }
        assert!(
            fastest < OPENS_WITHIN_MS,
            "{address} opened in {fastest} ms"
        );
        page.expect(
            "document.getElementById('count').textContent",
            "10,000 units".to_owned(),
        );

        let last = "Boolean([...document.querySelectorAll('.tile')].find((tile) => \
            tile.hash === '#/layer3.0.conv1/237' && tile.getBoundingClientRect().bottom <= innerHeight))";
        for share in [0.0, 0.31, 0.74, 1.0] {
            page.run(&format!(
                "scrollTo(0, {share} * document.documentElement.scrollHeight)"
            ));
            let in_sight = "[...document.querySelectorAll('.tile')].some((tile) => \
                tile.getBoundingClientRect().top < innerHeight / 2 && tile.getBoundingClientRect().bottom > 0)";
            page.until(in_sight);
            assert!(tiles(&page) <= MOST_TILES, "{} tiles", tiles(&page));
        }
        // The last unit, above the footer.
        page.run("document.querySelector('footer').scrollIntoView({ block: 'end' })");
        page.run("scrollBy(0, -document.querySelector('footer').clientHeight)");
        page.until(last);
        page.assert_quiet(address.trim_end_matches("index.html"));
    }
}

#[test]
fn a_link_leads_to_a_unit_and_back_leads_to_where_one_was() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(folder, &format!("#/{LARGE}/4321"));
    page.expect(
        "document.querySelector('h1').textContent",
        "4321".to_owned(),
    );
    page.expect(
        "document.querySelector('.tap a').textContent",
        LARGE.to_owned(),
    );
    page.expect("document.title", format!("{LARGE}:4321 · RN50x4"));
    page.expect("document.getElementById('index').hidden", true);
    // Every part is there.
    page.expect("document.querySelectorAll('.pictures figure').length", 4);
    page.expect("document.querySelectorAll('.answers .words').length", 3);
    page.expect("document.querySelectorAll('.labels li').length", 4);
    page.until("document.querySelectorAll('.numbers tr').length > 12");
    page.expect("document.querySelectorAll('.more h2').length", 2);
    page.expect("document.querySelectorAll('.examples img').length", 5);
    page.until(
        "/^Excites activation [\\d.]+ · robust [\\d.]+ ± [\\d.]+ · rank \\d+ of 12000 · recipe · replay$/.test(\
         document.querySelector('figcaption').textContent.replace(/\\s+/g, ' '))",
    );
    page.until("[...document.querySelectorAll('article img')].every((image) => image.alt !== '')");
    page.until(
        "[...document.querySelectorAll('.pictures img')].every((image) => image.naturalWidth > 0)",
    );

    page.click(".after");
    page.expect("location.hash", format!("#/{LARGE}/4322"));
    page.expect(
        "document.querySelector('h1').textContent",
        "4322".to_owned(),
    );
    page.run("history.back()");
    page.expect(
        "document.querySelector('h1').textContent",
        "4321".to_owned(),
    );

    // From deep in the index to a unit and back.
    page.click(".back");
    page.expect("document.getElementById('index').hidden", false);
    page.run("scrollTo(0, 20000)");
    page.until("Number(document.querySelector('.tile').dataset.at) > 100");
    let before: f64 = page.eval("scrollY");
    let middle = "[...document.querySelectorAll('.tile')].find((tile) => \
        tile.getBoundingClientRect().top > 300)";
    let hash: String = page.eval(&format!("{middle}.hash"));
    page.run(&format!("{middle}.click()"));
    page.expect("location.hash", hash.clone());
    page.expect("document.getElementById('unit').hidden", false);
    page.expect("scrollY", 0.0);
    page.run("history.back()");
    page.expect("document.getElementById('index').hidden", false);
    page.expect("scrollY", before);
    page.expect("document.activeElement.hash", hash);

    // What is not there says so.
    for lost in ["layer4.5.sum/11111", "nowhere/3", "layer4.5.sum/x", "%/%"] {
        page.open(folder, &format!("#/{lost}"));
        page.until("!document.getElementById('lost').hidden");
    }
    page.assert_quiet(&format!("file://{}/", folder.display()));
}

#[test]
fn every_picture_has_its_words_and_its_place() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(folder, &format!("#/{SMALL}"));
    page.expect(
        "document.getElementById('count').textContent",
        "80 of 10,000 units".to_owned(),
    );
    let labels: Vec<String> =
        page.eval("[...document.querySelectorAll('.tile .thumb')].map((thumb) => thumb.getAttribute('aria-label'))");
    assert!(labels.len() > 30);
    assert!(
        labels[1].starts_with("Picture of what excites unit layer3.0.conv1:3; it answers to "),
        "{}",
        labels[1]
    );
    page.open(folder, &format!("#/{LARGE}/{UNPICTURED}"));
    page.until("document.querySelector('.pictures').textContent.includes('no picture')");
    page.open(folder, &format!("#/?q={FLAGGED}"));
    page.until(&format!(
        "document.querySelector('.tile[href=\"#/{LARGE}/{FLAGGED}\"] .thumb').getAttribute('aria-label')\
         .includes('content note: about a religion')"
    ));

    // A thumbnail shows its own part of its sheet: the picture of unit 11 of the sheet's 64.
    page.open(folder, "#/");
    let place: Vec<String> = page.eval(
        "(({ backgroundPosition, backgroundSize, backgroundImage }) => \
         [backgroundPosition, backgroundSize, backgroundImage])(document.querySelectorAll('.tile .thumb')[11].style)",
    );
    assert_eq!(place[0], "42.8571% 14.2857%");
    assert_eq!(place[1], "800% 800%");
    assert!(place[2].contains("sprites/layer4.5.sum-0-"), "{}", place[2]);
    page.assert_quiet(&format!("file://{}/", folder.display()));
}

#[test]
fn a_phone_shows_it_all_without_scrolling_sideways_and_the_switch_makes_it_dark() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.resize(360, 740, true);
    for hash in ["#/", "#/layer4.5.sum/12"] {
        page.open(folder, hash);
        page.until("document.querySelectorAll('.tile, figure').length > 3");
        page.expect("document.documentElement.scrollWidth <= innerWidth", true);
    }
    page.resize(1280, 900, false);
    page.expect("document.documentElement.dataset.theme", "light".to_owned());
    page.click("[data-action=theme]");
    page.expect("document.documentElement.dataset.theme", "dark".to_owned());
    page.open(folder, "#/?q=1");
    page.expect("document.documentElement.dataset.theme", "dark".to_owned());
    page.assert_quiet(&format!("file://{}/", folder.display()));
}
