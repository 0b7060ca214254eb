//! The bytes of an answer, and whether they are those of the file.

use std::io::Read;

use ureq::Body;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use ureq::http::{Response, StatusCode};

use super::download::Download;
use super::part::{CHUNK, Part};
use super::route::Route;
use super::trouble::{Attempts, Trouble};

/// A connection that is cut after so many bytes has not been in vain.
const PROGRESS: u64 = 1 << 20;

impl Download<'_> {
    /// Adds an answer's bytes to the part, which is the whole file then.
    ///
    /// # Errors
    /// When they end early, or are not those of the file; what may be right of them stays.
    pub(super) fn receive(
        &self,
        part: &mut Part,
        route: &Route,
        response: Response<Body>,
        attempts: &mut Attempts,
    ) -> Result<(), Trouble> {
        let host = route.host();
        let cannot = |error| self.unwritable(error);
        let (begins, total) = extent(&response);
        if begins != part.length() {
            part.restart().map_err(cannot)?;
        }
        if begins > 0 && part.length() == 0 {
            let what = format!(
                "{host} sent another piece of {} than was asked for",
                self.title
            );
            return Err(Trouble::passing(what));
        }
        let size = route.facts.size.or(total);
        if let (Some(size), Some(total)) = (size, total)
            && size != total
        {
            let title = self.title;
            let what = format!(
                "{host} has {total} bytes for {title}, of which the hub says that it has {size}"
            );
            return Err(Trouble::passing(what));
        }
        self.downloads.begins(self.title, size, part.length());
        let came = self.copy(part, response, size, route);
        if part.has_grown(PROGRESS) {
            attempts.refresh();
        }
        came?;
        match size {
            Some(size) if part.length() < size => Err(Trouble::passing(format!(
                "{host} sent {} of the {size} bytes of {}",
                part.length(),
                self.title
            ))),
            _ if part.is_checked() && !part.is_right().map_err(cannot)? => {
                part.restart().map_err(cannot)?;
                Err(Trouble::dear(format!(
                    "what {host} sent for {} is not that file: its SHA-256 is another",
                    self.title
                )))
            }
            _ => Ok(()),
        }
    }

    /// Writes what comes to the part, up to the file's size.
    fn copy(
        &self,
        part: &mut Part,
        response: Response<Body>,
        size: Option<u64>,
        route: &Route,
    ) -> Result<(), Trouble> {
        let mut reader = response.into_body().into_reader();
        let mut buffer = vec![0; CHUNK];
        loop {
            self.client.go_on()?;
            let read = reader
                .read(&mut buffer)
                .map_err(|error| self.client.trouble(error.into(), route.address()))?;
            if read == 0 {
                return Ok(());
            }
            if let Some(size) = size
                && part.length() + read as u64 > size
            {
                part.restart().map_err(|error| self.unwritable(error))?;
                let (host, title) = (route.host(), self.title);
                let what = format!("{host} sent more than the {size} bytes of {title}");
                return Err(Trouble::dear(what));
            }
            part.write(&buffer[..read])
                .map_err(|error| self.unwritable(error))?;
            self.downloads.reaches(part.length());
        }
    }
}

/// The first byte that an answer has, and how many the whole file has, where it tells.
fn extent(response: &Response<Body>) -> (u64, Option<u64>) {
    let text = |name| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return (
            0,
            text(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        );
    }
    let range = text(CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes "));
    let (extent, total) = range
        .and_then(|range| range.split_once('/'))
        .unwrap_or_default();
    let begins = extent
        .split_once('-')
        .and_then(|(begins, _)| begins.parse().ok());
    // A piece of which it is not known where it belongs is no beginning.
    (begins.unwrap_or(u64::MAX), total.parse().ok())
}
