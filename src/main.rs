//! The `percept` program: parse, run, print what went wrong once.

use std::process::ExitCode;

use clap::Parser;
use percept::cli::Cli;
use percept::error::Kind;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("percept: {}", error.report());
            ExitCode::from(if error.kind() == Kind::Interrupted {
                130
            } else {
                1
            })
        }
    }
}
