//! Labels and file names that try to be more than text.

use std::fs;

use percept::atlas::publish::publish;
use percept::atlas::record::Record;
use tempfile::TempDir;

use crate::site::browser::page;
use crate::site::server::serve;
use crate::site::synthetic::{LARGE, header, paint_pictures, records};

const HOSTILE: [&str; 6] = [
    "<img src=x onerror=\"window.broken=1\">",
    "</script><script>window.broken=1</script>",
    "'\"><svg onload=window.broken=1>",
    "javascript:window.broken=1",
    "{{ 7 * 7 }} ${7*7} \\u003cb\\u003e",
    "line\u{2028}separators\u{2029}and \u{202e}direction",
];

/// A name that an address must spell otherwise.
const FILE: &str = "examples/a#b?c%20\"'<img src=x onerror=alert(1)>.png";

#[test]
fn text_stays_text_and_file_names_stay_file_names() {
    let Some(page) = page() else { return };
    let folder = TempDir::new().unwrap();
    let pictures = paint_pictures(folder.path(), 32);
    let mut records: Vec<Record> = records(&pictures, 70, 0);
    fs::create_dir(folder.path().join("examples")).unwrap();
    fs::copy(
        folder.path().join(&pictures[0].file),
        folder.path().join(FILE),
    )
    .unwrap();
    for (record, hostile) in records.iter_mut().zip(HOSTILE) {
        record.words[0] = hostile.to_owned();
        record.labels[0].0 = hostile.to_owned();
        record.examples = vec![FILE.to_owned()];
        record.pictures[0].file = FILE.to_owned();
        record.flag = Some(hostile.to_owned());
        let selectivity = record.pictures[0].quality.selectivity.as_mut();
        selectivity.unwrap().statistics = hostile.to_owned();
    }
    let mut header = header();
    header.model.name = HOSTILE[1].to_owned();
    header.taps[0].options = Some(HOSTILE[..5].iter().map(|text| (*text).to_owned()).collect());
    header.recipe = serde_json::json!({ "preset": HOSTILE[0], HOSTILE[2]: 1 });
    publish(folder.path(), &header, &records).unwrap();

    let disk = format!("file://{}/", folder.path().display());
    for base in [disk, serve(folder.path())] {
        let index = format!("{base}index.html");
        page.go(&index);
        page.expect(
            "document.querySelector('.title').textContent",
            HOSTILE[1].to_owned(),
        );
        page.expect(
            "document.querySelector('.facts code').textContent.length",
            64,
        );
        for (unit, hostile) in HOSTILE.iter().enumerate() {
            page.go(&format!("{index}#/{LARGE}/{unit}"));
            let texts = [
                "document.querySelector('.lead')",
                "document.querySelector('.chips a')",
                "document.querySelector('.labels a')",
                "document.querySelector('.note span')",
            ];
            for text in texts {
                page.expect(&format!("{text}.textContent"), (*hostile).to_owned());
            }
            page.click(".note button");
            // Both places show the file itself.
            for image in [".pictures img", ".example img"] {
                page.until(&format!(
                    "document.querySelector(`{image}`).naturalWidth === 32"
                ));
            }
        }
        // In the commands, in the response, in a tile's hits, side by side and in the scatter.
        page.until(&format!(
            "document.querySelector('.response p').textContent.includes({})",
            serde_json::to_string(HOSTILE[5]).unwrap()
        ));
        page.until(
            "document.querySelector('.commands code').textContent.includes('window.broken')",
        );
        page.go(&format!("{index}#/compare/{LARGE}:0/{LARGE}:1/{LARGE}:2"));
        page.expect(
            "[...document.querySelectorAll('.comparison .lead')].map((word) => word.textContent)",
            HOSTILE[..3]
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>(),
        );
        page.until("document.querySelectorAll('.comparison tbody tr').length > 20");
        page.go(&format!("{index}#/?q=window.broken&x=activation&y=z"));
        page.expect("document.querySelectorAll('.tile').length", 4);
        page.run("atlas.scatter.point(atlas.scatter.plot.points[0])");
        page.expect(
            "document.querySelector('.card i').textContent",
            HOSTILE[0].to_owned(),
        );
        page.go(&format!("{index}#/{LARGE}/5"));
        page.until("document.querySelector('.labels a')");
        page.click(".labels a");
        page.expect("document.querySelectorAll('.tile').length", 1);
        page.expect("window.broken === undefined", true);
        page.expect(
            "document.querySelectorAll('body script, img[onerror], svg[onload]').length",
            0,
        );
        page.assert_quiet(&base);
    }
}
