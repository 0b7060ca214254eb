//! What can go wrong between this machine and the hub.

use std::io;
use std::time::Duration;

use ureq::{Error as HttpError, Timeout};

use super::environment::Limits;
use crate::error::{Error, Kind};

/// Attempts that a request may cost.
const ATTEMPTS: u32 = 4;

/// What an attempt costs that took long or fetched much.
const DEAR: u32 = 2;

/// What to do about an answer that no hub gives.
const BETWEEN: &str = "check HF_ENDPOINT and what is between it and this machine";

/// What rustls, of which ureq shows no types, says of certificates that it does not trust.
const UNTRUSTED: &str = "invalid peer certificate";

/// What it says where the other side answers, and not as TLS has it.
const NO_TLS: &str = "corrupt message of type InvalidContentType";

/// Something that went wrong, and how often it was tried.
#[derive(Debug)]
pub struct Trouble {
    pub cause: Cause,
    pub attempts: u32,
    /// Whether a part of the file is there, which the next run goes on with.
    pub keeps: bool,
}

#[derive(Debug)]
pub enum Cause {
    /// The hub answered that it will not.
    Refused(Refusal),
    /// Nothing came, or not all of it.
    Broken {
        what: String,
        source: Option<HttpError>,
        /// What to look at.
        hint: &'static str,
        /// Attempts that it costs; none where no other would help.
        cost: Option<u32>,
    },
    /// This machine or the user stands in the way.
    Local(Error),
}

/// An answer with the status of an error.
#[derive(Debug)]
pub struct Refusal {
    /// Who answered, where it is not the hub itself but what it redirects to.
    pub storage: Option<String>,
    pub status: u16,
    /// The hub's own word for it: `RepoNotFound`, `GatedRepo`.
    pub code: String,
    pub address: String,
    /// How long the hub asks to wait.
    pub wait: Option<Duration>,
}

impl From<Cause> for Trouble {
    fn from(cause: Cause) -> Self {
        Self {
            cause,
            attempts: 1,
            keeps: false,
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Cause::Local(error).into()
    }
}

impl Trouble {
    /// An answer that would be the same another time.
    pub fn lasting(what: String) -> Self {
        Self::broken(what, None, BETWEEN, None)
    }

    /// An answer that is not what was asked for, and may be another time.
    pub fn passing(what: String) -> Self {
        Self::broken(what, None, BETWEEN, Some(1))
    }

    /// As [`Trouble::passing`], after all of a file was fetched.
    pub fn dear(what: String) -> Self {
        Self::broken(what, None, BETWEEN, Some(DEAR))
    }

    fn broken(
        what: String,
        source: Option<HttpError>,
        hint: &'static str,
        cost: Option<u32>,
    ) -> Self {
        let broken = Cause::Broken {
            what,
            source,
            hint,
            cost,
        };
        broken.into()
    }

    /// What the HTTP client tells of a request to `host`.
    pub fn of(error: HttpError, host: &str, limits: Limits) -> Self {
        let (answer, silence) = (limits.answer.as_secs(), limits.silence.as_secs());
        let network = "check the network, HTTPS_PROXY and HF_ENDPOINT";
        let certificates =
            "where a proxy signs certificates of its own, set SSL_CERT_FILE to a file of them";
        let secured = |said: &str| match said {
            _ if said.contains(UNTRUSTED) => {
                let what = format!("{host} shows no certificate that this machine trusts");
                (what, certificates, None)
            }
            _ if said.contains(NO_TLS) => (format!("{host} does not speak TLS"), BETWEEN, None),
            _ => {
                let what = format!("the secure connection to {host} broke");
                (what, network, Some(1))
            }
        };
        let (what, hint, cost) = match &error {
            HttpError::Timeout(Timeout::Resolve | Timeout::Connect) => {
                let what = format!("{host} cannot be reached within {answer} seconds");
                (what, network, Some(DEAR))
            }
            HttpError::Timeout(Timeout::RecvResponse) => {
                let what = format!("{host} did not answer within {answer} seconds");
                (what, network, Some(DEAR))
            }
            HttpError::Timeout(Timeout::RecvBody) => {
                let what = format!("{host} did not finish its answer in time");
                (what, network, Some(DEAR))
            }
            HttpError::Timeout(_) => {
                let what = format!("{host} sent nothing for {silence} seconds");
                (what, network, Some(DEAR))
            }
            HttpError::HostNotFound => (format!("there is no host {host}"), network, None),
            HttpError::ConnectProxyFailed(_) | HttpError::InvalidProxyUrl => {
                let what = format!("{host} is out of reach");
                (what, "check HTTPS_PROXY and NO_PROXY", None)
            }
            HttpError::Tls(_) => {
                let what = format!("{host} is no name that a certificate can be for");
                (what, BETWEEN, None)
            }
            HttpError::Rustls(_) => secured(&error.to_string()),
            HttpError::Io(error) => match error.kind() {
                // An error of TLS in the middle of an answer; only its text is shown.
                io::ErrorKind::InvalidData => secured(&error.to_string()),
                io::ErrorKind::ConnectionRefused => {
                    (format!("{host} refuses connections"), network, None)
                }
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::TimedOut => {
                    let what = format!("{host} broke off the connection");
                    (what, network, Some(1))
                }
                // No such host, or no way there.
                _ => (format!("{host} cannot be reached"), network, None),
            },
            _ => (
                format!("the answer of {host} cannot be understood"),
                network,
                Some(1),
            ),
        };
        Self::broken(what, Some(error), hint, cost)
    }

