//! The way from an address of the hub to what it leads to.

use std::time::Duration;

use ureq::http::header::LOCATION;
use ureq::http::{HeaderMap, Uri};

use super::address;
use super::cache;
use super::trouble::Trouble;

/// Redirects from one address to the next, as many as browsers follow.
const MAX_REDIRECTS: usize = 20;

/// The way from an address over its redirects.
#[derive(Debug)]
pub struct Route {
    address: Uri,
    pub facts: Facts,
    /// How long an answer may take to come wholly.
    pub limit: Option<Duration>,
    redirects: usize,
}

impl Route {
    pub fn new(address: Uri) -> Self {
        Self {
            address,
            facts: Facts::default(),
            limit: None,
            redirects: 0,
        }
    }

    /// Where it has come to.
    pub fn address(&self) -> &Uri {
        &self.address
    }

    /// The host of that.
    pub fn host(&self) -> &str {
        self.address.host().unwrap_or("the hub")
    }

    /// Goes where a redirect leads.
    ///
    /// # Errors
    /// When it leads nowhere, or not without others who listen.
    pub fn turn(&mut self, headers: &HeaderMap) -> Result<(), Trouble> {
        let shown = address::shown(&self.address);
        self.redirects += 1;
        if self.redirects > MAX_REDIRECTS {
            let what = format!("the hub redirects without an end, at last from {shown}");
            return Err(Trouble::lasting(what));
        }
        let Some(location) = headers.get(LOCATION) else {
            return Err(Trouble::lasting(format!(
                "{shown} redirects without saying where to"
            )));
        };
        let location = location.to_str().ok();
        let next = location.and_then(|location| address::join(&self.address, location));
        let is_secure = |address: &Uri| address.scheme_str() == Some("https");
        match next {
            None => Err(Trouble::lasting(format!(
                "{shown} redirects to what is no address"
            ))),
            Some(next) if is_secure(&self.address) && !is_secure(&next) => {
                let what = format!("{shown} redirects to an address that is not secure");
                Err(Trouble::lasting(what))
            }
            Some(next) => {
                self.address = next;
                Ok(())
            }
        }
    }
}

/// What the answers on the way to a file tell of it.
#[derive(Debug, Default)]
pub struct Facts {
    pub commit: Option<String>,
    pub etag: Option<String>,
    /// Whether the ETag is the hub's, which no other file has; storage has its own.
    pub is_etag_of_hub: bool,
    pub size: Option<u64>,
}

impl Facts {
    /// Takes what an answer tells: the first that tells something counts, for after the hub come others.
    pub fn see(&mut self, headers: &HeaderMap, is_redirect: bool) {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let commit = text("x-repo-commit").filter(|commit| cache::is_name(commit));
        let size = text("x-linked-size").and_then(|size| size.parse().ok());
        if self.etag.is_none() {
            let linked = text("x-linked-etag");
            // A redirect that is not the hub's has a text of its own, which its ETag is of.
            let own = text("etag").filter(|_| commit.is_some() || !is_redirect);
            let etag = linked
                .or(own)
                .map(|etag| etag.trim_start_matches(['W', '/']).trim_matches('"'));
            self.etag = etag.filter(|etag| cache::is_name(etag)).map(str::to_owned);
            self.is_etag_of_hub = linked.is_some() || commit.is_some();
        }
        self.commit = self.commit.take().or(commit.map(str::to_owned));
        self.size = self.size.or(size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        let header = |&(name, value): &(&'static str, &str)| {
            let name = ureq::http::HeaderName::from_static(name);
            (name, value.parse().unwrap())
        };
        of.iter().map(header).collect()
    }

    #[test]
    fn a_secure_way_stays_secure() {
        let mut route = Route::new("https://hub/a".parse().unwrap());
        route
            .turn(&headers(&[("location", "https://cdn/a")]))
            .unwrap();
        assert_eq!(route.host(), "cdn");
        for location in ["http://cdn/a", "http://bad host/", "ftp:/"] {
            let turned = route.turn(&headers(&[("location", location)]));
            assert!(
                turned.is_err() || route.address().scheme_str() == Some("https"),
                "{location}"
            );
        }
        assert!(route.turn(&headers(&[])).is_err());
        assert_eq!(route.host(), "cdn");
    }

    #[test]
    fn the_first_answer_that_tells_something_counts() {
        let mut facts = Facts::default();
        facts.see(&headers(&[("etag", "\"page\"")]), true);
        assert_eq!(facts.etag, None);
        let hub = [
            ("x-repo-commit", "c0ffee"),
            ("etag", "W/\"short\""),
            ("x-linked-etag", "\"long\""),
            ("x-linked-size", "7"),
        ];
        facts.see(&headers(&hub), true);
        facts.see(
            &headers(&[("etag", "\"other\""), ("x-repo-commit", "other")]),
            false,
        );
        assert_eq!(facts.etag.as_deref(), Some("long"));
        assert_eq!(facts.commit.as_deref(), Some("c0ffee"));
        assert_eq!((facts.size, facts.is_etag_of_hub), (Some(7), true));

        let mut storage = Facts::default();
        storage.see(&headers(&[("etag", "\"../../x\"")]), false);
        assert_eq!(storage.etag, None);
        storage.see(&headers(&[("etag", "W/\"x\"")]), false);
        assert_eq!(
            (storage.etag.as_deref(), storage.is_etag_of_hub),
            (Some("x"), false)
        );
    }
}
