//! The Containerfiles, held to what they copy, build and run; no image is built.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::common::{files, success};

/// An instruction and its words, lines that are continued joined.
struct Instruction {
    name: String,
    words: Vec<String>,
}

fn instructions(arguments: &[&str]) -> Vec<Instruction> {
    let folder = TempDir::new().unwrap();
    let all = [&["atlas", "cluster", "containerfile"], arguments].concat();
    let text = success(folder.path(), &all).stdout.replace("\\\n", " ");
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            Instruction {
                name: words.next().unwrap(),
                words: words.collect(),
            }
        })
        .collect()
}

/// The stages: the instructions after each FROM, that one first.
fn stages(arguments: &[&str]) -> [Vec<Instruction>; 2] {
    let mut stages: Vec<Vec<Instruction>> = Vec::new();
    for instruction in instructions(arguments) {
        let known = ["FROM", "WORKDIR", "COPY", "ENV", "RUN", "ENTRYPOINT"];
        assert!(
            known.contains(&instruction.name.as_str()),
            "{}",
            instruction.name
        );
        if instruction.name == "FROM" {
            stages.push(Vec::new());
        }
        stages.last_mut().unwrap().push(instruction);
    }
    stages
        .try_into()
        .unwrap_or_else(|_| panic!("not two stages"))
}

fn words<'a>(stage: &'a [Instruction], name: &'a str) -> impl Iterator<Item = &'a [String]> {
    stage
        .iter()
        .filter(move |instruction| instruction.name == name)
        .map(|instruction| instruction.words.as_slice())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a stage copies from the repository.
fn copied(stage: &[Instruction]) -> Vec<String> {
    let copies = words(stage, "COPY").filter(|words| !words[0].starts_with("--from="));
    copies
        .flat_map(|words| words[..words.len() - 1].to_vec())
        .collect()
}

const KINDS: [&[&str]; 2] = [&[], &["--cuda"]];

#[test]
fn what_is_copied_is_all_that_a_build_reads() {
    for kind in KINDS {
        let [build, _] = stages(kind);
        let copied = copied(&build);
        for path in &copied {
            assert!(root().join(path).exists(), "{path}");
        }
        let is_copied = |path: &Path| {
            copied
                .iter()
                .any(|copied| path.starts_with(root().join(copied)))
        };
        // What sources include lies among them.
        for source in files(&root().join("src")) {
            let source = root().join("src").join(source);
            let Ok(text) = fs::read_to_string(&source) else {
                continue;
            };
            for macro_name in ["include_str!(\"", "include_bytes!(\""] {
                for rest in text.split(macro_name).skip(1) {
                    let included = source
                        .parent()
                        .unwrap()
                        .join(rest.split('"').next().unwrap());
                    let included = included
                        .canonicalize()
                        .unwrap_or_else(|_| panic!("{}", included.display()));
                    assert!(is_copied(&included), "{}", included.display());
                }
            }
        }
        // And cargo finds every target of the manifest there.
        let folder = TempDir::new().unwrap();
        for path in &copied {
            let from = root().join(path);
            let all = if from.is_dir() {
                files(&from)
            } else {
                vec![PathBuf::new()]
            };
            for file in all {
                let (from, to) = match file.as_os_str().is_empty() {
                    true => (from.clone(), folder.path().join(path)),
                    false => (from.join(&file), folder.path().join(path).join(&file)),
                };
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(from, to).unwrap();
            }
        }
        let metadata = Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--offline",
                "--no-deps",
                "--format-version",
                "1",
            ])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(
            metadata.status.success(),
            "{}",
            String::from_utf8_lossy(&metadata.stderr)
        );
        let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
        for target in metadata["packages"][0]["targets"].as_array().unwrap() {
            let path = Path::new(target["src_path"].as_str().unwrap());
            assert!(path.exists(), "{}", path.display());
        }
    }
}

/// `1.89` of `1.89-bookworm`, as numbers.
fn version(text: &str) -> Vec<u32> {
    let numbers = text
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .next()
        .unwrap();
    numbers
        .split('.')
        .map(|number| number.parse().unwrap())
        .collect()
}

#[test]
fn it_is_built_as_readme_says_by_a_rust_that_is_new_enough() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for kind in KINDS {
        let [build, run] = stages(kind);
        let texts = build.iter().flat_map(|instruction| &instruction.words);
        let rusts: BTreeSet<&str> = texts
            .filter_map(|word| word.split("library/rust:").nth(1))
            .collect();
        assert_eq!(rusts.len(), 1, "{rusts:?}");
        let rust = version(rusts.first().unwrap());
        assert!(rust >= version(env!("CARGO_PKG_RUST_VERSION")), "{rust:?}");

        let commands: Vec<String> = words(&build, "RUN").map(|words| words.join(" ")).collect();
        let command = commands.last().unwrap();
        let plain = command
            .replace(" --locked", "")
            .replace(" --root /installed", "");
        let in_readme = match kind {
            [] => "cargo install --path .",
            _ => "cargo install --path . --features cuda",
        };
        assert_eq!(plain, in_readme);
        assert!(readme.contains(in_readme));
        // What was installed is what the image runs.
        let built = [
            "--from=build",
            "/installed/bin/percept",
            "/usr/local/bin/percept",
        ];
        assert!(words(&run, "COPY").any(|words| words == built));
        assert_eq!(words(&run, "ENTRYPOINT").next().unwrap(), ["[\"percept\"]"]);
        assert!(
            words(&build, "FROM")
                .next()
                .unwrap()
                .ends_with(&["AS".to_owned(), "build".to_owned()])
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_image_has_the_libraries_that_percept_is_linked_to() {
    let [build, run] = stages(&[]);
    // The same Debian, so that what is linked there is found here.
    let base = |stage: &[Instruction]| words(stage, "FROM").next().unwrap()[0].clone();
    assert!(base(&build).ends_with("-bookworm"), "{}", base(&build));
    assert!(
        base(&run).ends_with("debian:bookworm-slim"),
        "{}",
        base(&run)
    );
    // Debian's smallest image has the C library and GCC's support library, which apt needs.
    let there = [
        "libc.so",
        "libm.so",
        "libdl.so",
        "libpthread.so",
        "librt.so",
        "libgcc_s.so",
        "ld-linux",
        "linux-vdso",
    ];
    let listed = Command::new("ldd")
        .arg(crate::common::program())
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("libc.so"), "{listed}");
    for line in listed.lines() {
        let library = line
            .trim()
            .rsplit_once("=>")
            .map_or(line.trim(), |(name, _)| name.trim());
        let name = library.rsplit('/').next().unwrap();
        assert!(there.iter().any(|known| name.starts_with(known)), "{line}");
    }
}
