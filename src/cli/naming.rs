//! Where pictures go, and what their files are called.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::error::{Result, bail};
use crate::input::sha256;
use crate::model::spec::{HubModel, WEIGHT_EXTENSIONS, known};
use crate::param::Basis;
use crate::recipe::{DEFAULT_PRESET, ModelEntry, Recipe};
use crate::size::Size;
use crate::transform::preset::preset;

/// Bytes of a model's name and of an objective that a file name repeats; a longer one ends in a digest. File
/// systems take names of 255 bytes.
const LONGEST_PART: usize = 80;

/// Endings of files that no picture is written to.
const FOREIGN: [&str; 10] = [
    "jpg",
    "jpeg",
    "webp",
    "gif",
    "bmp",
    "tif",
    "tiff",
    "json",
    "npz",
    "safetensors",
];

/// Where a picture goes that was stopped: where a run of so few steps would put it in a folder, else beside
/// the place of the whole one; the name says the steps either way.
pub fn unfinished(recipe: &Recipe, whole: &Path, out: &Path, resolution: usize) -> PathBuf {
    match whole == out {
        true => with_steps(recipe, whole),
        false => out.join(file_name(recipe, resolution)),
    }
}

/// The path with the recipe's steps at the end of the file's name.
pub fn with_steps(recipe: &Recipe, path: &Path) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{}steps.png", recipe.ascent.steps))
}

/// The file of each recipe's picture: `out` itself when it ends in .png, else a file in the folder
/// `out`. `resolution` is the model's input size.
///
/// # Errors
/// When two pictures would share a file, or `out` asks for another format.
pub fn files(out: &Path, recipes: &[Recipe], resolution: usize) -> Result<Vec<PathBuf>> {
    let ending = out
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("png") if recipes.len() > 1 => bail!(
            Request,
            "{} pictures do not fit into one file {}: give --out a folder",
            recipes.len(),
            out.display()
        ),
        Some("png") => return Ok(vec![out.to_owned()]),
        Some(ending) if FOREIGN.contains(&ending) => bail!(
            Request,
            "percept writes PNG, not .{ending}: give --out a name that ends in .png, or a folder"
        ),
        _ => {}
    }
    let mut taken = HashSet::with_capacity(recipes.len());
    let mut files = Vec::with_capacity(recipes.len());
    for recipe in recipes {
        let file = out.join(file_name(recipe, resolution));
        if !taken.insert(file.clone()) {
            bail!(
                Request,
                "two of these pictures would be {}: {} is asked for twice, or its name is too like another's",
                file.display(),
                recipe.objective
            );
        }
        files.push(file);
    }
    Ok(files)
}

/// Model, objective, seed, variant and how many are made together, with the image encoder's prefix where the weights hold
/// several, and the preset, size, steps, step length and basis where they differ from the defaults.
fn file_name(recipe: &Recipe, resolution: usize) -> String {
    let objective = recipe.objective.to_string();
    let mut parts = vec![shortened(model(&recipe.model), &recipe.model.name)];
    if let Some(prefix) = &recipe.model.prefix {
        parts.push(shortened(plain(prefix), prefix));
    }
    let mut spelled = shortened(plain(&objective), &objective);
    if objective.len() > LONGEST_PART
        && let Some(row) = recipe.objective.row()
    {
        spelled = format!("{spelled}-{row}");
    }
    if recipe.objective.texts().next().is_some() && objective.len() <= LONGEST_PART {
        // Characters of a text that no file name has may be all that tells it from another.
        spelled = format!("{spelled}-{}", &sha256(objective.as_bytes())[..8]);
    }
    parts.push(spelled);
    let default = preset(&recipe.ascent.preset);
    if recipe.ascent.preset != DEFAULT_PRESET {
        parts.push(plain(&recipe.ascent.preset));
    }
    if recipe.ascent.size != Size::square(resolution) {
        parts.push(format!("{}px", recipe.ascent.size));
    }
    if default
        .as_ref()
        .is_none_or(|preset| preset.steps != recipe.ascent.steps)
    {
        parts.push(format!("{}steps", recipe.ascent.steps));
    }
    if default.is_none_or(|preset| preset.learning_rate != recipe.ascent.learning_rate) {
        parts.push(format!("lr{}", brief(recipe.ascent.learning_rate)));
    }
    match recipe.ascent.basis {
        Basis::Fourier { decay: 1.0 } => {}
        Basis::Fourier { decay } => parts.push(format!("decay{}", brief(decay))),
        Basis::Pixel => parts.push("pixel".to_owned()),
    }
    parts.push(format!("s{}", recipe.seed));
    if recipe.variant > 0 {
        parts.push(format!("v{}", recipe.variant));
    }
    if let Some(count) = recipe.together {
        parts.push(format!("of{count}"));
    }
    parts.join("-") + ".png"
}

/// Characters of a number from which on a file name has it with an exponent.
const LONG_NUMBER: usize = 12;

/// A number as a file name has it.
fn brief(number: f64) -> String {
    let digits = number.to_string();
    match digits.len() {
        0..LONG_NUMBER => digits,
        _ => format!("{number:e}"),
    }
}

/// Names of weight files that say nothing of the model.
const GENERIC: [&str; 4] = [
    "model",
    "open_clip_model",
    "pytorch_model",
    "open_clip_pytorch_model",
];

/// A known model's name, a hub id's last part, or a path's: the file's name without the ending of a
/// weight file, the folder's where that says nothing; the start of the weights' SHA-256
/// where neither does.
fn model(entry: &ModelEntry) -> String {
    if let Some(model) = known(&entry.name) {
        return plain(model.name);
    }
    if let Some(name) = HubModel::name_in(&entry.name) {
        return plain(&name);
    }
    let path = Path::new(&entry.name);
    let parts = [Some(path), path.parent()].into_iter().flatten();
    let stems = parts.filter_map(|part| {
        let name = part.file_name()?.to_str()?;
        let stem = WEIGHT_EXTENSIONS
            .iter()
            .find_map(|ending| name.strip_suffix(ending)?.strip_suffix('.'));
        Some(plain(stem.unwrap_or(name)))
    });
    let mut told = stems.filter(|stem| !stem.is_empty() && !GENERIC.contains(&stem.as_str()));
    told.next()
        .unwrap_or_else(|| entry.sha256[..8.min(entry.sha256.len())].to_owned())
}

/// A part of a file name, cut where it is too long and told apart by a digest of what it stands for.
fn shortened(mut part: String, of: &str) -> String {
    if part.len() > LONGEST_PART {
        let mut cuts = (0..=LONGEST_PART).rev();
        let cut = cuts.find(|&cut| part.is_char_boundary(cut));
        part.replace_range(
            cut.unwrap_or(0)..,
            &format!("-{}", &sha256(of.as_bytes())[..8]),
        );
    }
    part
}

/// The text in characters that every file system takes.
fn plain(text: &str) -> String {
    let kept = text.replace(
        ['+', '*', ' ', '/', '\\', ':', '(', ')', ',', '@', '#', '='],
        "_",
    );
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
        .collect()
}
