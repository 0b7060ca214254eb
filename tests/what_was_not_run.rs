//! Says at the end of `cargo test` which tests were skipped, and what they need. Cargo runs test programs in the order
//! of their names; this one is the last.

#[path = "common/needs.rs"]
mod needs;

use needs::NEEDS;

/// The tests of the feature `cuda` need no GPU, but a build of their own.
const CUDA: &str = "tests/cuda_on_cpu/run cargo test --features cuda --test cuda, which needs g++ and python3-venv";

/// Options of a test program that choose among its tests, or list them.
const CHOICES: [&str; 2] = ["--ignored", "--list"];

fn main() {
    let chosen = |argument: String| !argument.starts_with("--") || CHOICES.contains(&&argument[..]);
    if std::env::args().skip(1).any(chosen) {
        return;
    }
    let missing = NEEDS.into_iter();
    let missing = missing.filter_map(|need| Some((need, need.missing()?)));
    println!("\nNot run:");
    for (need, missing) in missing {
        println!("  {}: {missing} ({})", need.tests(), need.install());
    }
    if cfg!(not(feature = "cuda")) {
        println!("  the CUDA kernels, executed by the CPU: {CUDA}");
    }
    println!();
}
