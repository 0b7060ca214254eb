//! One process's share of a plan: what is left of it, rendered batch after batch.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use ndarray::ArrayView1;
use ndarray_npy::WriteNpyExt;

use super::folder::Folder;
use super::journal::{Busy, Entry, Event};
use super::plan::{Item, Plan};
use super::queue::{Queue, Task};
use super::shard::Shard;
use super::writer::{Bytes, Writer};
use crate::ascent::Watch;
use crate::backend::threads::map_images;
use crate::error::{Error, Kind, Result, bail};
use crate::recipe::Recipe;
use crate::render::{Climbed, Renderer};

/// Follows a job and may end it.
pub trait Report: Watch {
    /// A batch of `images` begins; `done` pictures of this share are behind it.
    fn batch_begins(&self, images: usize, done: usize);

    /// Something that the user should know.
    fn remark(&self, text: &str);
}

/// A share of a plan that this process alone works on.
pub struct Work {
    writer: Writer,
    plan: Plan,
    shard: Shard,
    done: HashMap<Item, Entry>,
    left: Vec<Item>,
}

/// What a job did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Pictures that were rendered now.
    pub rendered: usize,
    /// Seconds that it took.
    pub seconds: f64,
    /// Pictures that could not be made; the journal says why.
    pub failed: Vec<Item>,
}

impl Work {
    /// Opens a share of the plan in a folder, which is made where it is missing, and looks what is
    /// done: what a journal says and the folder still holds. A folder whose plan is a part of this one gets
    /// this one.
    ///
    /// # Errors
    /// When the folder cannot be written to, holds another plan, or another process is at work on
    /// this share, or on any where the plan has to grow.
    pub fn open(folder: Folder, plan: Plan, shard: Shard) -> Result<Self> {
        let known = folder.plan()?;
        folder.check_places(known.as_ref().unwrap_or(&plan), &items_of(&plan, shard))?;
        let writer = Writer::open(folder, &plan, &shard.name(), Busy::Refuse)?;
        let plan = writer.plan().clone();
        let done = writer.folder().done(&plan)?;
        let mut left = items_of(&plan, shard);
        left.retain(|item| !done.contains_key(item));
        Ok(Self {
            writer,
            plan,
            shard,
            done,
            left,
        })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Pictures of the plan that are done.
    pub fn done(&self) -> usize {
        self.done.len()
    }

    /// Pictures that this share has still to make.
    pub fn left(&self) -> usize {
        self.left.len()
    }

    /// Every picture of the plan that is done, of this share or another, in the plan's order.
    pub fn entries(&self) -> Vec<Entry> {
        in_order(&self.plan, &self.done)
    }

    /// Renders what is left, at most `batch` pictures together; those of a batch are measured and
    /// written while the next one climbs. One that fails is tried again when all others have been;
    /// then the job goes on without it.
    ///
    /// # Errors
    /// When the folder can no longer be written to, when its plan or journal was removed or replaced
    /// meanwhile, or `report` stopped it. What was done is kept, and a later run goes on from there.
    pub fn run(
        &mut self,
        renderer: &Renderer,
        batch: usize,
        report: &dyn Report,
    ) -> Result<Outcome> {
        let outcome = self.render(renderer, batch, report);
        self.writer.check_in_place()?;
        outcome
    }

    fn render(
        &mut self,
        renderer: &Renderer,
        batch: usize,
        report: &dyn Report,
    ) -> Result<Outcome> {
        let start = Instant::now();
        self.writer.append(&[Event::Begin {
            plan: self.plan.digest()?,
            shard: self.shard,
            batch,
            threads: rayon::current_num_threads(),
        }])?;
        let asked = self.left.len();
        let mut queue = Queue::new(&self.plan, std::mem::take(&mut self.left), batch)?;
        let until = Until {
            report,
            is_refused: AtomicBool::new(false),
        };
        let mut outcome = Outcome::default();
        let mut climbed: Vec<(Task, Climbed)> = Vec::new();
        let mut is_stopped = false;
        loop {
            is_stopped |= report.should_stop();
            let tasks = match is_stopped {
                true => Vec::new(),
                false => queue.next_batch().unwrap_or_default(),
            };
            if tasks.is_empty() && climbed.is_empty() {
                break;
            }
            if !tasks.is_empty() {
                let behind = outcome.rendered + outcome.failed.len() + climbed.len();
                report.batch_begins(tasks.len(), behind);
            }
            let recipes: Vec<&Recipe> = tasks.iter().map(|task| &task.recipe).collect();
            let keep = || {
                let kept = keep_all(&self.writer, std::mem::take(&mut climbed), report);
                until.is_refused.store(kept.1.is_err(), Ordering::Relaxed);
                kept
            };
            let ((kept, disk), results) = beside(keep, || renderer.climb(&recipes, &until))?;
            let mut failed = Vec::new();
            for (task, result) in kept {
                match result {
                    Ok(entry) => {
                        outcome.rendered += 1;
                        self.done.insert(task.item, entry);
                    }
                    Err(error) if error.kind() == Kind::Interrupted => is_stopped = true,
                    Err(error) => failed.push((task, error)),
                }
            }
            disk?;
            for (task, result) in tasks.into_iter().zip(results) {
                match result {
                    Ok(picture) if picture.is_whole() => climbed.push((task, picture)),
                    Ok(_) => is_stopped = true,
                    Err(error) => failed.push((task, error)),
                }
            }
            for (task, error) in failed {
                if let Some(Task { item, .. }) = queue.try_again(task, &error) {
                    report.remark(&format!("{item}: {}", error.report()));
                    self.writer.append(&[Event::Failed {
                        item: item.clone(),
                        error: error.report(),
                    }])?;
                    outcome.failed.push(item);
                }
            }
            if let Some(batch) = queue.halve_after_failure() {
                report.remark(&format!(
                    "the device failed: going on with batches of {batch}"
                ));
            }
        }
        if outcome.rendered + outcome.failed.len() < asked {
            bail!(Interrupted, "stopped");
        }
        outcome.seconds = start.elapsed().as_secs_f64();
        Ok(outcome)
    }
}

/// A share of a plan's pictures, in its order.
fn items_of(plan: &Plan, shard: Shard) -> Vec<Item> {
    let own = plan.units().enumerate();
    let own = own.filter(|(index, _)| shard.takes(*index));
    own.flat_map(|(_, (tap, channel))| plan.items_of(tap, channel))
        .collect()
}

/// Follows an ascent, whose pictures are of no use when the disk has refused those before.
struct Until<'a> {
    report: &'a dyn Report,
    is_refused: AtomicBool,
}

