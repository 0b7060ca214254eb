//! `percept man`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory, ValueHint};
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, roman};

use super::Cli;
use crate::error::{Error, Kind, Result, bail};
use crate::output::file;

/// How a page begins, by which a later run knows that it may be replaced.
const MARK: &[u8] = b".\\\" Written by `percept man`, which may replace it.\n";

/// Write a man page of every command into a folder
///
/// Pages that percept wrote before are replaced; other files of their names are not, and then nothing is written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  percept man ~/.local/share/man/man1
  man percept-render")]
pub struct Man {
    /// The folder, which is made where there is none
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
}

impl Man {
    pub fn run(self) -> Result<()> {
        if self.folder.exists() && !self.folder.is_dir() {
            bail!(
                Io,
                "{} is no folder: give one, which need not be there yet",
                self.folder.display()
            );
        }
        let mut command = Cli::command();
        command.build();
        let mut pages = Vec::new();
        collect(&command, &mut pages)
            .map_err(|source| Error::new(Kind::Internal, "cannot make a page").caused_by(source))?;
        for (name, _) in &pages {
            check_own(&self.folder.join(name))?;
        }
        file::prepare_folder(&self.folder)?;
        let staged = pages
            .iter()
            .map(|(name, page)| file::stage_in(&self.folder, &self.folder.join(name), page));
        let staged: Vec<_> = staged.collect::<Result<_>>()?;
        file::finish(staged.into_iter().map(Ok))
    }
}

/// The pages of a command and of those below it: file names and contents.
fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let page = Page::new(command.clone())
        .source(concat!("percept ", env!("CARGO_PKG_VERSION")))
        .manual("percept");
    pages.push((page.get_filename(), render(command, &page)?));
    let below = command.get_subcommands();
    below
        .filter(|command| command.get_name() != "help")
        .try_for_each(|command| collect(command, pages))
}

fn render(command: &Command, page: &Page) -> io::Result<Vec<u8>> {
    let mut text = MARK.to_vec();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    if command.get_arguments().next().is_some() {
        page.render_options_section(&mut text)?;
    }
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    if let Some(help) = command.get_after_help() {
        sections(&help.to_string()).to_writer(&mut text)?;
    }
    text.flush()?;
    Ok(text)
}

/// What follows the options in a command's help: headings that end in a colon, indented lines that stay as they
/// are, and paragraphs.
fn sections(help: &str) -> Roff {
    let mut roff = Roff::new();
    for line in help.lines().filter(|line| !line.is_empty()) {
        match line.strip_suffix(':') {
            Some(heading) if !line.starts_with(' ') => {
                roff.control("SH", [heading.to_uppercase().as_str()]);
            }
            _ if line.starts_with(' ') => {
                roff.control("nf", []);
                roff.text([roman(line.trim_start())]);
                roff.control("fi", []);
            }
            _ => {
                roff.control("PP", []);
                roff.text([roman(line)]);
            }
        }
    }
    roff
}

/// # Errors
/// When something lies there that percept did not write.
fn check_own(path: &Path) -> Result<()> {
    let begins_with_mark = |path: &Path| {
        let mut start = [0; MARK.len()];
        File::open(path)?.read_exact(&mut start)?;
        Ok::<_, io::Error>(start == MARK)
    };
    let is_own = match path.symlink_metadata() {
        Err(error) if file::is_missing(error.kind()) => true,
        Err(source) => return Err(Error::io("cannot read", path, source)),
        Ok(metadata) => metadata.is_file() && begins_with_mark(path).unwrap_or(false),
    };
    if !is_own {
        bail!(
            Io,
            "{} is there already and not by percept: give another folder, or move it away",
            path.display()
        );
    }
    Ok(())
}
