//! What can be copied: addresses, commands, lists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use percept::atlas::publish::publish;
use percept::input;
use tempfile::TempDir;

use crate::site::browser::{Page, page};
use crate::site::synthetic::{LARGE, SMALL, header, paint_pictures, records, ten_thousand};

/// Keeps what the page hands to the clipboard in `window.copied`.
fn listen(page: &Page) {
    page.run(
        "window.copied = null; \
         navigator.clipboard.writeText = async (text) => { window.copied = text; }",
    );
}

/// As where a browser gives no clipboard to pages: what is copied is what is selected.
fn listen_without_clipboard(page: &Page) {
    page.run(
        "window.copied = null; \
         Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true }); \
         document.addEventListener('copy', ({ target }) => { \
           window.copied = target.value.slice(target.selectionStart, target.selectionEnd); })",
    );
}

#[test]
fn an_address_is_copied_with_and_without_a_clipboard() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    let button = ".tap .copy";
    for has_clipboard in [true, false] {
        page.open(folder, &format!("#/{LARGE}/117"));
        page.until(&format!("document.querySelector('{button}')"));
        match has_clipboard {
            true => listen(&page),
            false => listen_without_clipboard(&page),
        }
        page.click(button);
        page.expect("window.copied", format!("{LARGE}:117"));
        page.expect(
            "document.getElementById('said').textContent",
            format!("Copied {LARGE}:117"),
        );
        page.expect(
            &format!("document.querySelector('{button}').matches('.done')"),
            true,
        );
        page.until(&format!(
            "!document.querySelector('{button}').matches('.done')"
        ));
        // Nothing is left behind, and the focus is where it was.
        page.expect("document.querySelectorAll('body > textarea').length", 0);
        page.expect(&format!("document.activeElement.matches('{button}')"), true);
    }
    page.expect(
        &format!("document.querySelector('{button}').getAttribute('aria-label')"),
        format!("Copy the address {LARGE}:117"),
    );

    // Where a page may not copy at all, the text is there to be copied by hand.
    page.run("document.execCommand = () => false");
    page.click(button);
    page.expect("document.getElementById('by-hand').open", true);
    page.expect("getSelection().toString()", format!("{LARGE}:117"));
    page.press("Escape");
    page.expect("document.getElementById('by-hand').open", false);
    page.assert_quiet(&format!("file://{}/", folder.display()));
}

/// The browser's own clipboard, under the page's policy and from `file://`.
#[test]
fn the_browser_takes_what_is_copied() {
    let Some(page) = page() else { return };
    let folder = ten_thousand();
    page.open(folder, &format!("#/{LARGE}/117"));
    page.until("document.querySelector('.tap .copy')");
    page.click(".tap .copy");
    page.expect(
        "document.getElementById('said').textContent",
        format!("Copied {LARGE}:117"),
    );
    page.expect("document.getElementById('by-hand').open", false);
    page.assert_quiet(&format!("file://{}/", folder.display()));
}

#[test]
fn a_list_is_copied_as_percept_takes_it_and_as_csv() {
    let Some(page) = page() else { return };
    let folder = TempDir::new().unwrap();
    let pictures = paint_pictures(folder.path(), 32);
    let mut records = records(&pictures, 12, 4);
    let formula = "=HYPERLINK(\"x\"), a";
    records[3].labels[0].0 = formula.to_owned();
    for record in &mut records {
        record.words[4] = match record.unit {
            3 | 6 | 9 => "chosen".to_owned(),
            _ => "other".to_owned(),
        };
    }
    publish(folder.path(), &header(), &records).unwrap();
    page.open(folder.path(), "#/?q=chosen");
    page.expect("document.querySelectorAll('.tile').length", 6);
    listen(&page);
    page.click("[data-action=list]");
    page.expect("window.copied", format!("{LARGE}:3,6,9 {SMALL}:3,6,9"));
    page.run(&format!("location.hash = '#/{LARGE}?q=chosen&reversed'"));
    page.expect("document.querySelectorAll('.tile').length", 3);
    page.click("[data-action=list]");
    page.expect("window.copied", format!("{LARGE}:9,6,3"));

    page.click("[data-action=csv]");
    page.until("window.copied.startsWith('tap,')");
    let csv: String = page.eval("window.copied");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(
        lines[0].starts_with("tap,unit,answer,activation,clean,"),
        "{}",
        lines[0]
    );
    // A spreadsheet takes no answer for a formula.
    let expected = format!("{LARGE},3,\"'=HYPERLINK(\"\"x\"\"), a\",");
    assert!(lines[3].starts_with(&expected), "{}", lines[3]);
    let clean: f64 = lines[3][expected.len()..]
        .split(',')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!((clean / records[3].pictures[0].quality.clean - 1.0).abs() < 1e-4);

    page.run("location.hash = '#/?q=nosuchword'");
    page.expect("document.getElementById('copies').hidden", true);
    page.assert_quiet(&format!("file://{}/", folder.path().display()));
}

