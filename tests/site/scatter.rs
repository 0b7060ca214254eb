//! Two numbers against each other.

use crate::site::browser::{Page, page};
use crate::site::synthetic::{FLAGGED, LARGE, SMALL, ten_thousand};

/// Where the point of a unit is in the window, for the pointer.
fn point(page: &Page, tap: &str, unit: usize) -> [f64; 2] {
    page.eval(&format!(
        "(() => {{ const {{ plot, canvas }} = atlas.scatter; \
         const place = atlas.catalogue.find('{tap}', {unit}); \
         const [x, y] = plot.at(plot.points.find((point) => point.place === place)); \
         const {{ left, top }} = canvas.getBoundingClientRect(); return [left + x, top + y]; }})()"
    ))
}

/// What a pointer does on the canvas.
fn pointer(page: &Page, event: &str, [x, y]: [f64; 2], kind: &str) {
    let buttons = if event == "pointerdown" { 1 } else { 0 };
    page.run(&format!(
        "document.querySelector('#scatter canvas').dispatchEvent(new PointerEvent('{event}', \
         {{ bubbles: true, clientX: {x}, clientY: {y}, button: 0, buttons: {buttons}, pointerType: '{kind}' }}))"
    ));
}

#[test]
fn any_two_numbers_are_plotted_and_filters_make_the_others_pale() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(folder, &format!("#/{SMALL}"));
    page.expect("document.getElementById('scatter').hidden", true);
    page.click("[name=scatter]");
    page.expect("location.hash", format!("#/{SMALL}?x=activation&y=z"));
    page.expect(
        "document.querySelector('[name=scatter]').getAttribute('aria-pressed')",
        "true".to_owned(),
    );
    page.expect("atlas.scatter.plot.points.length", 80);
    page.expect("atlas.scatter.plot.points.every(({ isIn }) => isIn)", true);
    page.until(
        "document.querySelector('#scatter canvas').getAttribute('aria-label') === \
         'Selectivity against activation: 80 units, 80 of them as asked for'",
    );

    // Every number can be chosen.
    let numbers: usize = page.eval("atlas.catalogue.numbers.length");
    for axis in ["x", "y"] {
        page.expect(
            &format!("document.querySelector('[name={axis}]').options.length"),
            numbers,
        );
    }
    page.run(
        "const field = document.querySelector('[name=x]'); field.value = 'mean'; \
         field.dispatchEvent(new Event('input', { bubbles: true }))",
    );
    page.expect("location.hash", format!("#/{SMALL}?x=mean&y=z"));
    page.expect(
        "atlas.scatter.plot.points.every(({ place, x }) => x === atlas.catalogue.number('mean').values[place])",
        true,
    );

    // It follows the search and the filters.
    page.open(folder, &format!("#/{SMALL}?x=mean&y=z&z=6.."));
    page.until("document.querySelectorAll('.tile').length > 0");
    let found: usize = page.eval(
        "atlas.catalogue.select({ tap: 'layer3.0.conv1', ranges: new Map([['z', [6, null]]]) }).places.length",
    );
    assert!((5..75).contains(&found), "{found}");
    page.expect("atlas.scatter.plot.points.length", 80);
    page.expect(
        "atlas.scatter.plot.points.filter(({ isIn }) => isIn).length",
        found,
    );

    // Something is drawn, in the accent's colour where a unit is asked for.
    page.until(
        "(() => { const { plot, canvas } = atlas.scatter; const pen = canvas.getContext('2d'); \
         const [x, y] = plot.at(plot.points.find(({ isIn }) => isIn)); \
         const [red, , blue] = pen.getImageData(x * devicePixelRatio, y * devicePixelRatio, 1, 1).data; \
         return red > blue + 40; })()",
    );
    page.click("[name=scatter]");
    page.expect("document.getElementById('scatter').hidden", true);
    page.assert_quiet(&format!("file://{}/", folder.display()));
}

