//! The command line: what can be typed, and what each command does with it.

mod atlas;
mod completions;
mod download;
mod encode;
mod find;
mod layers;
mod man;
mod models;
mod naming;
mod options;
mod progress;
mod recipe;
mod render;
mod replay;
mod stop;
mod table;
mod units;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, Kind, Result};

/// Pictures of what the neurons of CLIP's image encoder respond to.
#[derive(Debug, Parser)]
#[command(
    name = "percept",
    version,
    propagate_version = true,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(after_help = "Examples:
  percept render                        a neuron of the embedded model
  percept render 491 layer4.0.sum:0..8  several neurons, one picture each
  percept render 89 --model RN50x4.pt   OpenAI's own file: the paper's neuron 89
  percept find truck                    units that answer to trucks
  percept atlas --units layer4.0.sum    a whole layer, in a folder
  percept layers --model ViT-B/32       the taps that can be read

`percept help COMMAND` tells more about each command.")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Render(render::Render),
    Atlas(Box<atlas::Atlas>),
    Replay(replay::Replay),
    Encode(encode::Encode),
    Layers(layers::Layers),
    Find(find::Find),
    Units(units::Units),
    Models(models::Models),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever the command could not do; what it had finished by then is on disk.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Render(command) => command.run(),
            Command::Atlas(command) => command.run(),
            Command::Replay(command) => command.run(),
            Command::Encode(command) => command.run(),
            Command::Layers(command) => command.run(),
            Command::Find(command) => command.run(),
            Command::Units(command) => command.run(),
            Command::Models(command) => command.run(),
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
        }
    }
}

/// Says on standard error why a command failed, and gives the exit code: 1, or for a run that was stopped 128
/// and the number of the signal that stopped it.
pub fn report(error: &Error) -> ExitCode {
    options::remark(&format!("percept: {}", error.report()));
    match error.kind() {
        Kind::Interrupted => ExitCode::from(stop::exit_code()),
        _ => ExitCode::FAILURE,
    }
}
