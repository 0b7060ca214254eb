//! The certificates that a hub's is trusted by.

use std::path::Path;

use ureq::tls::{Certificate, RootCerts};

use crate::Result;
use crate::error::bail;

/// Those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, or else the system's; Mozilla's where the system has none, as in
/// small containers.
///
/// # Errors
/// When a variable names what holds no certificates.
pub fn find() -> Result<RootCerts> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let (file, folder) = (named("SSL_CERT_FILE"), named("SSL_CERT_DIR"));
    let is_missing = file.as_ref().is_some_and(|file| !Path::new(file).is_file());
    let found = rustls_native_certs::load_native_certs();
    if !is_missing && !found.certs.is_empty() {
        let certificates = found.certs.iter();
        let owned = certificates.map(|certificate| Certificate::from_der(certificate).to_owned());
        return Ok(RootCerts::from(owned));
    }
    let told = file.map(|value| ("SSL_CERT_FILE", value));
    match told.or_else(|| folder.map(|value| ("SSL_CERT_DIR", value))) {
        None => Ok(RootCerts::WebPki),
        Some((name, value)) => bail!(
            Io,
            "{name} names {}, where no certificates can be read: give certificates in PEM format, or unset it",
            value.display()
        ),
    }
}
