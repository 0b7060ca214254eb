//! Weights in the cache that are not those that the hub has.

use std::path::Path;

use super::json::Json;
use super::{Repository, part};
use crate::error::{Kind, bail};
use crate::model::spec::WEIGHT_EXTENSIONS;
use crate::model::weights::package::{self, Package};
use crate::{Error, Result};

impl Repository<'_> {
    /// Reads the weights, which are fetched again where they are not those that the hub has.
    ///
    /// # Errors
    /// When they cannot be fetched or used.
    pub fn read(&self, prefix: Option<&str>) -> Result<Option<Package>> {
        let read = || match &self.model.file {
            None => package::read(self, prefix),
            Some(file) => package::read_named(self, file, prefix),
        };
        let package = read();
        match self.mend(&package)? {
            true => read(),
            false => package,
        }
    }

    /// Looks at the weights that were read, and fetches again what is damaged. Whether something was.
    fn mend(&self, package: &Result<Option<Package>>) -> Result<bool> {
        let used: Vec<_> = self.used.borrow().clone().into_iter().collect();
        let promised: Vec<_> = used
            .into_iter()
            .filter(|(name, _)| is_weights(name))
            .filter_map(|(name, path)| Some((name, self.cache.promised(&path)?, path)))
            .collect();
        let expected = promised.iter().map(|(name, sha256, _)| (name, sha256));
        match package {
            Ok(Some(package)) if package.digest == package::digest(expected) => return Ok(false),
            Err(error) if error.kind() != Kind::Weights => return Ok(false),
            _ => {}
        }
        let mut has_mended = false;
        for (name, sha256, path) in promised {
            let found =
                part::digest(&path).map_err(|error| Error::io("cannot read", &path, error))?;
            if found != sha256 {
                self.replace(&name, &path)?;
                has_mended = true;
            }
        }
        Ok(has_mended)
    }

    /// # Errors
    /// When a file is not the JSON that it should be, and there is no other.
    pub(super) fn check_json(&self, name: &str, path: &Path) -> Result<()> {
        let elsewhere = &self.elsewhere;
        match (self.json(name, path), self.environment.offline) {
            (Json::Sound, _) => Ok(()),
            (Json::NotFinite, _) => bail!(
                Weights,
                "{} has NaN or Infinity in it, which JSON does not have: ask its owners to mend it, or {elsewhere}, \
                 with null in their place",
                path.display()
            ),
            (Json::Broken, Some(variable)) => bail!(
                Weights,
                "{} in the cache is damaged, it is not JSON: unset {variable} for it to be fetched again",
                path.display()
            ),
            (Json::Broken, None) => bail!(
                Weights,
                "{name} of {} is not JSON on the hub either: ask its owners to mend it, or {elsewhere}, with it mended",
                self.model.id
            ),
        }
    }

    fn replace(&self, name: &str, path: &Path) -> Result<()> {
        let damaged = format!(
            "{} in the cache is damaged: its SHA-256 is not the one that the hub gives for it",
            path.display()
        );
        if let Some(variable) = self.environment.offline {
            bail!(
                Weights,
                "{damaged}; unset {variable} for it to be fetched again, or remove it"
            );
        }
        self.downloads
            .remark(&format!("{damaged}; fetching it again"));
        self.damaged.borrow_mut().insert(name.to_owned());
        self.listing(true)?;
        self.fetch(name).map(|_| ())
    }
}

/// Whether a file of this name holds weights.
fn is_weights(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| WEIGHT_EXTENSIONS.contains(&ending))
}
