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
    fn addresses_are_shown_without_secrets() {
        assert_eq!(
            shown(&uri("https://me:word@hub:1/a?Signature=abc")),
            "https://hub:1/a"
        );
        assert_eq!(quoted("refs/pr/1 ü~"), "refs%2Fpr%2F1%20%C3%BC~");
    }
}
