//! Where an atlas may be begun, and its pictures be put: nowhere over what is not percept's.

use std::fs;
use std::io::ErrorKind;

use super::flags;
use super::folder::{Files, Folder};
use super::plan::{Item, Plan};
use crate::error::{Error, Result, bail};
use crate::output::own::check_replaceable;
use crate::output::temporary::is_temporary;

/// What may lie in a folder before an atlas is begun there: a user's notes, and what a file system has at the root
/// of each volume.
const BEFORE: [&str; 2] = [flags::FILE, "lost+found"];

/// Names of other things that a message lists before it counts the rest.
const NAMED: usize = 3;

impl Folder {
    /// Finds out whether an atlas can be begun here: in a folder that is empty or not there yet, that holds
    /// what a user or a file system puts there before, or an atlas whose plan was lost.
    ///
    /// # Errors
    /// When the folder holds anything else.
    pub fn check_vacant(&self) -> Result<()> {
        let entries = match fs::read_dir(self.path()) {
            Ok(entries) => entries,
            // Whether the folder can be made is another question.
            Err(source) if source.kind() == ErrorKind::PermissionDenied => {
                return Err(Error::io("cannot read", self.path(), source));
            }
            Err(_) => return Ok(()),
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        let mut others: Vec<String> = names
            .filter(|name| !is_temporary(name) && !BEFORE.iter().any(|known| name == known))
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        // Another process may have begun it since its plan was looked for.
        if others.is_empty() || self.has_begun() || self.plan()?.is_some() {
            return Ok(());
        }
        others.sort();
        let more = others.len().saturating_sub(NAMED);
        others.truncate(NAMED);
        let mut others = others.join(", ");
        if more > 0 {
            others.push_str(&format!(" and {more} more"));
        }
        bail!(
            Request,
            "{} holds {others}, but no atlas: give --out a new or an empty folder",
            self.path().display()
        )
    }

    /// Finds out before any work whether files lie in the places of pictures of which no journal ever heard, and
    /// are not percept's.
    ///
    /// # Errors
    /// When one does; or when a journal cannot be read, or is of another plan.
    pub fn check_places(&self, plan: &Plan, items: &[Item]) -> Result<()> {
        let recorded = self.recorded(plan)?;
        let unheard = items.iter().filter(|&item| !recorded.contains_key(item));
        for Files {
            picture, sidecar, ..
        } in unheard.map(|item| self.files(item))
        {
            check_replaceable(&picture)?;
            check_replaceable(&sidecar)?;
        }
        Ok(())
    }
}