#[test]
fn a_pointer_shows_a_unit_opens_it_and_filters_by_a_box() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(folder, &format!("#/{SMALL}?x=activation&y=z"));
    page.until("atlas.scatter.plot.points.length === 80");
    pointer(&page, "pointermove", point(&page, SMALL, 9), "mouse");
    page.expect("document.querySelector('.card').hidden", false);
    page.expect(
        "document.querySelector('.card b').textContent",
        format!("{SMALL}:9"),
    );
    page.until("document.querySelector('.card .thumb').style.backgroundImage.includes('sprites/')");
    page.until("/^Activation [\\d.]+, Selectivity [\\d.]+$/.test(document.querySelector('.card .also').textContent)");
    pointer(&page, "pointermove", [1.0, 1.0], "mouse");
    page.expect("document.querySelector('.card').hidden", true);

    pointer(&page, "pointerdown", point(&page, SMALL, 9), "mouse");
    pointer(&page, "pointerup", point(&page, SMALL, 9), "mouse");
    page.expect("location.hash", format!("#/{SMALL}/9"));
    page.expect("document.querySelector('h1').textContent", "9".to_owned());
    page.press("Escape");
    page.expect("location.hash", format!("#/{SMALL}?x=activation&y=z"));

    // A finger looks first.
    page.until("atlas.scatter.canvas.offsetParent !== null");
    for hash in [
        format!("#/{SMALL}?x=activation&y=z"),
        format!("#/{SMALL}/9"),
    ] {
        pointer(&page, "pointerdown", point(&page, SMALL, 9), "touch");
        pointer(&page, "pointerup", point(&page, SMALL, 9), "touch");
        page.expect("location.hash", hash);
        page.expect("document.querySelector('.card').hidden", false);
    }
    page.press("Escape");
    page.until("atlas.scatter.canvas.offsetParent !== null");

    // A box around the left half of the plane.
    let middle: [f64; 3] = page.eval(
        "(({ left, top, width, height }) => [left + width / 2, top, top + height])\
         (document.querySelector('#scatter canvas').getBoundingClientRect())",
    );
    let [x, top, bottom] = middle;
    pointer(&page, "pointerdown", [x, top], "mouse");
    pointer(&page, "pointermove", [x - 300.0, top + 200.0], "mouse");
    page.expect("document.querySelector('.brush').hidden", false);
    pointer(&page, "pointerup", [0.0, bottom], "mouse");
    page.expect("document.querySelector('.brush').hidden", true);
    page.until("/activation=-?[\\d.]+\\.\\.[\\d.]+&z=/.test(location.hash)");
    page.expect(
        "document.querySelector('.badge').textContent",
        "2".to_owned(),
    );
    let inside: usize = page.eval(&format!(
        "atlas.scatter.plot.points.filter((point) => atlas.scatter.plot.at(point)[0] < \
         {x} - atlas.scatter.canvas.getBoundingClientRect().left).length"
    ));
    assert!((5..75).contains(&inside), "{inside}");
    page.expect(
        "document.getElementById('count').textContent",
        format!("{inside} of 10,000 units"),
    );
    page.expect(
        "atlas.scatter.plot.points.filter(({ isIn }) => isIn).length",
        inside,
    );
    page.assert_quiet(&format!("file://{}/", folder.display()));
}

#[test]
fn keys_go_from_point_to_point() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(folder, &format!("#/{SMALL}?x=activation&y=z&z=4.."));
    page.until("atlas.scatter.plot.points.length === 80");
    page.run("document.querySelector('#scatter canvas').focus()");
    let along = |axis: &str| -> Vec<String> {
        page.eval(&format!(
            "atlas.scatter.plot.points.filter(({{ isIn }}) => isIn).sort((a, b) => a.{axis} - b.{axis})\
             .map(({{ place }}) => atlas.catalogue.name(place))"
        ))
    };
    let (by_x, by_y) = (along("x"), along("y"));
    let card = "document.querySelector('.card b').textContent";
    let mut at = 0;
    for (key, expected) in [
        ("ArrowRight", 0),
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
    ] {
        page.press(key);
        page.expect(card, by_x[expected].clone());
        at = expected;
    }
    let up = by_y.iter().position(|name| *name == by_x[at]).unwrap();
    page.press("ArrowUp");
    let highest = by_y.len() - 1;
    page.expect(card, by_y[(up + 1).min(highest)].clone());
    page.press("End");
    page.expect(card, by_x.last().unwrap().clone());
    // What is shown is said.
    page.until(&format!(
        "document.getElementById('said').textContent.includes('{}')",
        by_x.last().unwrap()
    ));
    page.press("Home");
    page.expect(card, by_x[0].clone());
    page.press("Enter");
    page.expect("location.hash", format!("#/{}", by_x[0].replace(':', "/")));
    page.assert_quiet(&format!("file://{}/", folder.display()));
}

#[test]
fn a_unit_with_a_content_note_is_blurred_in_the_scatter_too_and_a_phone_has_room_for_it() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(folder, &format!("#/?q={FLAGGED}&x=activation&y=z"));
    page.until("atlas.scatter.plot.points.length > 9000");
    page.run(&format!(
        "atlas.scatter.point(atlas.scatter.plot.points.find(({{ place }}) => \
         place === atlas.catalogue.find('{LARGE}', {FLAGGED})))"
    ));
    page.expect(
        "document.querySelector('.card b').textContent",
        format!("{LARGE}:{FLAGGED}"),
    );
    page.until("getComputedStyle(document.querySelector('.card .thumb')).filter.includes('blur')");
    // Units without both numbers are counted, not drawn.
    page.expect(
        "document.querySelector('#scatter .missing').textContent",
        "1 unit without both numbers.".to_owned(),
    );
    page.resize(360, 740, true);
    page.expect("document.documentElement.scrollWidth <= innerWidth", true);
    page.expect(
        "document.querySelector('#scatter canvas').clientWidth > 300",
        true,
    );
    page.assert_quiet(&format!("file://{}/", folder.display()));
}
