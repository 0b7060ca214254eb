//! What the variables of the hub's tools say, taken as Python's `huggingface_hub` takes them.

use std::num::IntErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::token::Token;
use crate::Result;
use crate::error::{bail, shorten};

/// The public hub.
const HUB: &str = "https://huggingface.co";

/// How long an answer may take, and how long a download may be silent, where no variable tells.
const PATIENCE: u64 = 30;

/// The longest wait that a variable can ask for: a year, which clocks can count.
const LONGEST: u64 = 365 * 24 * 60 * 60;

/// Values of a switch that is on, in any case.
const YES: [&str; 4] = ["1", "on", "yes", "true"];

/// Answers with a variable's value.
type Variable<'v> = &'v dyn Fn(&str) -> Option<String>;

/// Where the hub is, where its files are kept, and who asks.
#[derive(Debug)]
pub struct Environment {
    /// The folder of all repositories' files.
    pub cache: PathBuf,
    /// The hub's address, without a slash at the end.
    pub endpoint: String,
    /// Shown to the hub itself, and to nobody else.
    pub token: Option<Token>,
    /// Where a token would be looked for.
    pub token_file: PathBuf,
    /// The variable that forbids to ask the hub.
    pub offline: Option<&'static str>,
    /// Whether names in the cache may be links.
    pub links: bool,
    pub limits: Limits,
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection, and again for an answer.
    pub answer: Duration,
    /// While nothing comes.
    pub silence: Duration,
}

impl Environment {
    /// Reads the process's variables.
    ///
    /// # Errors
    /// When one has a value that cannot be used, or there is no folder to keep downloads in.
    pub fn read() -> Result<Self> {
        // A value that is not Unicode is kept as far as it can be, and named when it leads nowhere.
        let variable = |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
        Self::of(&variable, std::env::home_dir().as_deref())
    }

    fn of(variable: Variable, home: Option<&Path>) -> Result<Self> {
        let base = variable("XDG_CACHE_HOME").unwrap_or_else(|| "~/.cache".to_owned());
        let hub_home = variable("HF_HOME").unwrap_or_else(|| joined(&base, "huggingface"));
        let hub_home = expand(&hub_home, variable, home);
        let in_home = |name| joined(&hub_home, name);
        let cache = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"]
            .iter()
            .find_map(|name| variable(name))
            .unwrap_or_else(|| in_home("hub"));
        let cache = expand(&cache, variable, home);
        let token_file = variable("HF_TOKEN_PATH").unwrap_or_else(|| in_home("token"));
        let token_file = PathBuf::from(expand(&token_file, variable, home));
        if cache.starts_with('~') && home.is_none() {
            bail!(
                Io,
                "there is no home folder to keep downloads in: set HF_HOME to a folder"
            );
        }
        let is_on = |name| variable(name).is_some_and(|value| means_yes(&value));
        let token = match is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            true => None,
            false => Token::find(variable, &token_file),
        };
        // The first that is set decides, also where it says no.
        let offline = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]
            .into_iter()
            .find(|name| variable(name).is_some_and(|value| !value.is_empty()))
            .filter(|name| is_on(name));
        Ok(Self {
            cache: PathBuf::from(cache),
            endpoint: endpoint(variable)?,
            token,
            token_file,
            offline,
            links: !is_on("HF_HUB_DISABLE_SYMLINKS"),
            limits: Limits {
                answer: seconds(variable, "HF_HUB_ETAG_TIMEOUT")?,
                silence: seconds(variable, "HF_HUB_DOWNLOAD_TIMEOUT")?,
            },
        })
    }
}

/// An empty address is that of the public hub: Python's client cannot ask anything with one.
fn endpoint(variable: Variable) -> Result<String> {
    let told = variable("HF_ENDPOINT").unwrap_or_default();
    let address = told.trim_end_matches('/');
    if address.is_empty() {
        return Ok(HUB.to_owned());
    }
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| address.strip_prefix(scheme));
    if host.is_none_or(str::is_empty) || address.parse::<ureq::http::Uri>().is_err() {
        bail!(
            Request,
            "HF_ENDPOINT is \"{}\", which is no address of a hub: give one such as {HUB}, or unset it",
            shorten(&told)
        );
    }
    Ok(address.to_owned())
}

fn seconds(variable: Variable, name: &str) -> Result<Duration> {
    let told = variable(name).unwrap_or_default();
    match told.trim().parse::<u64>() {
        _ if told.is_empty() => Ok(Duration::from_secs(PATIENCE)),
        Ok(0) => Ok(Duration::from_secs(PATIENCE)),
        Ok(count) => Ok(Duration::from_secs(count.min(LONGEST))),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => {
            Ok(Duration::from_secs(LONGEST))
        }
        Err(_) => bail!(
            Request,
            "{name} is \"{}\": give a number of seconds, or unset it",
            shorten(&told)
        ),
    }
}

fn means_yes(value: &str) -> bool {
    YES.iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// As Python joins paths: nothing before a name in an empty folder.
fn joined(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{}/{name}", folder.trim_end_matches('/')),
    }
}

/// Puts the home folder for `~` and values for `$NAME` and `${NAME}`; names without a value stay.
fn expand(text: &str, variable: Variable, home: Option<&Path>) -> String {
    let text = match (text.strip_prefix('~'), home) {
        (Some(rest), Some(home))
            if rest.is_empty() || rest.starts_with(std::path::is_separator) =>
        {
            format!("{}{rest}", home.display())
        }
        _ => text.to_owned(),
    };
    let mut parts = text.split('$');
    let mut expanded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let braced = part
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'));
        let end = part.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (name, rest) = braced.unwrap_or_else(|| part.split_at(end.unwrap_or(part.len())));
        match variable(name).filter(|_| !name.is_empty()) {
            Some(value) => expanded.extend([value.as_str(), rest]),
            None => expanded.extend(["$", part]),
        }
    }
    expanded
}

#[cfg(test)]
mod tests;