impl Watch for Until<'_> {
    fn stepped(&self, steps_done: usize) {
        self.report.stepped(steps_done);
    }

    fn warn(&self, message: &str) {
        self.report.warn(message);
    }

    fn should_stop(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed) || self.report.should_stop()
    }
}

/// Runs both at the same time.
///
/// # Errors
/// When the system has no room for another thread.
fn beside<A: Send, B>(other: impl FnOnce() -> A + Send, own: impl FnOnce() -> B) -> Result<(A, B)> {
    thread::scope(|scope| {
        let other = thread::Builder::new().spawn_scoped(scope, other);
        let other = other.map_err(|source| {
            Error::new(Kind::Internal, "cannot start a thread").caused_by(source)
        })?;
        let own = own();
        match other.join() {
            Ok(other) => Ok((other, own)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Measures pictures and puts their files in their places; says what became of each, and what the disk
/// refused: for one as for all. Those that `watch` stops before they are measured are left out.
fn keep_all(
    writer: &Writer,
    climbed: Vec<(Task, Climbed)>,
    watch: &dyn Watch,
) -> (Vec<(Task, Result<Entry>)>, Result<()>) {
    let kept = map_images(climbed, |_, (task, climbed)| {
        let entry = keep(writer, &task.item, climbed, watch);
        (task, entry)
    });
    let mut disk = writer.settle();
    if disk.is_err() {
        return (Vec::new(), disk);
    }
    let mut others = Vec::with_capacity(kept.len());
    for (task, entry) in kept {
        match entry {
            Err(error) if error.kind() == Kind::Io => disk = Err(error),
            entry => others.push((task, entry)),
        }
    }
    (others, disk)
}

/// Measures a picture and has its files written.
fn keep(writer: &Writer, item: &Item, climbed: Climbed, watch: &dyn Watch) -> Result<Entry> {
    let made = climbed.measure(watch)?;
    let Some(measured) = made.measured() else {
        bail!(Interrupted, "{item} was stopped before it was measured");
    };
    let name = writer.folder().files(item).picture;
    let (picture, described) = made.picture(&name)?;
    let bytes = Bytes {
        sidecar: made.lasting_sidecar(described)?,
        response: npy(&measured.response)?,
        picture,
    };
    writer.put(item, &bytes, (made.seconds(), made.batch()))
}

/// What is done, in the plan's order.
pub fn in_order(plan: &Plan, done: &HashMap<Item, Entry>) -> Vec<Entry> {
    let items = plan.items();
    items.filter_map(|item| done.get(&item).cloned()).collect()
}

fn npy(values: &[f32]) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    ArrayView1::from(values)
        .write_npy(&mut bytes)
        .map_err(|source| Error::new(Kind::Internal, "cannot write an array").caused_by(source))?;
    Ok(bytes.into_inner())
}
