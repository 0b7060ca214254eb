//! All tests but those of the feature `cuda`, in one program: each more would be another link of everything.

mod architecture;
mod ascent;
mod atlas;
mod bad_input;
mod canvases;
mod common;
mod configs;
mod convolutions;
mod determinism;
mod dictionaries;
mod differences;
mod encode;
#[path = "common/encoded.rs"]
mod encoded;
mod facets;
mod golden;
mod groups;
mod help;
mod hub;
mod layouts;
mod library;
mod mini;
#[path = "common/needs.rs"]
mod needs;
#[path = "common/networks.rs"]
mod networks;
mod operations;
mod parity;
mod recipes;
mod requests;
mod second_opinion;
mod site;
mod slurm;
mod texts;
mod weights;

#[test]
fn the_documentation_begins_with_a_program_that_works() {
    library::main().unwrap();
}
