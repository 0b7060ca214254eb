//! What the launch code says of each kernel, and what the kernel says of itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Kernels by name without type, each with its parameters in words that both sides share.
type Signatures = BTreeMap<String, Vec<String>>;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// `const T *x` to `In<T>`, `u32 *mask` to `Out<u32>`, `int rows` to `i32`.
fn of_cuda(parameter: &str) -> String {
    let words = parameter.replace('*', " * ");
    let mut words: Vec<&str> = words.split_whitespace().collect();
    let name = words.pop().unwrap();
    let constant = words.first() == Some(&"const");
    words.retain(|word| *word != "const");
    let pointer = words.last() == Some(&"*");
    words.retain(|word| *word != "*");
    let kind = match words[..] {
        ["float"] => "f32",
        ["double"] => "f64",
        ["int"] => "i32",
        ["u32"] => "u32",
        ["T"] => "T",
        _ => panic!("a parameter of a type that no launch has: {parameter}"),
    };
    let kind = match (pointer, constant) {
        (true, true) => format!("In<{kind}>"),
        (true, false) => format!("Out<{kind}>"),
        (false, _) => kind.to_owned(),
    };
    format!("{name}: {kind}")
}

/// Every `KERNEL(name, parameters...)`.
fn kernels() -> Signatures {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
    let mut found = Signatures::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "cu") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap().replace("\\\n", " ");
        for rest in text.split("KERNEL(").skip(1) {
            let list = rest.split(')').next().unwrap();
            let mut parts = list.split(',').map(str::trim);
            let name = parts.next().unwrap();
            let file = path.file_stem().unwrap().to_string_lossy();
            let (name, generic) = match name.strip_suffix("_##S") {
                Some(name) => (name, "<T>"),
                None => (
                    name.strip_suffix("_f32")
                        .expect("a type at the end of the name"),
                    "",
                ),
            };
            let key = format!("{file} {name}{generic}");
            assert!(found.insert(key, parts.map(of_cuda).collect()).is_none());
        }
    }
    found
}

/// Every declaration in the launch code.
fn launches() -> Signatures {
    let text = read("src/backend/cuda/launch.rs");
    let declared = text.rsplit("\nkernels! {").next().unwrap();
    let mut found = Signatures::new();
    let mut file = String::new();
    for statement in declared.split([';', '{']) {
        if let Some(name) = statement
            .trim()
            .rsplit('}')
            .next()
            .and_then(|rest| rest.trim().strip_prefix('"'))
        {
            file = name.trim().trim_end_matches('"').to_owned();
            continue;
        }
        let Some((name, rest)) = statement
            .trim()
            .strip_prefix("fn ")
            .and_then(|rest| rest.split_once('('))
        else {
            continue;
        };
        let list = rest.rsplit_once(')').unwrap().0;
        let parameters = list
            .split(',')
            .map(|p| p.split_whitespace().collect::<Vec<_>>().join(" "));
        found.insert(
            format!("{file} {}", name.trim()),
            parameters.filter(|p| !p.is_empty()).collect(),
        );
    }
    found
}

#[test]
fn every_launch_has_the_parameters_of_its_kernel() {
    let (kernels, launches) = (kernels(), launches());
    assert!(kernels.len() > 30, "{} kernels were found", kernels.len());
    for (name, parameters) in &kernels {
        assert_eq!(launches.get(name), Some(parameters), "{name}");
    }
    let names = |all: &Signatures| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&launches), names(&kernels));
}
