//! `percept completions`.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::Cli;
use super::options::say;
use crate::error::Result;

/// Print a script that completes percept's commands and options in a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  percept completions bash > ~/.local/share/bash-completion/completions/percept
  percept completions zsh > ~/.zfunc/_percept      a folder of your fpath
  percept completions fish > ~/.config/fish/completions/percept.fish")]
pub struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub fn run(self) -> Result<()> {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "percept", &mut script);
        say(String::from_utf8_lossy(&script).trim_end())
    }
}
