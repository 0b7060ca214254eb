//! The site: one page, scripts that hold the data, thumbnails in sheets. It needs no server and asks for
//! nothing but its own files.

mod index;
mod page;
mod recipe;
mod script;
mod sprites;

use std::collections::BTreeMap;
use std::path::Path;

use super::manifest::{Files, Header};
use super::published::Published;
use super::record::Record;
use crate::error::Result;
use crate::input::sha256;
use index::Index;
use page::Page;
pub use sprites::FOLDER as SPRITES;
use sprites::Image;

/// The page's name in an atlas' folder.
pub const PAGE: &str = "index.html";

/// The folder of everything that the page loads but pictures.
pub const FOLDER: &str = "site";

/// Units in one sheet of thumbnails, and in one script of what is known of them.
const CHUNK: usize = 64;

/// The page's own scripts, in the order in which they run; `data.js` is written after [`RECEIVER`].
const SCRIPTS: [(&str, &str); 18] = [
    ("theme.js", include_str!("site/assets/theme.js")),
    ("search.js", include_str!("site/assets/search.js")),
    ("catalogue.js", include_str!("site/assets/catalogue.js")),
    ("route.js", include_str!("site/assets/route.js")),
    ("draw.js", include_str!("site/assets/draw.js")),
    ("spread.js", include_str!("site/assets/spread.js")),
    ("grid.js", include_str!("site/assets/grid.js")),
    ("chunks.js", include_str!("site/assets/chunks.js")),
    ("copy.js", include_str!("site/assets/copy.js")),
    ("filters.js", include_str!("site/assets/filters.js")),
    ("controls.js", include_str!("site/assets/controls.js")),
    ("plot.js", include_str!("site/assets/plot.js")),
    ("scatter.js", include_str!("site/assets/scatter.js")),
    ("tray.js", include_str!("site/assets/tray.js")),
    ("parts.js", include_str!("site/assets/parts.js")),
    ("unit.js", include_str!("site/assets/unit.js")),
    ("compare.js", include_str!("site/assets/compare.js")),
    ("app.js", include_str!("site/assets/app.js")),
];

/// The script that receives `data.js`.
const RECEIVER: &str = "catalogue.js";

/// What the page looks like.
const STYLES: [(&str, &str); 4] = [
    ("style.css", include_str!("site/assets/style.css")),
    ("index.css", include_str!("site/assets/index.css")),
    ("scatter.css", include_str!("site/assets/scatter.css")),
    ("unit.css", include_str!("site/assets/unit.css")),
];

/// Its sign in a browser's tab.
const ICON: (&str, &str) = ("icon.svg", include_str!("site/assets/icon.svg"));

/// Units of one tap that share a sheet and a script.
struct Chunk<'a> {
    tap: &'a str,
    index: usize,
    records: &'a [Record],
}

/// The site of an atlas.
pub struct Site {
    /// Files to be written, by their paths in the atlas' folder with `/` between the parts.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The page, to be written after them.
    pub page: String,
    /// Sheets that it shows too, and that are in their places already.
    pub kept: Files,
}

impl Site {
    /// For records in the order in which they are shown, with their pictures in `folder`; sheets that were
    /// published there and are as they were are not made again.
    ///
    /// # Errors
    /// When a picture cannot be read.
    pub fn new(
        folder: &Path,
        header: &Header,
        records: &[Record],
        published: &Published,
    ) -> Result<Self> {
        let chunks = chunks(records);
        let sheets = sprites::sheets(folder, &chunks, sprites::side(records), published)?;
        let names: Vec<String> = sheets.iter().map(|sheet| sheet.name.clone()).collect();
        let mut files = BTreeMap::new();
        let mut put = |name: &str, text: String| {
            files.insert(format!("{FOLDER}/{name}"), text.into_bytes());
        };
        for (name, text) in SCRIPTS.into_iter().chain(STYLES).chain([ICON]) {
            put(name, text.to_owned());
        }
        let index = Index::new(header, records, &chunks, &names);
        put("data.js", script::call("index", (index,))?);
        for Chunk {
            tap,
            index,
            records,
        } in &chunks
        {
            let name = format!("units/{tap}/{index}.js");
            put(&name, script::call("chunk", (tap, index, records))?);
        }
        let page = Page::new(header, records, &stamp(&files)).html()?;
        let mut kept = Files::new();
        for sheet in sheets {
            match sheet.image {
                Image::Drawn(bytes) => drop(files.insert(sheet.name, bytes)),
                Image::Kept(entry) => drop(kept.insert(sheet.name, entry)),
            }
        }
        Ok(Self { files, page, kept })
    }
}

fn chunks(records: &[Record]) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    for of_tap in records.chunk_by(|a, b| a.tap == b.tap) {
        let parts = of_tap.chunks(CHUNK).enumerate();
        chunks.extend(parts.map(|(index, records)| Chunk {
            tap: &of_tap[0].tap,
            index,
            records,
        }));
    }
    chunks
}

/// Changes with any of the files, so that no browser mixes those of two versions.
fn stamp(files: &BTreeMap<String, Vec<u8>>) -> String {
    let lines: String = files
        .iter()
        .map(|(name, bytes)| format!("{name} {}\n", sha256(bytes)))
        .collect();
    sha256(lines.as_bytes())[..12].to_owned()
}