    /// Whether there is nothing at the address.
    pub fn is_not_found(&self) -> bool {
        matches!(&self.cause, Cause::Refused(refusal) if refusal.status == 404)
    }

    /// Whether bytes were asked for that begin after the file's last.
    pub fn is_beyond_the_end(&self) -> bool {
        matches!(&self.cause, Cause::Refused(refusal) if refusal.status == 416)
    }

    /// What it costs of the attempts that there are; none where no other attempt would help.
    fn cost(&self) -> Option<u32> {
        match &self.cause {
            Cause::Refused(refusal) => match refusal.status {
                408 | 429 | 500 | 502 | 503 | 504 => Some(1),
                // The hub's redirects hold for a time only.
                _ => refusal.storage.as_ref().map(|_| DEAR),
            },
            Cause::Broken { cost, .. } => *cost,
            Cause::Local(_) => None,
        }
    }

    /// The error, with what is to be done about it.
    pub fn error(self, advice: &str) -> Error {
        let times = match self.attempts {
            0 | 1 => String::new(),
            attempts => format!(", {attempts} times"),
        };
        let keeps = match self.keeps {
            true => "the same command goes on with what has come; ",
            false => "",
        };
        match self.cause {
            Cause::Local(error) => error,
            Cause::Refused(refusal) => {
                let Refusal {
                    status, address, ..
                } = refusal;
                let who = refusal.storage.as_deref().unwrap_or("the hub");
                let message = format!("{who} answered {status} to {address}{times}: {advice}");
                Error::new(Kind::Network, message)
            }
            Cause::Broken {
                what, source, hint, ..
            } => {
                let message = format!("{what}{times}: {keeps}{hint}, or {advice}");
                let error = Error::new(Kind::Network, message);
                match source {
                    Some(source) => error.caused_by(source),
                    None => error,
                }
            }
        }
    }
}

/// The attempts that are left, and how long to wait before the next.
#[derive(Debug, Default)]
pub struct Attempts {
    made: u32,
    spent: u32,
}

/// The wait before a second attempt; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait that a hub may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Attempts {
    /// How long to wait before the next attempt.
    ///
    /// # Errors
    /// The trouble itself where there is none.
    pub fn next(&mut self, trouble: Trouble) -> Result<Duration, Trouble> {
        self.made += 1;
        let asked = match &trouble.cause {
            Cause::Refused(refusal) => refusal.wait,
            _ => None,
        };
        let cost = trouble
            .cost()
            .filter(|_| asked.is_none_or(|wait| wait <= LONGEST_WAIT));
        self.spent += cost.unwrap_or(ATTEMPTS);
        if self.spent >= ATTEMPTS {
            return Err(Trouble {
                attempts: self.made,
                ..trouble
            });
        }
        Ok(asked.unwrap_or(FIRST_WAIT * 2u32.pow(self.spent - 1)))
    }

    /// The last attempt brought something: those that are left do not become fewer by it.
    pub fn refresh(&mut self) {
        self.spent = 0;
    }
}

#[cfg(test)]
mod tests;
