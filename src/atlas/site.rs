//! The site: one page, scripts that hold the data, thumbnails in sheets. It needs no server and asks for
//! nothing but its own files.

mod index;
mod page;
mod script;
mod sprites;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::manifest::Header;
use super::record::Record;
use crate::error::{Error, Result};
use crate::input::sha256;
use index::Index;
use page::Page;
use sprites::FOLDER as SPRITES;

/// The page's name in an atlas' folder.
pub const PAGE: &str = "index.html";

/// The folder of everything that the page loads but pictures.
pub const FOLDER: &str = "site";

/// Units in one sheet of thumbnails, and in one script of what is known of them.
const CHUNK: usize = 64;

/// The page's own scripts, in the order in which they run; `data.js` is written after
/// `catalogue.js`, which receives it.
const SCRIPTS: [(&str, &str); 9] = [
    ("theme.js", include_str!("site/assets/theme.js")),
    ("catalogue.js", include_str!("site/assets/catalogue.js")),
    ("route.js", include_str!("site/assets/route.js")),
    ("draw.js", include_str!("site/assets/draw.js")),
    ("grid.js", include_str!("site/assets/grid.js")),
    ("chunks.js", include_str!("site/assets/chunks.js")),
    ("controls.js", include_str!("site/assets/controls.js")),
    ("unit.js", include_str!("site/assets/unit.js")),
    ("app.js", include_str!("site/assets/app.js")),
];

/// What the page looks like.
const STYLES: [(&str, &str); 2] = [
    ("style.css", include_str!("site/assets/style.css")),
    ("icon.svg", include_str!("site/assets/icon.svg")),
];

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
    /// Sheets that it shows; those of them that were there already are not among the files.
    sheets: Vec<String>,
}

impl Site {
    /// For records in the order in which they are shown, with their pictures in `folder`.
    ///
    /// # Errors
    /// When a picture cannot be read.
    pub fn new(folder: &Path, header: &Header, records: &[Record]) -> Result<Self> {
        let chunks = chunks(records);
        let sheets = sprites::sheets(folder, &chunks, sprites::side(records))?;
        let names: Vec<String> = sheets.iter().map(|sheet| sheet.name.clone()).collect();
        let mut files = BTreeMap::new();
        let mut put = |name: &str, text: String| {
            files.insert(format!("{FOLDER}/{name}"), text.into_bytes());
        };
        for (name, text) in SCRIPTS.into_iter().chain(STYLES) {
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
        for sheet in sheets {
            files.extend(sheet.bytes.map(|bytes| (sheet.name, bytes)));
        }
        Ok(Self {
            files,
            page,
            sheets: names,
        })
    }

    /// Removes sheets and scripts of units that an earlier site in the folder had and this one has not.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove_others(&self, folder: &Path) -> Result<()> {
        let mut folders = vec![SPRITES.to_owned(), format!("{FOLDER}/units")];
        while let Some(name) = folders.pop() {
            let path = folder.join(&name);
            let failed = |source| Error::io("cannot clear out", &path, source);
            if !path.is_dir() {
                continue;
            }
            for entry in fs::read_dir(&path).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = format!("{name}/{}", entry.file_name().to_string_lossy());
                let is_ours = self.files.contains_key(&name) || self.sheets.contains(&name);
                if entry.path().is_dir() {
                    folders.push(name);
                } else if !is_ours && (name.ends_with(".js") || name.ends_with(".jpg")) {
                    fs::remove_file(entry.path()).map_err(failed)?;
                }
            }
        }
        Ok(())
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
