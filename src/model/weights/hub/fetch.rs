//! A file of a repository, from the address at which the hub has it.

use std::path::PathBuf;

use super::Repository;
use super::download::Download;
use crate::Result;

impl Repository<'_> {
    /// Fetches a file of the commit that is read.
    ///
    /// # Errors
    /// When it cannot be fetched: says what to do.
    pub(super) fn fetch(&self, name: &str) -> Result<PathBuf> {
        let client = self.client()?;
        let file = self.path(name);
        let commit = self.commit.borrow().clone().unwrap_or_default();
        let title = format!("{file} of {}", self.model.id);
        let download = Download {
            client,
            cache: &self.cache,
            downloads: self.downloads,
            file: &file,
            title: &title,
            commit: &commit,
            must_tell_commit: false,
            replaces: self.damaged.borrow().contains(name),
        };
        let run = |revision: &str, download: &Download| {
            let address = client.file_address(&self.model.id, revision, &file)?;
            download.run(&address)
        };
        // A branch or tag may lead elsewhere by now.
        let fetched = match run(&commit, &download) {
            // There are mirrors that know branches and tags only.
            Err(trouble) if trouble.is_not_found() && commit != self.model.revision => {
                let download = Download {
                    must_tell_commit: true,
                    ..download
                };
                let fetched = run(&self.model.revision, &download);
                fetched.map_err(|other| match other.is_not_found() {
                    true => trouble,
                    false => other,
                })
            }
            fetched => fetched,
        };
        self.downloads.ends();
        self.texts.borrow_mut().remove(name);
        fetched.map_err(|trouble| self.explain(trouble, &commit))
    }
}
