//! Web addresses: whose they are, how they are spelled, how they are shown.

use std::fmt::Write;

use ureq::http::Uri;

/// Whose an address is: nothing that is meant for one is for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    pub host: String,
    port: u16,
}

impl Origin {
    /// The origin of a whole address.
    pub fn of(address: &Uri) -> Option<Self> {
        let scheme = address.scheme_str()?.to_ascii_lowercase();
        let port = match scheme.as_str() {
            "https" => 443,
            _ => 80,
        };
        Some(Self {
            host: address.host()?.to_ascii_lowercase(),
            port: address.port_u16().unwrap_or(port),
            scheme,
        })
    }

    /// Whether what is meant for this origin may go to another: to itself, and to the same host's secure address, each
    /// at its scheme's own port. As with Python's `requests`, never the other way round.
    pub fn admits(&self, other: &Self) -> bool {
        let is_upgrade = (self.scheme.as_str(), self.port) == ("http", 80)
            && (other.scheme.as_str(), other.port) == ("https", 443)
            && self.host == other.host;
        is_upgrade || self == other
    }
}

/// The address that a redirect from `base` leads to.
pub fn join(base: &Uri, location: &str) -> Option<Uri> {
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let is_whole = ["http://", "https://"]
        .iter()
        .any(|scheme| location.to_ascii_lowercase().starts_with(scheme));
    let address = match location {
        _ if is_whole => location.to_owned(),
        _ if location.starts_with("//") => format!("{scheme}:{location}"),
        _ if location.starts_with('/') => format!("{scheme}://{authority}{location}"),
        _ => {
            let folder = base
                .path()
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder);
            format!("{scheme}://{authority}{folder}/{location}")
        }
    };
    address.parse().ok()
}

/// The address without what follows `?`: signatures of storage are secrets.
pub fn shown(address: &Uri) -> String {
    let (scheme, host) = (address.scheme_str().unwrap_or("http"), address.authority());
    let host = host.map_or("", |authority| authority.as_str());
    let host = host.rsplit('@').next().unwrap_or(host);
    format!("{scheme}://{host}{}", address.path())
}

/// The text as a part of an address's path, its slashes too.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => quoted.push(byte as char),
            // Writing to a string does not fail.
            false => _ = write!(quoted, "%{byte:02X}"),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn redirects_lead_where_they_say() {
        let base = uri("https://hub:8443/o/n/resolve/main/a.json?x=1");
        for (location, leads) in [
            ("https://cdn/b?s=1", "https://cdn/b?s=1"),
            ("HTTP://cdn/b", "http://cdn/b"),
            ("//cdn/b", "https://cdn/b"),
            ("/b", "https://hub:8443/b"),
            ("b", "https://hub:8443/o/n/resolve/main/b"),
        ] {
            assert_eq!(join(&base, location), Some(uri(leads)), "{location}");
        }
        assert_eq!(join(&base, "http://bad host/ x"), None);
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let origin = |text| Origin::of(&uri(text));
        assert_eq!(origin("https://Hub/a"), origin("https://hub:443/b"));
        for other in [
            "http://hub",
            "https://hub:444",
            "https://cdn",
            "https://hub.evil",
        ] {
            assert_ne!(origin("https://hub"), origin(other), "{other}");
        }
        assert_eq!(origin("/a"), None);
    }

    #[test]
    fn a_host_admits_its_own_secure_address_and_not_the_other_way_round() {
        let admits = |one, other| {
            let [one, other] = [one, other].map(|text| Origin::of(&uri(text)).unwrap());
            one.admits(&other)
        };
        for (one, other, is) in [
            ("http://hub", "http://hub", true),
            ("http://hub", "https://hub", true),
            ("http://hub:80", "https://HUB:443", true),
            ("https://hub", "http://hub", false),
            ("http://hub", "https://cdn", false),
            ("http://hub", "https://hub:444", false),
            ("http://hub:8080", "https://hub", false),
            ("http://hub:443", "https://hub", false),
        ] {
            assert_eq!(admits(one, other), is, "{one} {other}");
        }
    }

    #[test]
    fn addresses_are_shown_without_secrets() {
        assert_eq!(
            shown(&uri("https://me:word@hub:1/a?Signature=abc")),
            "https://hub:1/a"
        );
        assert_eq!(quoted("refs/pr/1 ü~"), "refs%2Fpr%2F1%20%C3%BC~");
    }
}
