//! What publishing leaves in a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use percept::atlas::publish::publish;
use percept::error::Kind;
use tempfile::TempDir;

use crate::common::files;
use crate::site::synthetic::{LARGE, header, paint_pictures, records};

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |name: PathBuf| (fs::read(folder.join(&name)).unwrap(), name);
    let found = files(folder).into_iter().map(read);
    found.map(|(bytes, name)| (name, bytes)).collect()
}

#[test]
fn the_same_records_in_any_order_make_the_same_bytes() {
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let pictures = paint_pictures(one.path(), 32);
    paint_pictures(other.path(), 32);
    let mut records = records(&pictures, 130, 5);
    publish(one.path(), &header(), &records).unwrap();
    // In the other folder there is more at first, and it comes in another order.
    publish(
        other.path(),
        &header(),
        &super::synthetic::records(&pictures, 300, 70),
    )
    .unwrap();
    records.reverse();
    publish(other.path(), &header(), &records).unwrap();
    let (one, other) = (contents(one.path()), contents(other.path()));
    assert!(
        one.keys().eq(other.keys()),
        "{:?} {:?}",
        one.keys(),
        other.keys()
    );
    for (name, bytes) in &one {
        assert!(*bytes == other[name], "{}", name.display());
    }
    for name in [
        "manifest.json",
        "units.parquet",
        "index.html",
        "site/units/layer4.5.sum/2.js",
    ] {
        assert!(one.contains_key(Path::new(name)), "{name}");
    }
    let sheets = one.keys().filter(|name| name.starts_with("sprites"));
    assert_eq!(sheets.count(), 4);
}

#[test]
fn a_sheet_shows_each_units_picture_at_its_place() {
    let folder = TempDir::new().unwrap();
    let pictures = paint_pictures(folder.path(), 48);
    let records = records(&pictures, 20, 0);
    publish(folder.path(), &header(), &records).unwrap();
    let sprites = fs::read_dir(folder.path().join("sprites")).unwrap();
    let sheet = sprites.map(|entry| entry.unwrap().path()).next().unwrap();
    let sheet = image::open(sheet).unwrap().to_rgb8();
    assert_eq!(sheet.dimensions(), (8 * 48, 3 * 48));
    // How far, in levels, the sheet is from a picture at a unit's place.
    let error = |place: u32, file: &str| {
        let picture = image::open(folder.path().join(file)).unwrap().to_rgb8();
        let differences = picture.enumerate_pixels().map(|(x, y, pixel)| {
            let shown = sheet.get_pixel(place % 8 * 48 + x, place / 8 * 48 + y);
            f64::from(pixel[1].abs_diff(shown[1]))
        });
        differences.sum::<f64>() / f64::from(48 * 48)
    };
    for (place, record) in (0..).zip(&records) {
        let own = &record.pictures[0].file;
        for other in &pictures {
            let is_own = other.file == *own;
            assert_eq!(error(place, &other.file) < 8.0, is_own, "unit {place}");
        }
    }
}

#[test]
fn what_cannot_be_published_leaves_the_old_atlas_as_it_was() {
    let folder = TempDir::new().unwrap();
    let pictures = paint_pictures(folder.path(), 32);
    let good = records(&pictures, 3, 1);
    publish(folder.path(), &header(), &good).unwrap();
    let before = contents(folder.path());
    let refused = |records: &[_], kind: Kind, word: &str| {
        let error = publish(folder.path(), &header(), records).unwrap_err();
        assert_eq!(error.kind(), kind, "{}", error.report());
        assert!(error.report().contains(word), "{}", error.report());
    };

    let mut bad = good.clone();
    bad[1].examples[0] = "../../secret.png".to_owned();
    refused(&bad, Kind::Input, "layer4.5.sum:1");
    bad = good.clone();
    bad.push(good[2].clone());
    refused(&bad, Kind::Internal, "twice");
    bad = good.clone();
    bad[0].tap = "layer1".to_owned();
    refused(&bad, Kind::Internal, "layer1");
    bad = good.clone();
    bad[0].unit = 12_000;
    refused(&bad, Kind::Internal, "12000");
    bad = good.clone();
    bad[0].pictures[0].file = "pictures/missing.png".to_owned();
    bad[0].pictures[0].sha256 = "another".to_owned();
    refused(&bad, Kind::Io, "missing.png");
    fs::write(folder.path().join("pictures/broken.png"), b"\x89PNG broken").unwrap();
    bad[0].pictures[0].file = "pictures/broken.png".to_owned();
    refused(&bad, Kind::Input, "broken.png");
    fs::remove_file(folder.path().join("pictures/broken.png")).unwrap();
    assert!(contents(folder.path()) == before);

    // The user's notes are read and left alone.
    let flags = format!("# mine\n[\"{LARGE}\"]\n2 = \"a note\"\n3 = oops\n");
    fs::write(folder.path().join("flags.toml"), &flags).unwrap();
    refused(&good, Kind::Input, "line 4");
    let flags = flags.replace("3 = oops\n", "");
    fs::write(folder.path().join("flags.toml"), &flags).unwrap();
    publish(folder.path(), &header(), &good).unwrap();
    let after = contents(folder.path());
    assert_eq!(after[Path::new("flags.toml")], flags.as_bytes());
    let chunk =
        String::from_utf8_lossy(&after[Path::new("site/units/layer4.5.sum/0.js")]).into_owned();
    assert!(chunk.contains(r#""flag":"a note""#));
}

#[test]
fn an_atlas_without_units_is_an_atlas() {
    let folder = TempDir::new().unwrap();
    publish(folder.path(), &header(), &[]).unwrap();
    assert!(folder.path().join("units.parquet").is_file());
}
