//! Requests to the hub: redirects are followed here, so that the token goes to the hub alone.

use std::time::{Duration, Instant};

use ureq::http::header::{AUTHORIZATION, RANGE, RETRY_AFTER};
use ureq::http::{Response, Uri};
use ureq::{Agent, Body};

use super::address::{self, Origin};
use super::environment::{Environment, Limits};
use super::roots;
use super::route::Route;
use super::token::Token;
use super::trouble::{Attempts, Cause, Refusal, Trouble};
use crate::error::{Error, Kind, Result};
use crate::model::weights::downloads::Downloads;

/// Statuses that lead elsewhere.
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// Bytes of a list of files; that of a repository with 100,000 files has 7 MB.
const MAX_LIST: u64 = 64 << 20;

/// A list of files comes within so many times the silence that a download may have.
const LIST_SILENCES: u32 = 4;

/// How long a run that waits may take to see that it is to end.
const TICK: Duration = Duration::from_millis(50);

/// Asks the hub.
pub struct Client<'w> {
    agent: Agent,
    endpoint: String,
    origin: Origin,
    token: Option<Token>,
    limits: Limits,
    downloads: &'w dyn Downloads,
}

impl<'w> Client<'w> {
    /// A client for the hub of this environment.
    ///
    /// # Errors
    /// When the certificates that it is to trust cannot be read, or the token is none.
    pub fn new(environment: &Environment, downloads: &'w dyn Downloads) -> Result<Self> {
        if let Some(token) = &environment.token {
            token.check()?;
        }
        let limits = environment.limits;
        let tls = ureq::tls::TlsConfig::builder()
            .root_certs(roots::find()?)
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .user_agent(concat!("percept/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_resolve(Some(limits.answer))
            .timeout_connect(Some(limits.answer))
            .timeout_recv_response(Some(limits.answer))
            .timeout_per_write(Some(limits.silence))
            .timeout_per_read(Some(limits.silence))
            .build()
            .new_agent();
        let endpoint = environment.endpoint.clone();
        let origin = endpoint.parse().ok().as_ref().and_then(Origin::of);
        let Some(origin) = origin else {
            let message = format!("{endpoint} is no address of a hub: set HF_ENDPOINT to one");
            return Err(Error::new(Kind::Request, message));
        };
        Ok(Self {
            agent,
            endpoint,
            origin,
            token: environment.token.clone(),
            limits,
            downloads,
        })
    }

    /// The hub's host.
    pub fn host(&self) -> &str {
        &self.origin.host
    }

    /// The address of a path of the hub.
    ///
    /// # Errors
    /// When the parts do not make one.
    pub fn address(&self, path: &str) -> Result<Uri, Trouble> {
        let address = format!("{}{path}", self.endpoint);
        address
            .parse()
            .map_err(|_| Trouble::lasting(format!("{address} is no address")))
    }

    /// Does something until it succeeds or there is no attempt left. What it is told is for it to refresh them with.
    ///
    /// # Errors
    /// What went wrong in the last attempt.
    pub fn patiently<T>(
        &self,
        mut attempt: impl FnMut(&mut Attempts) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let mut attempts = Attempts::default();
        loop {
            let trouble = match attempt(&mut attempts) {
                Ok(done) => return Ok(done),
                Err(trouble) => trouble,
            };
            let wait = attempts.next(trouble)?;
            if wait >= Duration::from_secs(2) {
                let what = format!("asking {} again in {} s", self.host(), wait.as_secs());
                self.downloads.waits(&what);
            }
            self.pause(wait)?;
        }
    }

    /// Waits, unless the run is to end.
    ///
    /// # Errors
    /// When it is.
    pub fn pause(&self, wait: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            self.go_on()?;
            match wait.checked_sub(begun.elapsed()) {
                Some(left) if !left.is_zero() => std::thread::sleep(left.min(TICK)),
                _ => return Ok(()),
            }
        }
    }

    /// # Errors
    /// When the run is to end.
    pub fn go_on(&self) -> Result<()> {
        match self.downloads.should_stop() {
            false => Ok(()),
            true => Err(Error::new(
                Kind::Interrupted,
                "the download was stopped: the same command goes on with it",
            )),
        }
    }

    /// The text at an address of the hub, all of it.
    ///
    /// # Errors
    /// When the hub refuses, or the text does not come.
    pub fn text(&self, address: Uri) -> Result<Vec<u8>, Trouble> {
        let mut route = Route::new(address);
        route.limit = Some(self.limits.silence * LIST_SILENCES);
        let mut response = loop {
            if let Some(response) = self.step(&mut route, 0)? {
                break response;
            }
        };
        let body = response.body_mut().with_config().limit(MAX_LIST);
        body.read_to_vec()
            .map_err(|error| self.trouble(error, route.address()))
    }

    /// Asks for the route's address, from a byte on, and notes what the answer tells; none where it redirects.
    ///
    /// # Errors
    /// When the answer is an error or none comes, or the redirects lead nowhere.
    pub fn step(&self, route: &mut Route, from: u64) -> Result<Option<Response<Body>>, Trouble> {
        self.go_on()?;
        let response = self.get(route.address(), from, route.limit)?;
        let is_redirect = REDIRECTS.contains(&response.status().as_u16());
        route.facts.see(response.headers(), is_redirect);
        match is_redirect {
            true => route.turn(response.headers()).map(|()| None),
            false => Ok(Some(response)),
        }
    }

    /// What the HTTP client tells of a request for an address, in words.
    pub fn trouble(&self, error: ureq::Error, address: &Uri) -> Trouble {
        let host = address.host().unwrap_or("the hub");
        let proxy = self.agent.config().proxy();
        match proxy.filter(|proxy| !proxy.is_no_proxy(address)) {
            None => Trouble::of(error, host, self.limits),
            Some(proxy) => {
                let host = format!("{host}, through the proxy {},", proxy.host());
                Trouble::of(error, &host, self.limits)
            }
        }
    }

    fn get(
        &self,
        address: &Uri,
        from: u64,
        limit: Option<Duration>,
    ) -> Result<Response<Body>, Trouble> {
        let origin = Origin::of(address);
        let host = origin.as_ref().map_or("the hub", |origin| &origin.host);
        self.downloads.waits(&format!("waiting for {host}"));
        let is_hub = origin
            .as_ref()
            .is_some_and(|origin| self.origin.admits(origin));
        let request = self.agent.get(address).config();
        let mut request = request.timeout_recv_body(limit).build();
        if let Some(token) = self.token.as_ref().filter(|_| is_hub) {
            request = request.header(AUTHORIZATION, token.bearer());
        }
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let response = request
            .call()
            .map_err(|error| self.trouble(error, address))?;
        let status = response.status();
        match status.is_success() || REDIRECTS.contains(&status.as_u16()) {
            true => Ok(response),
            false => {
                let storage = (!is_hub).then(|| host.to_owned());
                let refusal = refusal(storage, address, &response);
                Err(Cause::Refused(refusal).into())
            }
        }
    }
}

fn refusal(storage: Option<String>, address: &Uri, response: &Response<Body>) -> Refusal {
    let text = |name: &str| {
        let value = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let seconds = text(RETRY_AFTER.as_str()).parse().ok();
    Refusal {
        storage,
        status: response.status().as_u16(),
        code: text("x-error-code").to_owned(),
        address: address::shown(address),
        wait: seconds
            .or_else(|| reset(text("ratelimit")))
            .map(Duration::from_secs),
    }
}

/// Seconds until the hub answers again, as its `RateLimit: "api";r=0;t=55` tells.
fn reset(limit: &str) -> Option<u64> {
    let value = |name| {
        limit
            .split(';')
            .find_map(|part| part.trim().strip_prefix(name))
    };
    match value("r=") {
        Some("0") => value("t=")?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hub_tells_when_it_answers_again() {
        assert_eq!(reset(r#""api";r=0;t=55"#), Some(55));
        assert_eq!(reset(r#""api"; r=0; t=55"#), Some(55));
        assert_eq!(reset(r#""api";r=12;t=55"#), None);
        assert_eq!(reset(""), None);
    }
}