#[test]
fn commands_are_quoted_for_a_shell_or_not_given() {
    let Some(page) = page() else { return };
    let folder = TempDir::new().unwrap();
    let pictures = paint_pictures(folder.path(), 32);
    let file = "pictures/it's a $(touch broken).png";
    fs::copy(
        folder.path().join(&pictures[0].file),
        folder.path().join(file),
    )
    .unwrap();
    let mut records = records(&pictures, 2, 1);
    records[0].pictures[0].file = file.to_owned();
    let mut header = header();
    let options = ["--model", "a'b `touch broken` \"c\".pt", "--seed", "7"];
    header.taps[0].options = Some(options.map(str::to_owned).to_vec());
    header.taps[1].options = Some(vec!["--model".to_owned(), "a\u{3}\nrm".to_owned()]);
    publish(folder.path(), &header, &records).unwrap();

    page.open(folder.path(), &format!("#/{LARGE}/0"));
    page.until("document.querySelectorAll('.commands code').length === 2");
    listen(&page);
    page.click(".commands .copy");
    page.until("window.copied");
    let render: String = page.eval("window.copied");
    assert_eq!(
        arguments(&render),
        [
            &["percept", "render", "layer4.5.sum:0"],
            &options[..],
            &["--variants", "2"],
        ]
        .concat()
    );
    page.click("figcaption .copy");
    page.until("window.copied.includes('replay')");
    let replay: String = page.eval("window.copied");
    assert_eq!(
        arguments(&replay),
        ["percept", "replay", "pictures/it's a $(touch broken).json"]
    );
    page.expect(
        "document.querySelectorAll('.commands code')[1].textContent.endsWith(' --seed 7 --negative')",
        true,
    );

    // No command holds what a terminal would obey.
    page.open(folder.path(), &format!("#/{SMALL}/0"));
    page.expect("document.querySelector('.commands')?.hidden", true);
    page.assert_quiet(&format!("file://{}/", folder.path().display()));
}

/// What a shell makes of a command.
fn arguments(command: &str) -> Vec<String> {
    let script = format!("printf '%s\\0' {command}");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{command}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Runs a command of the page in a folder, where `percept` is the one that is tested.
fn shell(command: &str, folder: &Path) {
    let percept = Path::new(env!("CARGO_BIN_EXE_percept"));
    let path = format!(
        "{}:{}",
        percept.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let output = Command::new("sh")
        .args(["-c", &format!("{command} --quiet")])
        .env("PATH", path)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {said}");
}

/// The digests of the PNGs below a folder whose names have a part.
fn digests(folder: &Path, part: &str) -> BTreeSet<String> {
    let files = crate::common::files(folder);
    let pictures = files.into_iter().filter(|file| {
        let name = file.to_string_lossy();
        name.ends_with(".png") && name.contains(part)
    });
    pictures
        .map(|file| input::digest(&folder.join(file)).unwrap())
        .collect()
}

#[test]
fn the_commands_make_the_same_pictures() {
    let Some(page) = page() else { return };
    let work = TempDir::new().unwrap();
    let folder = work.path().join("atlas");
    shell(
        "percept atlas --units layer4.0.sum:3,5 --units layer2.0.conv1:1 --steps 3 --size 48 --seed 7 \
         --decay 1.5 --scale 2 --variants 2 --negative --out atlas",
        work.path(),
    );
    for (tap, unit) in [("layer4.0.sum", 5), ("layer2.0.conv1", 1)] {
        page.open(&folder, &format!("#/{tap}/{unit}"));
        page.until("document.querySelectorAll('.commands code').length === 2");
        let commands: Vec<String> = page.eval(
            "[...document.querySelectorAll('.commands code')].map((code) => code.textContent)",
        );
        assert_eq!(
            commands[0],
            format!(
                "percept render {tap}:{unit} --steps 3 --size 48 --seed 7 --decay 1.5 --scale 2 --variants 2"
            )
        );
        let out = work.path().join(tap);
        for command in &commands {
            shell(&format!("{command} --out {}", out.display()), work.path());
        }
        let own = folder.join("pictures").join(tap);
        let made = digests(&own, &format!("{unit}-"));
        assert_eq!(made.len(), 4);
        assert_eq!(digests(&out, "mini"), made);
    }
    listen(&page);
    page.click("figcaption .copy");
    page.until("window.copied");
    let replay: String = page.eval("window.copied");
    shell(&replay, &folder);
    assert!(
        folder
            .join("pictures/layer2.0.conv1/1-v0.replay.png")
            .is_file()
    );
    page.assert_quiet(&format!("file://{}/", folder.display()));
}
