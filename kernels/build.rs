//! Compiles the kernels to PTX when the feature `cuda` is on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The oldest machines that the kernels run on; the driver compiles the PTX for the one at hand.
const ARCHITECTURE: &str = "compute_80";

fn main() {
    println!("cargo::rerun-if-changed=kernels");
    for variable in ["NVCC", "CUDA_HOME", "PATH"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    if let Err(message) = compile() {
        println!("cargo::error={message}");
        std::process::exit(1);
    }
}

/// `$NVCC`, else the one of `$CUDA_HOME`, else the first on the path.
fn nvcc() -> PathBuf {
    match (env::var_os("NVCC"), env::var_os("CUDA_HOME")) {
        (Some(nvcc), _) => nvcc.into(),
        (None, Some(home)) => Path::new(&home).join("bin/nvcc"),
        (None, None) => "nvcc".into(),
    }
}

fn compile() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?);
    let read = |error| format!("cannot read the folder kernels: {error}");
    let mut sources: Vec<PathBuf> = fs::read_dir("kernels")
        .map_err(read)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(read)?;
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "cu"));
    sources.sort();
    let mut modules = String::from("&[\n");
    for source in sources {
        let name = source.file_stem().unwrap_or_default().to_string_lossy();
        let ptx = out.join(format!("{name}.ptx"));
        compile_one(&source, &ptx)?;
        modules += &format!("    ({name:?}, include_str!({ptx:?})),\n");
    }
    modules += "]\n";
    fs::write(out.join("modules.rs"), modules).map_err(|error| format!("cannot write: {error}"))
}

fn compile_one(source: &Path, ptx: &Path) -> Result<(), String> {
    let nvcc = nvcc();
    let arguments = ["-ptx", "-std=c++17", "-O3", "-arch", ARCHITECTURE, "-o"];
    let run = Command::new(&nvcc)
        .args(arguments)
        .arg(ptx)
        .arg(source)
        .output();
    match run {
        Ok(run) if run.status.success() => Ok(()),
        Ok(run) => Err(format!(
            "{} failed on {}: {}",
            nvcc.display(),
            source.display(),
            String::from_utf8_lossy(&run.stderr).replace('\n', " ")
        )),
        Err(error) => Err(format!(
            "cannot run {} ({error}): the feature `cuda` needs NVIDIA's compiler, 12.0 or later; \
             set NVCC or CUDA_HOME, or build without the feature",
            nvcc.display()
        )),
    }
}
