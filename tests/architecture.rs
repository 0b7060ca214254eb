//! The way through the house: a module may use only those below it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each top-level module may use, from the bottom up (src/ARCHITECTURE.md draws it).
const ALLOWED: [(&str, &[&str]); 20] = [
    ("error", &[]),
    ("seed", &[]),
    ("size", &["error"]),
    ("device", &["error"]),
    ("backend", &["error"]),
    ("input", &["error"]),
    ("ops", &["error", "backend"]),
    ("encoder", &["error", "size", "backend", "ops"]),
    ("param", &["error", "seed", "size", "backend", "ops"]),
    ("transform", &["seed", "size", "ops"]),
    ("model", &["error", "input", "backend", "ops", "encoder"]),
    (
        "objective",
        &["error", "size", "input", "backend", "encoder", "model"],
    ),
    (
        "ascent",
        &[
            "error",
            "seed",
            "size",
            "device",
            "backend",
            "ops",
            "encoder",
            "param",
            "transform",
            "model",
            "objective",
        ],
    ),
    (
        "encode",
        &["error", "backend", "input", "encoder", "model", "objective"],
    ),
    ("output", &["error", "size", "input", "ascent"]),
    (
        "recipe",
        &[
            "size",
            "input",
            "error",
            "seed",
            "device",
            "param",
            "transform",
            "model",
            "objective",
            "ascent",
        ],
    ),
    (
        "render",
        &[
            "error",
            "input",
            "device",
            "backend",
            "model",
            "objective",
            "ascent",
            "output",
            "recipe",
        ],
    ),
    (
        "atlas",
        &[
            "size",
            "error",
            "input",
            "device",
            "backend",
            "encoder",
            "param",
            "transform",
            "model",
            "objective",
            "ascent",
            "output",
            "recipe",
            "render",
        ],
    ),
    (
        "cli",
        &[
            "size",
            "atlas",
            "transform",
            "error",
            "device",
            "backend",
            "input",
            "param",
            "model",
            "objective",
            "encode",
            "ascent",
            "output",
            "recipe",
            "render",
        ],
    ),
    ("lib", &["error"]),
];

/// Crates that belong to one module: nothing below `cli` sees clap, nothing above `backend`
/// multiplies matrices on its own.
const OWNED: [(&str, &[&str]); 17] = [
    ("clap::", &["cli", "main"]),
    ("clap_complete::", &["cli"]),
    ("clap_mangen::", &["cli"]),
    ("indicatif::", &["cli"]),
    ("gemm::", &["backend"]),
    ("cudarc::", &["backend"]),
    ("regex::", &["model"]),
    ("entities::ENTITIES", &["model"]),
    ("unicode_normalization::", &["model"]),
    ("ureq::", &["model"]),
    ("png::", &["output"]),
    ("jpeg_decoder::", &["input"]),
    ("moxcms::", &["input"]),
    ("parquet::", &["atlas"]),
    ("askama::", &["atlas"]),
    ("toml::", &["atlas"]),
    ("realfft::num_complex", &["ops", "ascent"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The top-level module that a file belongs to, with the part of its text before its tests.
fn modules() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let module = |path: &Path| {
        let first = path
            .strip_prefix(&root)
            .unwrap()
            .components()
            .next()
            .unwrap();
        first
            .as_os_str()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs")
            .to_owned()
    };
    let product = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        text.split("#[cfg(test)]").next().unwrap().to_owned()
    };
    files
        .into_iter()
        .map(|path| (module(&path), path.clone(), product(&path)))
        .collect()
}

#[test]
fn modules_use_only_those_below_them() {
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();
    for (module, path, text) in modules() {
        if module == "main" || path.ends_with("ops/check.rs") {
            continue;
        }
        let below = allowed
            .get(module.as_str())
            .unwrap_or_else(|| panic!("{module} has no place in the house"));
        for used in text.split("crate::").skip(1) {
            let used: String = used
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            let fits = used.is_empty() || used == module || below.contains(&used.as_str());
            assert!(
                fits,
                "{} uses crate::{used}, which {module} may not",
                path.display()
            );
        }
    }
}

#[test]
fn foreign_crates_stay_in_their_module() {
    for (module, path, text) in modules() {
        for (name, owners) in OWNED {
            let used = text.contains(name) && !text.contains(&format!("_{name}"));
            assert!(
                !used || owners.contains(&module.as_str()),
                "{} uses {name}",
                path.display()
            );
        }
    }
}

#[test]
fn files_stay_short_enough_to_read() {
    for (_, path, text) in modules() {
        let lines = text.lines().count();
        assert!(
            lines <= 300,
            "{} has {lines} lines of production code: look for the seam",
            path.display()
        );
    }
}
