//! The plan in an atlas' folder: written by the first process, replaced by one that holds more units, and kept
//! as it is while anybody is at work on it.
//!
//! Whoever is at work holds a shared lock of `plan.json`; who lets it grow, one of its own. A journal says
//! first that one plan grew into another; then the new plan takes the place of the old one. So journals of
//! the old plan are journals of the new one from the moment on at which it is there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::folder::Folder;
use super::journal::{Event, Journal};
use super::plan::Plan;
use crate::error::{Error, Result, bail};
use crate::output::file;

/// A plan that does not change as long as this value lives.
pub struct Held {
    plan: Plan,
    _lock: File,
}

/// How long another process may take to let a plan grow: it writes a line and a file.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked whether it has.
const TICK: Duration = Duration::from_millis(50);

impl Held {
    /// Holds the plan of a folder, which becomes `plan` where there is none yet or one that grows into it;
    /// several processes may try.
    ///
    /// # Errors
    /// When the folder holds another plan, when it would have to grow and others are at work on it, or when
    /// the system refuses.
    pub fn new(folder: &Folder, plan: &Plan, journal: &mut Journal) -> Result<Self> {
        let path = folder.plan_file();
        let start = Instant::now();
        loop {
            put(folder, plan)?;
            let known = known(folder, plan)?;
            let is_enough = known.is_same(plan);
            // The plan may have been replaced between the two looks: then the lock is of a file that is gone.
            if let Some(lock) = lock(&path, is_enough)?
                && folder.plan()?.as_ref() == Some(&known)
            {
                if is_enough {
                    return Ok(Self {
                        plan: known,
                        _lock: lock,
                    });
                }
                let grown = plan.clone().of_weights(&known.first()?.model.name);
                grow(folder, (&known, &grown), journal)?;
            } else if start.elapsed() > PATIENCE {
                bail!(
                    Request,
                    "another percept is at work on {}, which can get more units only when nobody is: wait for it, then give the same command again",
                    folder.path().display()
                );
            } else {
                thread::sleep(TICK);
            }
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// Locks a file, with others or alone; none while somebody else has a lock that excludes it.
fn lock(path: &Path, with_others: bool) -> Result<Option<File>> {
    // Network file systems lock a file alone only where it could be written to.
    let file = OpenOptions::new().read(true).write(!with_others).open(path);
    let file = file.map_err(|source| Error::io("cannot open", path, source))?;
    let locked = match with_others {
        true => file.try_lock_shared(),
        false => file.try_lock(),
    };
    match locked {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        // Some network file systems have no locks.
        Err(TryLockError::Error(source)) if source.kind() == ErrorKind::Unsupported => {
            Ok(Some(file))
        }
        Err(TryLockError::Error(source)) => Err(Error::io("cannot lock", path, source)),
    }
}

/// Writes the plan where there is none yet, in a folder that is there; several processes may try.
///
/// # Errors
/// When the system refuses.
pub fn put(folder: &Folder, plan: &Plan) -> Result<()> {
    let path = folder.plan_file();
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    let staged = file::stage(&path, &plan.to_json()?)?;
    match staged.finish_new() {
        Err(source) if source.kind() != ErrorKind::AlreadyExists => {
            Err(Error::io("cannot write", &path, source))
        }
        _ => Ok(()),
    }
}

/// The plan of a folder.
///
/// # Errors
/// When it is neither the same as `plan` nor grows into it.
pub fn known(folder: &Folder, plan: &Plan) -> Result<Plan> {
    match folder.plan()? {
        Some(known) if known.is_same(plan) || known.grows_into(plan) => Ok(known),
        _ => bail!(
            Request,
            "{} holds an atlas of another plan: give another --out",
            folder.path().display()
        ),
    }
}

/// Replaces a plan, which nobody else holds.
fn grow(folder: &Folder, (known, grown): (&Plan, &Plan), journal: &mut Journal) -> Result<()> {
    let path = folder.plan_file();
    journal.append(&[Event::Grow {
        from: known.digest()?,
        to: grown.digest()?,
    }])?;
    file::stage_in(folder.path(), &path, &grown.to_json()?)?.finish()?;
    // No journal may name the new plan before it is there to stay. Not every system can wait for a folder.
    let _ = File::open(folder.path()).map(|folder| folder.sync_all());
    Ok(())
}
